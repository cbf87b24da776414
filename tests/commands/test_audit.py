"""`busbar audit` against the app's own routes."""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from busbar.cli import app
from tests.fakes import FakeAudit
from tests.served import KEY, served


@pytest.fixture
def audit() -> FakeAudit:
    return FakeAudit()


@pytest.fixture
def busbar(audit: FakeAudit, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[..., Result]]:
    with served(monkeypatch, {"audit": audit}) as app_at:
        monkeypatch.setenv("BUSBAR_URL", app_at.url)
        monkeypatch.setenv("BUSBAR_KEY", KEY)
        yield lambda *arguments: CliRunner().invoke(app, arguments)


def fill(audit: FakeAudit, count: int) -> None:
    for number in range(1, count + 1):
        said: dict[str, Any] = {"kind": "vote", "subject": f"approve-prod-r-{number % 3}", "actor": "ml-lead"}
        audit.append(id=f"v{number}", **said, sentence=f"ml-lead approved step {number}", details={})


def test_an_empty_log_says_so(busbar: Callable[..., Result]):
    assert busbar("audit").stdout.strip() == "the audit log is empty"
    assert busbar("audit", "--verify").exit_code == 0


def test_entries_come_newest_first(busbar: Callable[..., Result], audit: FakeAudit):
    fill(audit, 60)
    lines = busbar("audit", "--limit", "5").stdout.splitlines()
    rows = [line for line in lines if "2025-12-09 12:00:00" in line]
    assert [row.split()[0] for row in rows] == ["60", "59", "58", "57", "56"]
    assert "ml-lead approved step 60" in rows[0]


def test_only_what_is_about_a_subject(busbar: Callable[..., Result], audit: FakeAudit):
    fill(audit, 6)
    shown = busbar("audit", "--subject", "r-1").stdout
    assert "step 4" in shown
    assert "step 5" not in shown
    assert "says nothing about that" in busbar("audit", "--subject", "r-9").stdout


def test_a_whole_log_of_several_pages_is_verified_here(busbar: Callable[..., Result], audit: FakeAudit):
    fill(audit, 2500)
    said = busbar("audit", "--verify")
    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        "2500 entries, each follows the one before it",
        f"head 2500:{audit.head().digest}",
    ]


def test_a_broken_log_exits_1_and_names_the_entry(busbar: Callable[..., Result], audit: FakeAudit):
    fill(audit, 5)
    audit.tamper(3, replace(audit.entries()[2], sentence="ml-lead rejected"))
    said = busbar("audit", "--verify")
    assert said.exit_code == 1
    assert said.stderr == (
        "busbar: the audit log is broken: entry 3 (v3) was altered: its content does not have the digest that it "
        "was written with\n"
    )


def test_a_head_noted_earlier_finds_a_log_that_was_written_anew(
    busbar: Callable[..., Result], audit: FakeAudit
):
    fill(audit, 5)
    noted = f"4:{audit.entries()[3].digest}"
    assert busbar("audit", "--verify", "--noted", noted).exit_code == 0
    audit.now = "2025-12-10T00:00:00+00:00"
    audit.forget()
    fill(audit, 5)
    said = busbar("audit", "--verify", "--noted", noted)
    assert said.exit_code == 1
    assert "entry 4 (v4) does not have the digest that the head names" in said.stderr
    assert busbar("audit", "--verify").exit_code == 0


@pytest.mark.parametrize("noted", ["x", "4", "4:", "-1:abc"])
def test_a_note_that_is_none(busbar: Callable[..., Result], noted: str):
    said = busbar("audit", "--verify", "--noted", noted)
    assert (said.exit_code, "is not NUMBER:DIGEST" in said.stderr) == (1, True)


def test_without_a_key_nothing_is_told(busbar: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BUSBAR_KEY", "wrong")
    said = busbar("audit")
    assert (said.exit_code, "set BUSBAR_KEY" in said.stderr) == (1, True)
