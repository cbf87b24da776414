"""`busbar pause`, `resume`, `cancel` and `retry` against the app's own routes."""

from collections.abc import Callable, Generator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from busbar.cli import app
from busbar.domain.records import RunRecord, RunStatus
from tests.activities.bench import RUN
from tests.fakes import NOON, FakeApprovals, FakeAudit, FakeRecords
from tests.served import KEY, served

Busbar = Callable[..., Result]


@pytest.fixture
def records() -> FakeRecords:
    made = FakeRecords()
    made.save_run(
        RunRecord(RUN.id, RUN.commit, "develop", "somebody", RunStatus.RUNNING, "3 of 3 to train", NOON)
    )
    return made


@pytest.fixture
def busbar(records: FakeRecords, monkeypatch: pytest.MonkeyPatch) -> Generator[Busbar]:
    clients = {"records": records, "audit": FakeAudit(), "approvals": FakeApprovals()}
    with served(monkeypatch, clients) as app_at:
        monkeypatch.setenv("BUSBAR_URL", app_at.url)
        monkeypatch.setenv("BUSBAR_KEY", KEY)
        monkeypatch.setenv("COLUMNS", "200")
        yield lambda *arguments, **more: CliRunner().invoke(app, arguments, **more)


@pytest.mark.parametrize("command", ["pause", "resume", "retry"])
def test_an_unknown_run_is_one_sentence_with_its_id(busbar: Busbar, command: str):
    said = busbar(command, "train-x", "--reason", "why")
    assert said.exit_code == 1
    assert f"POST /api/runs/train-x/{command}: 404: there is no run train-x" in said.stderr


@pytest.mark.parametrize("command", ["pause", "resume", "retry"])
def test_without_a_reason_nothing_is_asked(busbar: Busbar, command: str):
    said = busbar(command, RUN.id)
    assert (said.exit_code, said.stderr.strip()) == (1, "busbar: say why: --reason …")


def test_a_cancellation_is_asked_about(busbar: Busbar):
    said = busbar("cancel", RUN.id, "--reason", "why", input="n\n")
    assert said.exit_code == 1
    assert f"Cancel {RUN.id} and everything it has under way?" in said.stdout
    assert "nothing was done" in said.stderr
    assert "404" in busbar("cancel", "train-x", "--reason", "why", "--yes").stderr


def test_runs_are_listed_with_the_id_that_the_controls_take(busbar: Busbar):
    assert RUN.id in busbar("runs").stdout
