"""One circuit's deployment: a candidate beside what serves, a share that rises step by step, and the way back."""

from datetime import datetime
from itertools import count

from activities.baking import judge_step, measure_step, submit_replay
from activities.monitors import ensure_monitor
from activities.ramping import raise_share, withdraw_candidate
from activities.serving import activate_deployment, create_deployment, look_at_deployment
from busbar.domain.circuits import Serving
from busbar.domain.policies import Backoff, Stage
from busbar.domain.policies import Bake as Bakes
from busbar.domain.ramp import Measured, Ruling, Step, Verdict, hold_look_hours
from busbar.domain.steps import (
    Bake,
    CircuitDeployment,
    JobState,
    JobWait,
    Judging,
    Ramp,
    Replay,
    Rollout,
    RolloutEnd,
    Share,
)
from busbar.wire import Context, StepFailed, Steps, call, sleep
from orchestrators.waiting import wait_for_job

POLL = Backoff(1, 15)
POLLS = 44  # ten minutes
ONLINE_POLL = Backoff(2, 30)
ONLINE_POLLS = 64  # half an hour: its machines are started first


def deploy_circuit(ctx: Context, request: CircuitDeployment) -> Steps[Rollout]:
    """Ramp a candidate up until it takes over, or take it out again; what serves meanwhile never stops serving.

    Raises `StepFailed` where the candidate cannot be brought to serve at all; it is deleted then.
    """
    try:
        return (yield from _deploy(ctx, request))
    except StepFailed as failure:
        yield from _withdraw(ctx, request, str(failure))
        raise


def _deploy(ctx: Context, request: CircuitDeployment) -> Steps[Rollout]:
    pin, stage = request.pin, request.stage
    named = f"{pin.key} v{pin.model_version}"
    ramp = yield from call(ctx, create_deployment, request)
    if ramp.serves:
        return Rollout(pin.key, RolloutEnd.SERVES, f"{named} serves {stage} already", changed=False)
    ctx.set_custom_status(f"{pin.key}: waiting for {stage} to have it")
    yield from _stand(ctx, request)
    stopped = yield from _climb(ctx, request, ramp)
    if stopped is not None and stopped.verdict is Verdict.ROLL_BACK:
        yield from _withdraw(ctx, request, stopped.sentence)
        return Rollout(pin.key, RolloutEnd.ROLLED_BACK, stopped.sentence)
    if stopped is not None:
        return Rollout(pin.key, RolloutEnd.STOPPED, stopped.sentence)
    yield from call(ctx, activate_deployment, request)
    unwatched = yield from _watch(ctx, request)
    ctx.set_custom_status(f"{pin.key}: serves")
    return Rollout(pin.key, RolloutEnd.SERVES, f"{named} serves {stage}", note=unwatched)


def _watch(ctx: Context, request: CircuitDeployment) -> Steps[str]:
    """Have prod's circuit monitored; a monitor that cannot be made is told and takes nothing back."""
    if request.stage is not Stage.PROD:
        return ""
    try:
        yield from call(ctx, ensure_monitor, request)
    except StepFailed as failure:
        return f"{request.pin.key} has no monitor: {failure}"
    return ""


def _stand(ctx: Context, request: CircuitDeployment) -> Steps[None]:
    """Wait until the candidate stands."""
    online = request.pin.serving is Serving.ONLINE
    poll, polls = (ONLINE_POLL, ONLINE_POLLS) if online else (POLL, POLLS)
    for look in range(polls):
        state = yield from call(ctx, look_at_deployment, request)
        if state.failed:
            raise StepFailed(f"{request.pin.key}: deployment to {request.stage} failed: {state.error}")
        if state.ready:
            return
        yield from sleep(ctx, poll.delay(look))
    waited = sum(map(poll.delay, range(polls)))
    raise StepFailed(f"{request.pin.key}: deployment to {request.stage} not ready after {waited:g} s")


def _climb(ctx: Context, request: CircuitDeployment, ramp: Ramp) -> Steps[Ruling | None]:
    """The ramp's steps; the ruling that ended it, where it did not come through."""
    measured = Measured()
    for step in ramp.steps:
        if not step.baked:
            continue
        ruling, replayed = yield from _bake(ctx, request, ramp, step, measured)
        if ruling.verdict is not Verdict.ADVANCE:
            return ruling
        measured = replayed if step.share else measured  # windows that a later step has again count once
    return None


def _bake(
    ctx: Context, request: CircuitDeployment, ramp: Ramp, step: Step, before: Measured
) -> Steps[tuple[Ruling, Measured]]:
    """Give the candidate its share and watch it until there is a verdict, or the hold is over."""
    policy, began = request.policies.stage(request.stage).ramp, ctx.current_utc_datetime
    progress = f"{step.progress}, baking, {before.windows} of {policy.windows} windows"
    ctx.set_custom_status(f"{request.pin.key}: {progress}")
    yield from call(ctx, raise_share, Share(request, step.share, progress, step.mirrored))
    if policy.bake is Bakes.LIVE and ramp.champion is not None:
        yield from sleep(ctx, policy.bake_hours * 3600)
    for attempt in count(1):
        replay = Replay(
            request, ramp.champion, step, attempt, ctx.current_utc_datetime.date(), ctx.instance_id
        )
        states = yield from _replay(ctx, replay)
        hours = _hours(began, ctx.current_utc_datetime)
        bake = Bake(replay, states, before, hours)
        measurement = yield from call(ctx, measure_step, bake)
        ruling = yield from call(ctx, judge_step, Judging(bake, measurement))
        ctx.set_custom_status(ruling.sentence)
        if ruling.verdict is not Verdict.HOLD or hours >= policy.hold_hours:
            return ruling, measurement.replayed
        yield from sleep(ctx, hold_look_hours(policy) * 3600)
    raise AssertionError("count() does not end")


def _replay(ctx: Context, replay: Replay) -> Steps[tuple[JobState, ...]]:
    jobs = yield from call(ctx, submit_replay, replay)
    policy, states = replay.deployment.policies.training, list[JobState]()
    for job in jobs:
        states.append((yield from wait_for_job(ctx, JobWait(job, policy), "")))
    return tuple(states)


def _withdraw(ctx: Context, request: CircuitDeployment, why: str) -> Steps[None]:
    """Take the candidate out; where even that fails, both reasons are told."""
    ctx.set_custom_status(why)
    try:
        yield from call(ctx, withdraw_candidate, request)
    except StepFailed as failure:
        raise StepFailed(f"{why}; and it could not be taken out: {failure}") from failure


def _hours(began: datetime, now: datetime) -> float:
    return (now - began).total_seconds() / 3600
