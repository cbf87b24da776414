"""Waiting for an Azure ML job: its events first, a poll behind them, and a deadline."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from itertools import count

from activities.jobs import cancel_job, look_at_job
from activities.notifications import notify_long_running
from busbar.domain.events import JobStatus
from busbar.domain.policies import TrainingPolicy
from busbar.domain.routing import job_finished
from busbar.domain.steps import JobRef, JobState, JobWait, LongRunning
from busbar.domain.waiting import Deadline, deadline_passed, is_long_running
from busbar.wire import Context, StepFailed, Steps, call, wait


def wait_for_job(ctx: Context, waiting: JobWait, commit: str) -> Steps[JobState]:
    """Wait until a job has finished: an event that says it completed is believed, else one looks, or the poll does.

    A job past its deadline is cancelled and counts as failed; one that runs long is told to its owner, once.
    """
    submitted, told = ctx.current_utc_datetime.replace(tzinfo=UTC), False
    event = ctx.wait_for_external_event(job_finished(waiting.job.name))
    for look in count():
        if (yield from wait(ctx, event, waiting.policy.poll.delay(look))):
            if event.get_result() == JobStatus.COMPLETED:
                return JobState(waiting.job.name, JobStatus.COMPLETED)
            event = ctx.wait_for_external_event(job_finished(waiting.job.name))
        state = yield from call(ctx, look_at_job, waiting.job)
        if state.status.finished:
            event.cancel()
            return state
        now = ctx.current_utc_datetime.replace(tzinfo=UTC)
        if (missed := deadline_passed(state, waiting.policy, submitted, now)) is not None:
            event.cancel()
            return (yield from _give_up(ctx, waiting, state, missed))
        if not told and waiting.owner_key and is_long_running(waiting.policy, submitted, now):
            hours = waiting.policy.long_running_hours
            yield from call(
                ctx, notify_long_running, LongRunning(waiting.job, commit, waiting.owner_key, hours)
            )
            told = True
    raise AssertionError("count() does not end")


def run_job(
    ctx: Context, submit: Callable[..., JobRef], request: object, name: str, policy: TrainingPolicy
) -> Steps[JobState]:
    """Submit a job and wait for its end; one that cannot be submitted or looked at counts as failed, as `name`."""
    try:
        job = yield from call(ctx, submit, request)
        return (yield from wait_for_job(ctx, JobWait(job, policy), ""))
    except StepFailed as failure:
        return JobState(name, JobStatus.FAILED, str(failure))


def _give_up(ctx: Context, waiting: JobWait, state: JobState, missed: Deadline) -> Steps[JobState]:
    """Cancel it, unless it came to its end after the last look, which is days old where the host stood still."""
    yield from call(ctx, cancel_job, waiting.job)
    ended = yield from call(ctx, look_at_job, waiting.job)
    if ended.status is JobStatus.COMPLETED:
        return ended
    return replace(state, status=JobStatus.FAILED, error=str(missed))
