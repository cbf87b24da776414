"""An approval: votes come as events, or are found by the recount; a timeout rejects."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Choice, Outcome, Vote, count
from busbar.domain.circuits import Person
from busbar.domain.policies import Backoff, GateName
from orchestrators.approval import VOTED, approval
from tests.orchestrators.conftest import Stage, World

PEOPLE = tuple(
    Person(name, f"{name}@example.com", f"oid-{name}", ("leads",)) for name in ("one", "two", "three")
)


def request(seconds: float = 60, quorum: int = 2) -> ApprovalRequest:
    expires = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    return ApprovalRequest(
        "approve-x", GateName.PROD_DEPLOYMENT, "s", "t", "digest", "requester", PEOPLE, quorum, expires
    )


def ballot(*choices: tuple[str, Choice]) -> tuple[Vote, ...]:
    return tuple(
        Vote("approve-x", f"oid-{name}", name, choice, "no" * (choice == "reject"))
        for name, choice in choices
    )


class Office:
    """The votes cast so far, and the activities that ask and count."""

    def __init__(self) -> None:
        self.votes: tuple[Vote, ...] = ()
        self.closed: list[ApprovalVerdict] = []

    def world(self) -> World:
        def ask_approvers(request: ApprovalRequest) -> None: ...

        def count_votes(request: ApprovalRequest) -> ApprovalVerdict:
            return count(request, self.votes)

        def close_approval(request: ApprovalVerdict) -> ApprovalVerdict:
            self.closed.append(request)
            return request

        return World([ask_approvers, count_votes, close_approval])


def test_two_distinct_people_approve(play: Callable[..., Any]) -> None:
    office = Office()

    async def script(stage: Stage) -> ApprovalVerdict:
        await stage.start(approval, request(), "approve-x")
        office.votes = ballot(("one", Choice.APPROVE))
        await stage.hub.raise_event("approve-x", VOTED)
        await stage.hub.raise_event("approve-x", VOTED)  # the same vote announced twice
        office.votes = ballot(("one", Choice.APPROVE), ("two", Choice.APPROVE))
        await stage.hub.raise_event("approve-x", VOTED)
        return await stage.result(approval, "approve-x")

    verdict = play(office.world(), script)

    assert (verdict.outcome, verdict.sentence) == (Outcome.APPROVED, "approved by one and two")
    assert office.closed == [verdict]


def test_any_reject_ends_it(play: Callable[..., Any]) -> None:
    office = Office()

    async def script(stage: Stage) -> ApprovalVerdict:
        await stage.start(approval, request(), "approve-x")
        office.votes = ballot(("one", Choice.APPROVE), ("three", Choice.REJECT))
        await stage.hub.raise_event("approve-x", VOTED)
        return await stage.result(approval, "approve-x")

    verdict = play(office.world(), script)

    assert verdict.outcome is Outcome.REJECTED
    assert "three rejected: no" in verdict.sentence


def test_a_vote_whose_event_was_lost_is_found_by_the_recount(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["orchestrators.approval"], "RECOUNT", Backoff(0.1, 0.1))
    office = Office()

    async def script(stage: Stage) -> ApprovalVerdict:
        await stage.start(approval, request(quorum=1), "approve-x")
        office.votes = ballot(("one", Choice.APPROVE))
        return await stage.result(approval, "approve-x")

    assert play(office.world(), script).approved


def test_a_timeout_rejects(play: Callable[..., Any]) -> None:
    office = Office()

    async def script(stage: Stage) -> ApprovalVerdict:
        await stage.start(approval, request(seconds=0.3), "approve-x")
        return await stage.result(approval, "approve-x")

    verdict = play(office.world(), script)

    assert verdict.outcome is Outcome.EXPIRED
    assert not verdict.approved
