"""The merge of raw sensor files into the one Delta table, as an Azure ML job."""

from activities.assets import register_environment, register_merge
from activities.jobs import submit_merge
from activities.plan import read_fleet
from busbar.domain.events import JobStatus
from busbar.domain.steps import JobWait, MergeRun
from busbar.wire import Context, Steps, call
from orchestrators.waiting import wait_for_job


def merge_readings(ctx: Context, request: MergeRun) -> Steps[str]:
    """Merge what lies in the raw container; nothing new since the last merge is nothing to do."""
    run = request.training_run
    fleet = yield from call(ctx, read_fleet, run)
    environment = yield from call(ctx, register_environment, run)
    problem = fleet.problems or environment.problem or (yield from call(ctx, register_merge, run)).problem
    if problem:
        return problem
    job = yield from call(ctx, submit_merge, request)
    if job is None:
        return "no raw files to merge"
    state = yield from wait_for_job(ctx, JobWait(job, fleet.policies.training), request.commit)
    return (
        f"merge {state.status}"
        if state.status is JobStatus.COMPLETED
        else f"merge {state.status}: {state.error}"
    )
