"""Catching up: the days that were not scored, many circuits to a job."""

from activities.catching_up import divide_circuits, record_caught_up, submit_catch_up
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.steps import (
    CatchUp,
    CaughtUp,
    ScoredChunk,
    ScoringChunk,
    ScoringOutcome,
    ScoringRun,
)
from busbar.wire import Context, StepFailed, Steps, call, children
from orchestrators.scoring import score_stage
from orchestrators.waiting import run_job


def catch_up(ctx: Context, request: CatchUp) -> Steps[list[ScoringOutcome]]:
    """Score missed days by jobs for many circuits; what those leave is scored circuit by circuit, day by day."""
    division = yield from call(ctx, divide_circuits, request)
    chunks = [
        (job, ScoringChunk(request, job, batch))
        for number, batch in enumerate(division.batches, 1)
        for job in (names.catch_up_job(request.id, number),)
    ]
    results = yield from children(ctx, score_circuits, chunks, request.policy.max_parallel)
    outcomes, left = list[ScoringOutcome](), list(division.alone)
    for (_, chunk), result in zip(chunks, results, strict=True):
        found = CaughtUp(chunk.batch.circuits) if isinstance(result, StepFailed) else result
        outcomes += found.outcomes
        left += found.left
    return outcomes + (yield from _one_by_one(ctx, request, tuple(sorted(left))))


def score_circuits(ctx: Context, request: ScoringChunk) -> Steps[CaughtUp]:
    """One job for the chunk's circuits and all their days; where it fails, all of them are left."""
    state = yield from run_job(ctx, submit_catch_up, request, request.job, request.run.policy)
    return (yield from call(ctx, record_caught_up, ScoredChunk(request, state)))


def _one_by_one(
    ctx: Context, request: CatchUp, circuits: tuple[CircuitKey, ...]
) -> Steps[list[ScoringOutcome]]:
    """Through their own endpoints, as on any day."""
    runs = [
        (
            names.scoring_run(request.stage, day, request.suffix),
            ScoringRun(request.stage, day, request.policy, circuits, missed=True),
        )
        for day in request.days
        if circuits
    ]
    results = yield from children(ctx, score_stage, runs, at_once=1)  # a day that fails stops no other
    return [one for result in results if not isinstance(result, StepFailed) for one in result]
