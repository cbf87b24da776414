"""Retention: what there is, what may go, and, where it is to be applied, its going in batches."""

from activities.retention import (
    close_retention,
    note_prediction_purge,
    plan_retention,
    purge_batch,
    submit_prediction_purge,
    survey_holdings,
)
from busbar.domain.retention import PLACES
from busbar.domain.steps import JobWait, PredictionPurge, PurgeBatch, PurgeBatches, RetentionRun, Survey
from busbar.wire import Context, StepFailed, Steps, call, child
from orchestrators.waiting import wait_for_job

CHUNK = 25  # batches per child: keeps every history short


def retention(ctx: Context, request: RetentionRun) -> Steps[str]:
    """Look everywhere, plan, report; with `apply` purge what the plan says, each batch looked at once more."""
    for kind, place in PLACES:
        ctx.set_custom_status(f"looking at every {kind} in {place}")
        yield from call(ctx, survey_holdings, Survey(request, kind, place))
    summary = yield from call(ctx, plan_retention, request)
    ctx.set_custom_status(summary.sentence)
    for first in range(0, summary.batches, CHUNK):
        batches = PurgeBatches(request, first, min(first + CHUNK, summary.batches))
        yield from child(ctx, purge_batches, batches, f"{ctx.instance_id}-{first // CHUNK}")
    if request.apply:
        yield from _purge_predictions(ctx, request)
    return (yield from call(ctx, close_retention, request))


def purge_batches(ctx: Context, request: PurgeBatches) -> Steps[None]:
    """Batch after batch, in the order in which things may go."""
    for number in range(request.first, request.last):
        yield from call(ctx, purge_batch, PurgeBatch(request.run, number))


def _purge_predictions(ctx: Context, request: RetentionRun) -> Steps[None]:
    """Have old forecasts deleted by a job; where that fails, the report says why."""
    ctx.set_custom_status("deleting old forecasts")
    try:
        job = yield from call(ctx, submit_prediction_purge, request)
        state = (yield from wait_for_job(ctx, JobWait(job, request.training), "")) if job else None
        purge = PredictionPurge(request, state)
    except StepFailed as failure:
        purge = PredictionPurge(request, problem=str(failure))
    yield from call(ctx, note_prediction_purge, purge)
