"""A look at a day of what a stage serves: jobs for many circuits each, then one decision about all of them."""

from datetime import date

from activities.monitoring import plan_monitoring, record_judged, submit_monitoring
from activities.responses import announce_drift, plan_responses, tell_owners
from busbar.domain import names
from busbar.domain.steps import (
    CatchUp,
    DailyRun,
    DriftResponding,
    MonitoringChunk,
    MonitoringResult,
    MonitoringRun,
    ScoringRun,
)
from busbar.wire import Context, Steps, call, children
from orchestrators.catching_up import catch_up
from orchestrators.scoring import score_stage
from orchestrators.waiting import run_job


def score_days(ctx: Context, request: DailyRun) -> Steps[str]:
    """Score what was missed, the newest first: its forecasts are needed now. Look at the days in their order: what
    lasts is seen by the days before. People are asked about the newest alone."""
    stage, newest, suffix = request.stage, max(request.days), request.suffix
    missed = tuple(day for day in request.days if day != newest) if request.circuits_per_job else ()
    scorings = [
        (names.scoring_run(stage, day, suffix), ScoringRun(stage, day, request.policy))
        for day in request.days
        if day not in missed
    ]
    yield from children(ctx, score_stage, scorings, at_once=1)  # a day that fails stops no other
    yield from children(ctx, catch_up, _catching_up(request, newest, missed), at_once=1)
    looks = [
        (id, MonitoringRun(id, stage, day, respond=day == newest))
        for day in sorted(request.days)
        for id in (names.monitoring_run(stage, day, suffix),)
    ]
    said = yield from children(ctx, monitor_stage, looks, at_once=1)
    return str(said[-1])


def _catching_up(request: DailyRun, newest: date, missed: tuple[date, ...]) -> list[tuple[str, CatchUp]]:
    """The one run that scores the missed days, where there are any."""
    id = names.catch_up(request.stage, newest, request.suffix)
    run = CatchUp(id, request.stage, missed, request.policy, request.circuits_per_job, request.suffix)
    return [(id, run)] if missed else []


def monitor_stage(ctx: Context, request: MonitoringRun) -> Steps[str]:
    """Look at every circuit that the stage serves; then decide once, announce what to ask, and tell owners."""
    plan = yield from call(ctx, plan_monitoring, request)
    if plan.problem:
        return plan.problem
    chunks = [
        (job, MonitoringChunk(request, job, plan.commit, plan.policies, circuits))
        for number, circuits in enumerate(plan.chunks, 1)
        for job in (names.monitoring_job(request.id, number),)
    ]
    yield from children(ctx, monitor_circuits, chunks, plan.policies.training.max_parallel)
    if not request.respond:
        return f"{request.day} was looked at; nobody is asked about a day that is past"
    responding = DriftResponding(request, plan)
    sentence = yield from call(ctx, plan_responses, responding)
    yield from call(ctx, announce_drift, request.stage)
    refused = yield from call(ctx, tell_owners, responding)
    return "; not reached: ".join([sentence, *([", ".join(refused)] if refused else [])])


def monitor_circuits(ctx: Context, request: MonitoringChunk) -> Steps[None]:
    """One job for the chunk; where it fails, its circuits are not judged, and say why."""
    state = yield from run_job(ctx, submit_monitoring, request, request.job, request.policies.training)
    yield from call(ctx, record_judged, MonitoringResult(request, state))
