"""What is due next for an open request."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.agenda import MAX_REMINDERS, Action, Due, agenda, next_due, next_reminder
from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import Person
from busbar.domain.policies import GateName

ASKED = datetime(2025, 12, 9, 12, tzinfo=UTC)
REMIND, ESCALATE, EXPIRE = Action.REMIND, Action.ESCALATE, Action.EXPIRE


def hours(number: float) -> datetime:
    return ASKED + timedelta(hours=number)


def request(
    expires: float = 72, every: float = 24, escalate: float | None = 48, asked: str | None = ASKED.isoformat()
) -> ApprovalRequest:
    return ApprovalRequest(
        "approve-x", GateName.PROD_DEPLOYMENT, "s", "t", "digest", "requester", (Person("a", "a@x.y", "id-a"),), 1,
        hours(expires).isoformat(), asked_at=asked, reminder_hours=every,
        escalate_at=None if escalate is None else hours(escalate).isoformat(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request(), [(REMIND, 24), (REMIND, 48), (ESCALATE, 48), (EXPIRE, 72)]),
        (request(escalate=None), [(REMIND, 24), (REMIND, 48), (EXPIRE, 72)]),
        (request(escalate=10), [(ESCALATE, 10), (REMIND, 24), (REMIND, 48), (EXPIRE, 72)]),
        (request(every=100), [(ESCALATE, 48), (EXPIRE, 72)]),
        (request(expires=20, escalate=None), [(EXPIRE, 20)]),
        (request(escalate=80), [(REMIND, 24), (REMIND, 48), (EXPIRE, 72)]),
        (request(asked=None, escalate=None), [(EXPIRE, 72)]),
    ],
)
def test_the_agenda_in_order(asked: ApprovalRequest, expected: list[tuple[Action, float]]):
    assert [(due.action, due.at) for due in agenda(asked)] == [(what, hours(at)) for what, at in expected]


def test_reminders_are_numbered_and_bounded():
    reminders = [due for due in agenda(request(expires=720, every=0.01)) if due.action is REMIND]
    assert [due.number for due in reminders] == list(range(1, MAX_REMINDERS + 1))
    month = [due for due in agenda(request(expires=720)) if due.action is REMIND]
    assert len(month) == 29


FIRST, SECOND, ADDED, LAST = agenda(request())


@pytest.mark.parametrize(
    ("done", "now", "expected"),
    [
        (None, 0, FIRST),
        (None, 24, FIRST),
        (None, 47.9, FIRST),
        (None, 48, SECOND),  # after a standstill: not two reminders in a row
        (None, 71.9, SECOND),
        (None, 72, LAST),  # and none about what has expired
        (None, 1000, LAST),
        (FIRST, 24, SECOND),
        (FIRST, 60, SECOND),
        (SECOND, 60, ADDED),
        (ADDED, 60, LAST),
        (FIRST, 72, LAST),
    ],
)
def test_what_is_next(done: Due | None, now: float, expected: Due):
    assert next_due(request(), done, hours(now)) == expected


@pytest.mark.parametrize(("now", "at"), [(0, 24), (24, 48), (47, 48), (48, None), (100, None), (-5, 24)])
def test_the_next_reminder(now: float, at: float | None):
    assert next_reminder(request(), hours(now)) == (None if at is None else hours(at))


REQUESTS = st.builds(
    request,
    expires=st.floats(0.1, 720),
    every=st.floats(0.01, 720),
    escalate=st.none() | st.floats(0.1, 800),
)


@given(REQUESTS, st.lists(st.floats(0, 200), max_size=40))
def test_however_it_is_driven_nothing_is_done_twice_and_the_expiry_stands(
    asked: ApprovalRequest, sleeps: list[float]
):
    """The orchestration's loop, with a host that sleeps as it likes."""
    now, done, seen = ASKED, None, list[Due]()
    pauses = iter(sleeps)
    while True:
        due = next_due(asked, done, now)
        if due.action is EXPIRE and due.at <= now:
            break
        if due.at <= now:
            seen.append(due)
            done = due
        else:
            now = max(due.at, now + timedelta(hours=next(pauses, 0)))
    assert len(seen) == len(set(seen)) <= MAX_REMINDERS + 1
    assert all(due.at < datetime.fromisoformat(asked.expires_at) for due in seen)
    assert due.at.isoformat() == asked.expires_at
    numbers = [due.number for due in seen if due.action is REMIND]
    assert numbers == sorted(numbers)


def test_an_expiry_does_not_move_with_reminders():
    assert agenda(request())[-1] == agenda(replace(request(), reminder_hours=1.0))[-1]
