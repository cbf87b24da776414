"""Scoring through the deployed batch endpoints."""

import json

from activities.clock import now
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord, ScoringRecord
from busbar.domain.steps import CircuitScoring, JobRef, ScoringOutcome, ScoringResult
from busbar.settings import Settings


def list_deployed(request: Stage, *, records: Records) -> tuple[CircuitKey, ...]:
    """The circuits that a stage serves."""
    return tuple(sorted(deployment.key for deployment in records.deployments(request)))


def submit_scoring(
    request: CircuitScoring, *, ml: MachineLearning, records: Records, settings: Settings
) -> JobRef:
    """Invoke the circuit's active deployment by name, under a job name of our own, unless this run did already."""
    active = records.deployment(request.stage, request.key)
    if active is None:
        raise NotFound(f"{request.key} has no deployment in {request.stage}")
    job = request.orchestration_id
    if ml.job(request.stage, job) is None:
        ml.invoke(
            request.stage,
            active.endpoint,
            active.deployment,
            job,
            model=_model(active, settings),
            circuit_config=active.circuit_config,
            literals={
                "sensor_data": settings.sensor_table,
                "forecasts": settings.forecast_table,
                "score_date": request.day.isoformat(),
                "model_version": active.model_version,
                "deployment": active.deployment,
            },
        )
    return JobRef(request.stage, job)


def record_scored(request: ScoringResult, *, ml: MachineLearning, records: Records) -> ScoringOutcome:
    """Put the run's result on record: rows written, or the reason why not."""
    scoring, state = request.scoring, request.state
    done = state.status is JobStatus.COMPLETED
    rows = (
        int(json.loads(ml.read_file(scoring.stage, f"jobs/{state.name}/summary.json"))["rows"]) if done else 0
    )
    reason = "" if done else state.error
    records.save_scoring(
        ScoringRecord(
            key=scoring.key,
            stage=scoring.stage,
            day=scoring.day.isoformat(),
            job=state.name,
            status=state.status,
            rows=rows,
            updated_at=now(),
            reason=reason,
        )
    )
    return ScoringOutcome(scoring.key, done, f"{rows} rows" if done else reason)


def _model(active: DeploymentRecord, settings: Settings) -> str:
    if active.stage is Stage.DEV:
        return f"azureml:{active.model_name}:{active.model_version}"
    place = f"azureml://registries/{settings.registry}/models"
    return f"{place}/{active.model_name}/versions/{active.model_version}"
