"""Asking people: a mail each, reminders, an escalation, votes as external events, a quorum, a deadline."""

from collections.abc import Callable
from datetime import UTC, datetime

from activities.approvals import (
    ask_approvers,
    close_approval,
    count_votes,
    escalate_approval,
    remind_approvers,
)
from activities.questions import release_question
from activities.releases import less_superseded
from busbar.domain.agenda import Action, next_due
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Outcome
from busbar.domain.policies import GateName
from busbar.domain.steps import Release, ReleaseQuestion, Reminder
from busbar.wire import Context, StepFailed, Steps, call, child, wait

VOTED = "voted"
LOOK_SECONDS = 86_400.0  # no timer is longer; behind a lost event `find_lost_votes` looks far sooner
TELL: dict[Action, Callable[..., None]] = {
    Action.REMIND: remind_approvers,
    Action.ESCALATE: escalate_approval,
}


def approval(ctx: Context, request: ApprovalRequest) -> Steps[ApprovalVerdict]:
    """Ask, wait for votes, decide. Any reject ends it, the quorum approves it, a timeout rejects it.

    The deciding vote wakes it. A month of waiting is some 60 turns: a reminder and a look a day.
    """
    yield from call(ctx, ask_approvers, request)
    vote, done = ctx.wait_for_external_event(VOTED), None
    while True:
        verdict = yield from call(ctx, count_votes, request)
        due, now = next_due(request, done, _now(ctx)), _now(ctx)
        if verdict.outcome is not Outcome.PENDING or (due.action is Action.EXPIRE and due.at <= now):
            vote.cancel()
            return (yield from call(ctx, close_approval, request))
        if due.at <= now:
            yield from _tell(ctx, Reminder(request, due))
            done = due
        elif (yield from wait(ctx, vote, min((due.at - now).total_seconds(), LOOK_SECONDS))):
            vote = ctx.wait_for_external_event(VOTED)


def ask(ctx: Context, question: ApprovalRequest | None) -> Steps[ApprovalVerdict]:
    """What people say to a question, under its own id; without one nobody is asked and nothing stands in the way."""
    if question is None:
        return ApprovalVerdict("", Outcome.APPROVED, "nobody is asked")
    return (yield from child(ctx, approval, question, question.id))


def pass_gate(ctx: Context, release: Release, gate: GateName) -> Steps[tuple[ApprovalVerdict, Release]]:
    """What people say to a release set, and what is left of it after that.

    Where a newer release set takes circuits of it over meanwhile, what was asked is void: the rest is asked anew.
    """
    verdict = ApprovalVerdict("", Outcome.SUPERSEDED, "newer release sets pin all circuits of it")
    left = yield from call(ctx, less_superseded, release)
    while left.kept:
        question = yield from call(ctx, release_question, ReleaseQuestion(left, gate))
        verdict = yield from ask(ctx, question)
        before, left = left, (yield from call(ctx, less_superseded, left.less(verdict.excluded)))
        if verdict.outcome is not Outcome.SUPERSEDED or left == before:
            break
    return verdict, left


def _tell(ctx: Context, reminder: Reminder) -> Steps[None]:
    """Remind or escalate; the request stays open though no mail can be sent."""
    try:
        yield from call(ctx, TELL[reminder.due.action], reminder)
    except StepFailed as failure:
        ctx.set_custom_status(f"could not {reminder.due.action}: {failure}")


def _now(ctx: Context) -> datetime:
    return ctx.current_utc_datetime.replace(tzinfo=UTC)
