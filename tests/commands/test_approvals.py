"""`busbar approvals` against the app's own routes."""

import pytest
from typer.testing import CliRunner

from busbar.cli import app
from busbar.domain.approval import Choice, Vote
from tests.fakes import FakeApprovals, FakeRecords
from tests.pages import samples
from tests.served import KEY, served


@pytest.fixture
def approvals(monkeypatch: pytest.MonkeyPatch) -> FakeApprovals:
    monkeypatch.setenv("BUSBAR_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")
    return FakeApprovals()


def said(approvals: FakeApprovals, patch: pytest.MonkeyPatch) -> str:
    """The board's records are not looked at: they are not even there."""
    with served(patch, {"approvals": approvals, "records": FakeRecords(outage=True)}) as at:
        result = CliRunner().invoke(app, ["approvals", "--url", at.url])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_waits_is_told_without_reading_the_board(
    approvals: FakeApprovals, monkeypatch: pytest.MonkeyPatch
):
    asked = samples.request(samples.release(samples.fleet(2, 3).circuits))
    approvals.create(asked, {})
    told = said(approvals, monkeypatch)
    assert asked.gate in told
    assert f"0 of {asked.quorum}" in told
    assert "ml-lead, operator" in told
    assert "example.com" not in told


def test_what_is_decided_does_not_wait(approvals: FakeApprovals, monkeypatch: pytest.MonkeyPatch):
    asked = samples.request(samples.release(samples.fleet(2, 3).circuits))
    approvals.create(asked, {})
    person = asked.approvers[0]
    approvals.cast(
        Vote(asked.id, person.object_id, person.login, Choice.REJECT, "no", at="2025-12-09T15:00:00+00:00")
    )
    assert "nothing waits for a decision" in said(approvals, monkeypatch)
