"""What is due next for an open approval request: reminders, its escalation, its expiry."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from busbar.domain.approval import ApprovalRequest, instant

MAX_REMINDERS = 30
"""A month of daily ones: no request may be open for longer."""


class Action(StrEnum):
    REMIND = "remind"
    ESCALATE = "escalate"
    EXPIRE = "expire"


@dataclass(frozen=True)
class Due:
    """Something to do at a time; `number` counts reminders from 1."""

    action: Action
    at: datetime
    number: int = 0


def agenda(request: ApprovalRequest) -> tuple[Due, ...]:
    """Everything that will be due, in order of time. All of it lies before the expiry, which nothing moves.

    Of a reminder and the escalation at one time the reminder is first: who is added then has just been mailed.
    """
    expiry = instant(request.expires_at)
    dues = [*_reminders(request, expiry)]
    if request.escalate_at and (at := instant(request.escalate_at)) < expiry:
        dues.append(Due(Action.ESCALATE, at))
    return (*sorted(dues, key=lambda due: due.at), Due(Action.EXPIRE, expiry))


def next_due(request: ApprovalRequest, done: Due | None, now: datetime) -> Due:
    """What to do next, after `done`; it may be overdue.

    After a standstill nobody is mailed twice in a row: of several reminders that were missed only the last is due,
    and once the request has expired nothing else is.
    """
    dues = agenda(request)
    later = dues[dues.index(done) + 1 :] if done in dues else dues
    if later[-1].at <= now:
        return later[-1]
    missed = [due for due in later if due.action is Action.REMIND and due.at <= now]
    return next(due for due in later if due not in missed[:-1])


def next_reminder(request: ApprovalRequest, now: datetime) -> datetime | None:
    """When those who have not voted are reminded next."""
    return next((due.at for due in agenda(request) if due.action is Action.REMIND and due.at > now), None)


def _reminders(request: ApprovalRequest, expiry: datetime) -> Iterator[Due]:
    if request.asked_at is None:
        return
    start = instant(request.asked_at)
    for number in range(1, MAX_REMINDERS + 1):
        at = start + timedelta(hours=number * request.reminder_hours)
        if at >= expiry:
            return
        yield Due(Action.REMIND, at, number)
