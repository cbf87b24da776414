"""Asking for faults: the API, the page and its form, the command line."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from typer.testing import CliRunner, Result

from localazure.faults.cli import app
from localazure.supervisor import acquire
from tests.localazure.faults_on_demand.conftest import Stack

BROWSER = {"accept": "text/html"}


def test_the_api_lists_what_was_asked_for(stack: Stack) -> None:
    identifier = stack.fault("error", where={"path": "/emails*"}, for_seconds=30)
    (found,) = stack.ask("GET", "/admin/faults").json()["faults"]
    assert (found["id"], found["live"], found["met"], found["injected"]) == (identifier, True, 0, 0)
    assert found["fault"] == {
        "kind": "error",
        "where": {"path": "/emails*"},
        "probability": 1.0,
        "every": 1,
        "times": None,
        "for_seconds": 30.0,
        "parameters": {"status": 503.0},
        "seed": 0,
    }
    assert stack.ask("DELETE", f"/admin/faults/{identifier}").json() == {"cleared": 1}
    assert stack.ask("DELETE", f"/admin/faults/{identifier}").status_code == 404


@pytest.mark.parametrize("body", ["", "{", "[]", '{"kind": "x"}', '{"kind": "slow", "for": 3}', "\xff"])
def test_bad_input_is_refused_with_what_is_wrong(stack: Stack, body: str) -> None:
    answer = stack.ask("POST", "/admin/faults", content=body.encode("latin-1"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert answer.json()["error"]["message"]


def test_the_pages_form_adds_and_clears(stack: Stack) -> None:
    form = {
        "kind": "throttle",
        "where": "path=/emails* method=POST",
        "parameters": "retry_after=3",
        "times": "2",
    }
    added = stack.ask("POST", "/admin/faults", data=form | {"every": "", "seed": "7"}, headers=BROWSER)
    assert (added.status_code, added.headers["location"]) == (303, "/admin/faults")
    (found,) = stack.ask("GET", "/admin/faults").json()["faults"]
    assert found["fault"]["where"] == {"path": "/emails*", "method": "POST"}
    assert (found["fault"]["times"], found["fault"]["seed"]) == (2, 7)
    stack.ask("POST", "/emails:send")
    page = stack.ask("GET", "/admin/faults", headers=BROWSER).text
    assert found["id"] in page
    assert "/emails:send" in page
    assert (
        stack.ask("POST", f"/admin/faults/{found['id']}/clear", headers=BROWSER, data={"x": "y"}).status_code
        == 303
    )
    assert stack.ask("GET", "/admin/faults").json()["faults"] == []


def test_the_pages_form_says_what_is_wrong_and_escapes_it(stack: Stack) -> None:
    answer = stack.ask("POST", "/admin/faults", data={"kind": "slow", "where": "<script>=x"}, headers=BROWSER)
    assert answer.status_code == 400
    assert "&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text


@pytest.fixture
def command(stack: Stack) -> Iterator[object]:
    """The command line; what a supervisor would have written is there."""
    state = stack.runtime.state
    (state / "state.json").write_text(
        json.dumps({"ready": True, "addresses": asdict(stack.runtime.addresses)})
    )
    with acquire(state):
        yield lambda *arguments: CliRunner().invoke(app, [*arguments, "--state", str(state)])


def test_the_command_line_adds_lists_logs_and_clears(stack: Stack, command) -> None:
    asked = ["add", "throttle", "--where", "path=/emails*", "--set", "retry_after=2"]
    added: Result = command(*asked, "--probability", "1", "--for", "5m", "--seed", "3")
    assert added.exit_code == 0, added.output
    (found,) = stack.ask("GET", "/admin/faults").json()["faults"]
    assert added.output.strip() == found["id"]
    assert (found["fault"]["for_seconds"], found["fault"]["seed"]) == (300.0, 3)
    stack.ask("POST", "/emails:send")
    assert "throttle" in command("list").output
    assert "path=/emails:send" in command("log").output
    assert command("clear", found["id"]).output.strip() == "Cleared 1."
    assert "everything works" in command("list").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "trottle"], "throttle, error"),
        (["add", "slow", "--where", "path"], "name=value"),
        (["add", "slow", "--for", "soon"], "no duration"),
        (["add", "slow", "--set", "seconds=301"], "300"),
        (["clear", "unknown"], "unknown"),
    ],
)
def test_the_command_line_says_what_is_wrong(command, arguments: list[str], words: str) -> None:
    result: Result = command(*arguments)
    assert result.exit_code != 0
    assert words in " ".join(result.output.replace("│", " ").split())


def test_the_command_line_says_when_nothing_runs(tmp_path) -> None:
    result = CliRunner().invoke(app, ["list", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert "No local Azure runs" in result.output
