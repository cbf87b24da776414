"""What a cancelled run leaves behind: jobs, candidates, open questions, records."""

from activities.recovery import close_questions, drop_candidates, settle_cancelled, stop_jobs
from busbar.domain.recovery import CLEANED
from busbar.domain.steps import Cancellation
from busbar.wire import Context, Steps, call, sleep

LATE_SECONDS = 60.0  # an activity that was under way when the run was ended may have had its effect since


def clean_up(ctx: Context, request: Cancellation) -> Steps[str]:
    """Tell everybody that a run was cancelled, and end what it had under way, twice: at once and a minute later."""
    yield from call(ctx, settle_cancelled, request)
    yield from call(ctx, close_questions, request)
    yield from _end(ctx, request)
    ctx.set_custom_status(CLEANED)
    yield from sleep(ctx, LATE_SECONDS)
    yield from _end(ctx, request)
    return request.sentence


def _end(ctx: Context, request: Cancellation) -> Steps[None]:
    yield from call(ctx, stop_jobs, request)
    yield from call(ctx, drop_candidates, request)
