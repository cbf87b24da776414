"""Scoring: every deployed circuit of a stage, through its batch endpoint."""

from dataclasses import replace

from activities.scoring import list_deployed, record_scored, submit_scoring
from busbar.domain import names
from busbar.domain.events import JobStatus
from busbar.domain.steps import CircuitScoring, JobWait, ScoringOutcome, ScoringResult, ScoringRun
from busbar.wire import Context, StepFailed, Steps, call, children
from orchestrators.waiting import wait_for_job


def score_stage(ctx: Context, request: ScoringRun) -> Steps[list[ScoringOutcome]]:
    """Score a day; circuits in separate invocations, bounded; one that fails stops no other."""
    deployed = yield from call(ctx, list_deployed, request.stage)
    requests = [
        (
            names.scoring_circuit(ctx.instance_id, key),
            CircuitScoring(request.stage, key, request.day, request.policy),
        )
        for key in deployed
    ]
    results = yield from children(ctx, score_circuit, requests, request.policy.max_parallel)
    return [
        ScoringOutcome(scoring.key, False, str(result)) if isinstance(result, StepFailed) else result
        for (_, scoring), result in zip(requests, results, strict=True)
    ]


def score_circuit(ctx: Context, request: CircuitScoring) -> Steps[ScoringOutcome]:
    """Invoke the circuit's active deployment by name, wait for the job, put the result on record."""
    job = yield from call(ctx, submit_scoring, replace(request, orchestration_id=ctx.instance_id))
    state = yield from wait_for_job(ctx, JobWait(job, request.policy), "")
    outcome = yield from call(ctx, record_scored, ScoringResult(request, state))
    if state.status is not JobStatus.COMPLETED:
        return ScoringOutcome(request.key, False, state.error or f"job {state.name} {state.status}")
    return outcome
