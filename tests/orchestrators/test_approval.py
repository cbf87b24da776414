"""An approval: votes come as events, or are found by the recount; a timeout rejects."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from busbar.domain.approval import (
    ApprovalRequest,
    ApprovalVerdict,
    Choice,
    Dossier,
    Outcome,
    Vote,
    count,
)
from busbar.domain.circuits import Person
from busbar.domain.errors import Rejected
from busbar.domain.policies import GateName
from busbar.domain.steps import Reminder
from localazure.task_hub.clock import ManualClock
from orchestrators.approval import VOTED, approval
from tests.orchestrators.conftest import Stage, World

PEOPLE = tuple(
    Person(name, f"{name}@example.com", f"oid-{name}", ("leads",)) for name in ("one", "two", "three")
)


def request(seconds: float = 60, quorum: int = 2, **changes: Any) -> ApprovalRequest:
    expires = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    asked = ApprovalRequest(
        "approve-x", GateName.PROD_DEPLOYMENT, "s", "t", "digest", "requester", PEOPLE, quorum, expires
    )
    return replace(asked, **changes)


def ballot(*choices: tuple[str, Choice]) -> tuple[Vote, ...]:
    return tuple(
        Vote("approve-x", f"oid-{name}", name, choice, "no" * (choice == "reject"))
        for name, choice in choices
    )


class Office:
    """The votes cast so far, and the activities that ask, remind and count."""

    def __init__(self) -> None:
        self.votes: tuple[Vote, ...] = ()
        self.told: list[tuple[str, int]] = []
        self.closed: list[ApprovalVerdict] = []
        self.mail_is_down = False

    def world(self) -> World:
        def ask_approvers(request: ApprovalRequest) -> None: ...

        def remind_approvers(request: Reminder) -> None:
            if self.mail_is_down:
                raise Rejected("no such sender")
            self.told.append((request.due.action, request.due.number))

        def escalate_approval(request: Reminder) -> None:
            self.told.append((request.due.action, request.due.number))

        def count_votes(request: ApprovalRequest) -> ApprovalVerdict:
            return count(request, self.votes)

        def close_approval(request: ApprovalRequest) -> ApprovalVerdict:
            verdict = Dossier(request, self.votes, self._decided(request)).concluded().verdict
            assert verdict
            self.closed.append(verdict)
            return verdict

        return World([ask_approvers, remind_approvers, escalate_approval, count_votes, close_approval])

    def _decided(self, request: ApprovalRequest) -> ApprovalVerdict | None:
        verdict = count(request, self.votes)
        return None if verdict.outcome is Outcome.PENDING else verdict


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


def test_a_vote_whose_event_was_lost_is_found_by_the_next_look(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["orchestrators.approval"], "LOOK_SECONDS", 0.1)
    office = Office()

    async def script(stage: Stage) -> ApprovalVerdict:
        await stage.start(approval, request(quorum=1), "approve-x")
        office.votes = ballot(("one", Choice.APPROVE))
        return await stage.result(approval, "approve-x")

    assert play(office.world(), script).approved


NOON = datetime(2025, 12, 9, 12, tzinfo=UTC)
HOUR = 3600.0


def lasting(hours: float, **changes: Any) -> ApprovalRequest:
    """Asked at noon, with a reminder a day."""
    expires = (NOON + timedelta(hours=hours)).isoformat()
    return replace(request(asked_at=NOON.isoformat()), expires_at=expires, **changes)


async def asked(stage: Stage, clock: ManualClock, request: ApprovalRequest) -> None:
    await stage.start(approval, request, "approve-x")
    await clock.pass_time(0, stage.hub.settled)


def test_people_are_reminded_and_it_is_escalated_before_it_expires(play: Callable[..., Any]) -> None:
    office, clock = Office(), ManualClock(NOON.timestamp())
    seen: list[list[tuple[str, int]]] = []

    async def script(stage: Stage) -> ApprovalVerdict:
        await asked(stage, clock, lasting(72, escalate_at=(NOON + timedelta(hours=48)).isoformat()))
        for _ in range(3):
            seen.append([*office.told])
            await clock.pass_time(24 * HOUR, stage.hub.settled)
        return await stage.result(approval, "approve-x")

    verdict = play(office.world(), script, clock)

    assert seen == [[], [("remind", 1)], [("remind", 1), ("remind", 2), ("escalate", 0)]]
    assert office.told == seen[-1]
    assert verdict.outcome is Outcome.EXPIRED


def test_after_days_of_standstill_people_are_reminded_once(play: Callable[..., Any]) -> None:
    office, clock = Office(), ManualClock(NOON.timestamp())
    world = office.world()

    async def stopped(stage: Stage) -> None:
        await asked(stage, clock, lasting(240))

    async def started(stage: Stage) -> None:
        await clock.pass_time(HOUR, stage.hub.settled)

    play(world, stopped, clock)
    clock.advance(100 * HOUR)
    play(world, started, clock)
    assert office.told == [("remind", 4)]


def test_a_month_of_waiting_stays_a_short_history_and_a_lost_event_delays_by_a_day_at_most(
    play: Callable[..., Any],
) -> None:
    office, clock = Office(), ManualClock(NOON.timestamp())

    async def script(stage: Stage) -> tuple[ApprovalVerdict, int]:
        await asked(stage, clock, lasting(720))
        await clock.pass_time(715 * HOUR, stage.hub.settled)
        office.votes = ballot(("one", Choice.APPROVE), ("two", Choice.APPROVE))  # and nothing wakes it
        await clock.pass_time(4.9 * HOUR, stage.hub.settled)
        assert not office.closed
        await clock.pass_time(0.1 * HOUR, stage.hub.settled)
        return await stage.result(approval, "approve-x"), len(stage.hub.history("approve-x"))

    verdict, events = play(office.world(), script, clock)

    assert verdict.approved
    assert [number for _, number in office.told] == list(range(1, 30))
    assert events < 500


def test_a_reminder_that_cannot_be_mailed_ends_nothing(play: Callable[..., Any]) -> None:
    office, clock = Office(), ManualClock(NOON.timestamp())
    office.mail_is_down = True

    async def script(stage: Stage) -> ApprovalVerdict:
        await asked(stage, clock, lasting(72, quorum=1))
        await clock.pass_time(25 * HOUR, stage.hub.settled)
        waiting = stage.hub.get("approve-x")
        assert waiting
        assert "could not remind: Rejected: no such sender" in (waiting.custom_status or "")
        office.votes = ballot(("two", Choice.APPROVE))
        await stage.hub.raise_event("approve-x", VOTED)
        return await stage.result(approval, "approve-x")

    assert play(office.world(), script, clock).approved


def test_a_timeout_rejects(play: Callable[..., Any]) -> None:
    office = Office()

    async def script(stage: Stage) -> ApprovalVerdict:
        await stage.start(approval, request(seconds=0.3), "approve-x")
        return await stage.result(approval, "approve-x")

    verdict = play(office.world(), script)

    assert verdict.outcome is Outcome.EXPIRED
    assert not verdict.approved
