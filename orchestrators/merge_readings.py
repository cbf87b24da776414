"""The merge of raw sensor files into the one Delta table, as an Azure ML job."""

from activities.assets import register_environment, register_merge
from activities.merges import record_merge, submit_merge
from activities.plan import read_fleet
from activities.refresh import refresh_cutoffs
from busbar.domain.steps import JobWait, Merged, MergeResult, MergeRun, RefreshRun
from busbar.wire import Context, Steps, call
from orchestrators.waiting import wait_for_job


def merge_readings(ctx: Context, request: MergeRun) -> Steps[Merged]:
    """Merge what lies in the raw container; readings that are much newer than a cutoff date then move it."""
    run = request.training_run
    fleet = yield from call(ctx, read_fleet, run)
    environment = yield from call(ctx, register_environment, run)
    problem = fleet.problems or environment.problem or (yield from call(ctx, register_merge, run)).problem
    if problem:
        return Merged(False, problem)
    job = yield from call(ctx, submit_merge, request)
    if job is None:
        return Merged(True, "no raw files to merge")
    state = yield from wait_for_job(ctx, JobWait(job, fleet.policies.training), request.commit)
    record = yield from call(ctx, record_merge, MergeResult(request, state))
    if record.error:
        return Merged(False, record.sentence)
    refreshed = yield from call(ctx, refresh_cutoffs, RefreshRun())
    return Merged(True, f"{record.sentence}; {refreshed.sentence}")
