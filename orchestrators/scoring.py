"""Scoring: every deployed circuit of a stage, through its batch endpoint."""

from dataclasses import replace

from activities.scoring import list_deployed, record_scored, share_scoring, submit_scoring
from busbar.domain import names
from busbar.domain.events import JobStatus
from busbar.domain.steps import (
    CircuitScoring,
    JobState,
    JobWait,
    PartScoring,
    ScoredPart,
    ScoringOutcome,
    ScoringResult,
    ScoringRun,
)
from busbar.wire import Context, StepFailed, Steps, call, children
from orchestrators.waiting import wait_for_job


def score_stage(ctx: Context, request: ScoringRun) -> Steps[list[ScoringOutcome]]:
    """Score a day; circuits in separate invocations, bounded; one that fails stops no other."""
    deployed = request.named or (yield from call(ctx, list_deployed, request.stage))
    requests = [
        (
            names.scoring_circuit(ctx.instance_id, key),
            CircuitScoring(request.stage, key, request.day, request.policy, missed=request.missed),
        )
        for key in deployed
    ]
    results = yield from children(ctx, score_circuit, requests, request.policy.max_parallel)
    return [
        ScoringOutcome(scoring.key, False, str(result)) if isinstance(result, StepFailed) else result
        for (_, scoring), result in zip(requests, results, strict=True)
    ]


def score_circuit(ctx: Context, request: CircuitScoring) -> Steps[ScoringOutcome]:
    """Invoke the circuit's deployments by name, each for its part of the windows, and put the result on record."""
    parts = yield from call(ctx, share_scoring, replace(request, orchestration_id=ctx.instance_id))
    scored: list[ScoredPart] = []
    for part in parts:
        scored += yield from _score(ctx, PartScoring(request, part))
    return (yield from call(ctx, record_scored, ScoringResult(request, tuple(scored))))


def _score(ctx: Context, request: PartScoring) -> Steps[list[ScoredPart]]:
    """A part's job until it ended; where a candidate fails, what serves scores its windows instead."""
    part = request.part
    other = part.by_other()
    try:
        job = yield from call(ctx, submit_scoring, request)
        state = yield from wait_for_job(ctx, JobWait(job, request.scoring.policy), "")
    except StepFailed as failure:
        if other is None:
            raise
        state = JobState(part.job, JobStatus.FAILED, str(failure))
    scored = [ScoredPart(part, state)]
    if state.status is not JobStatus.COMPLETED and other is not None:
        scored += yield from _score(ctx, PartScoring(request.scoring, other))
    return scored
