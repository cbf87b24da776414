"""Asking people: one mail a person, votes as external events, a quorum, a deadline."""

from datetime import UTC, datetime

from activities.approvals import ask_approvers, close_approval, count_votes
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Outcome, expired
from busbar.domain.policies import Backoff
from busbar.wire import Context, Steps, call, wait

VOTED = "voted"
RECOUNT = Backoff(60, 3600)  # behind each vote's event: a recount, in case the event was lost


def approval(ctx: Context, request: ApprovalRequest) -> Steps[ApprovalVerdict]:
    """Ask, wait for votes, decide. Any reject ends it, the quorum approves it, a timeout rejects it."""
    yield from call(ctx, ask_approvers, request)
    deadline, look = datetime.fromisoformat(request.expires_at), 0
    vote = ctx.wait_for_external_event(VOTED)
    while True:
        verdict = yield from call(ctx, count_votes, request)
        left = (deadline - ctx.current_utc_datetime.replace(tzinfo=UTC)).total_seconds()
        if verdict.outcome is Outcome.PENDING and left <= 0:
            verdict = expired(request)
        if verdict.outcome is not Outcome.PENDING:
            vote.cancel()
            return (yield from call(ctx, close_approval, verdict))
        came = yield from wait(ctx, vote, min(RECOUNT.delay(look), left))
        look += 1
        if came:
            vote = ctx.wait_for_external_event(VOTED)
