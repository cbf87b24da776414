"""Missed days scored by jobs for many circuits each, put on record circuit by circuit."""

import json
from collections.abc import Mapping
from typing import Any

from activities.clock import now
from activities.invoking import uncancelled
from activities.scoring import save_missed
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.machine_learning.jobs import job_output
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.domain import names
from busbar.domain.catching_up import Division, divide, scores_in_batches
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord, ScoringRecord
from busbar.domain.steps import CatchUp, CaughtUp, JobRef, ScoredChunk, ScoringChunk, ScoringOutcome
from busbar.domain.wording import gist
from busbar.settings import Settings

type Summaries = Mapping[str, Mapping[str, Any]]
"""What the job says of a circuit, by day (ISO 8601)."""


def divide_circuits(request: CatchUp, *, records: Records) -> Division:
    """Which of the stage's circuits are scored together, and which by themselves."""
    return divide(records.deployments(request.stage), request.circuits_per_job)


def submit_catch_up(
    request: ScoringChunk, *, ml: MachineLearning, records: Records, releases: Releases, settings: Settings
) -> JobRef:
    """Start the chunk's job in dev, where the trainings' own models lie, unless it is there and not cancelled.

    A circuit that is deployed otherwise by now, or whose training's files are gone, is left out. Raises `NotFound`
    where that leaves none, or where dev has no such build of the component.
    """
    job, there = uncancelled(Stage.DEV, request.job, ml)
    path = job_output(job, "circuits.json")
    if not there:  # what a job was started with stays as it was
        serving = (records.deployment(request.run.stage, key) for key in request.batch.circuits)
        lines = [_line(request, record, ml, releases) for record in serving if record]
        if not any(lines):
            raise NotFound(f"{job}: none of its circuits can be scored together with others any more")
        ml.write_file(Stage.DEV, path, json.dumps([line for line in lines if line]).encode())
    ml.submit_catch_up(
        job,
        component=f"{names.CATCH_UP_COMPONENT}:{request.batch.build}",
        circuits=path,
        sensor_data=settings.sensor_table,
        forecasts=settings.forecast_table,
        compute=request.run.policy.compute,
        tags={"orchestration_id": request.job, "stage": request.run.stage},
    )
    return JobRef(Stage.DEV, job)


def record_caught_up(request: ScoredChunk, *, ml: MachineLearning, records: Records) -> CaughtUp:
    """Put each circuit's newest missed day on record, unless a newer one is; and say which circuits the job left."""
    chunk, state = request.chunk, request.state
    if state.status is not JobStatus.COMPLETED:
        problem = gist(state.error) or f"job {state.name} {state.status}"
        return CaughtUp(chunk.batch.circuits, problem=problem)
    found = json.loads(ml.read_file(Stage.DEV, job_output(state.name, "summaries.json")))
    by_circuit = {key: _of(key, found) for key in chunk.batch.circuits}
    scored = {key: days for key, days in by_circuit.items() if days}
    missed = [_record(chunk, state.name, key, days) for key, days in scored.items()]
    save_missed(chunk.run.stage, missed, records)
    outcomes = tuple(_outcome(key, days) for key, days in scored.items())
    return CaughtUp(tuple(key for key in by_circuit if key not in scored), outcomes)


def _line(
    request: ScoringChunk, record: DeploymentRecord, ml: MachineLearning, releases: Releases
) -> dict[str, Any] | None:
    """A circuit's line in score_circuits' input; None where it cannot be scored that way."""
    pin = releases.pin(record.key, record.model_version)
    if pin is None or not scores_in_batches(record) or record.scoring_version != request.batch.build:
        return None
    if not ml.has_file(Stage.DEV, job_output(pin.job, "metrics.json")):
        return None  # the training's files are not kept for ever
    return {
        "plant_id": record.key.plant_id,
        "circuit_id": record.key.circuit_id,
        "circuit_config": ml.read_file(record.stage, record.circuit_config).decode(),
        "model": job_output(pin.job, "trained_model"),
        "model_version": record.model_version,
        "deployment": record.deployment,
        "days": [day.isoformat() for day in request.run.days],
    }


def _of(key: CircuitKey, found: list[Mapping[str, Any]]) -> Summaries:
    return {
        one["score_date"]: one
        for one in found
        if (one["plant_id"], one["circuit_id"]) == (key.plant_id, key.circuit_id)
    }


def _record(chunk: ScoringChunk, job: str, key: CircuitKey, days: Summaries) -> ScoringRecord:
    """The newest of the days."""
    day = max(days)
    problem = days[day]["problem"]
    return ScoringRecord(
        key=key,
        stage=chunk.run.stage,
        day=day,
        job=job,
        status=JobStatus.FAILED if problem else JobStatus.COMPLETED,
        rows=0 if problem else int(days[day]["rows"]),
        updated_at=now(),
        reason=gist(problem) if problem else "",
    )


def _outcome(key: CircuitKey, days: Summaries) -> ScoringOutcome:
    problems = [f"{day}: {gist(one['problem'])}" for day, one in sorted(days.items()) if one["problem"]]
    rows = sum(int(one["rows"]) for one in days.values() if not one["problem"])
    return ScoringOutcome(key, not problems, "; ".join(problems) or f"{rows} rows")
