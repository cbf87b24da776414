"""A look at a day of what a stage serves: one job for many circuits, put on record circuit by circuit."""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import batched
from typing import Any

from activities.assets import register
from activities.clock import now
from activities.invoking import uncancelled
from activities.sources import MONITOR
from busbar.clients.drifts import Drifts
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.machine_learning.jobs import job_output
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.repositories import Repository
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import CircuitDrift, judge, not_judged, remembered
from busbar.domain.errors import ConfigurationError, NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import AlertPolicy, Policies, Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.steps import JobRef, MonitoringChunk, MonitoringPlan, MonitoringResult, MonitoringRun
from busbar.domain.wording import gist
from busbar.fleet.repository import fleet_at, training_head
from busbar.settings import Settings


def plan_monitoring(request: MonitoringRun, *, repository: Repository, records: Records) -> MonitoringPlan:
    """The circuits that the stage serves, or those of them that are named, in chunks for a job each."""
    training = training_head(repository)
    if training is None:
        return MonitoringPlan("", Policies(), problem="no branch trains yet: nothing is looked at")
    commit = training[1]
    try:
        policies = fleet_at(repository, commit).policies
    except ConfigurationError as error:
        return MonitoringPlan(commit, Policies(), problem=str(error))
    served = sorted(record.key for record in records.deployments(request.stage))
    wanted = [key for key in served if not request.named or key in request.named]
    return MonitoringPlan(commit, policies, tuple(batched(wanted, policies.monitoring.circuits_per_job)))


def submit_monitoring(
    request: MonitoringChunk,
    *,
    ml: MachineLearning,
    records: Records,
    releases: Releases,
    repository: Repository,
    settings: Settings,
) -> JobRef:
    """Start the chunk's job in dev, where the trainings' own metrics lie, unless it is there and not cancelled."""
    run, (job, there) = request.run, uncancelled(Stage.DEV, request.job, ml)
    path = f"monitoring/{job}/circuits.json"
    component = register((MONITOR,), request.commit, repository, ml)[0]
    if not there:  # what a job was started with stays as it was
        serving = (records.deployment(run.stage, key) for key in request.circuits)
        watched = [_watched(record, ml, releases) for record in serving if record]
        ml.write_file(Stage.DEV, path, json.dumps(watched).encode())
    ml.submit_monitoring(
        job,
        component=component,
        circuits=path,
        literals={
            "sensor_data": settings.sensor_table,
            "forecasts": settings.forecast_table,
            "metrics": settings.error_table,
            "history": settings.drift_table,
            "day": run.day.isoformat(),
            "model_drift": _alerts(request).model_drift,
        },
        compute=request.policies.training.compute,
        tags={"orchestration_id": request.job, "stage": run.stage},
    )
    return JobRef(Stage.DEV, job)


def record_judged(
    request: MonitoringResult, *, ml: MachineLearning, drifts: Drifts, records: Records
) -> None:
    """Put each circuit's verdict on record, with its report and plot; or why it has none."""
    chunk, state, day = request.chunk, request.state, request.chunk.run.day.isoformat()
    reports: dict[CircuitKey, dict[str, Any]] = {}
    reason = gist(state.error) or f"job {state.name} {state.status}"
    if state.status is JobStatus.COMPLETED:
        found = json.loads(ml.read_file(Stage.DEV, job_output(state.name, "reports.json")))
        reports = {CircuitKey(one["plant_id"], one["circuit_id"]): one for one in found}
        reason = "nothing serves it any more"
    judged = {key: _judged(key, day, reports[key], chunk) for key in chunk.circuits if key in reports}
    for key, verdict in judged.items():
        _keep(chunk, verdict, reports[key], state.name, ml, drifts)
    for key in chunk.circuits:
        _record(chunk.run.stage, judged.get(key) or not_judged(key, day, reason), drifts)
    _note_forecasts(chunk.run.stage, judged, records)


def _watched(record: DeploymentRecord, ml: MachineLearning, releases: Releases) -> dict[str, Any]:
    """A circuit's line in monitor_circuits' input."""
    pin = releases.pin(record.key, record.model_version)
    try:
        metrics = json.loads(ml.read_file(Stage.DEV, job_output(pin.job, "metrics.json"))) if pin else None
    except NotFound:
        metrics = None  # the training's outputs are not kept for ever: there is no ratio then
    return {
        "plant_id": record.key.plant_id,
        "circuit_id": record.key.circuit_id,
        "circuit_config": ml.read_file(record.stage, record.circuit_config).decode(),
        "deployment": record.deployment,
        "model_version": record.model_version,
        "training_metrics": metrics,
    }


def _alerts(chunk: MonitoringChunk) -> AlertPolicy:
    return chunk.policies.stage(chunk.run.stage).alerts or AlertPolicy()


def _judged(key: CircuitKey, day: str, report: dict[str, Any], chunk: MonitoringChunk) -> CircuitDrift:
    try:
        return judge(key, day, report, _alerts(chunk))
    except KeyError as error:
        raise ConfigurationError(
            f"reports.json of {chunk.job} has no {error} for {key}: bring ml_components/monitoring up to date"
        ) from error


def _keep(
    chunk: MonitoringChunk,
    judged: CircuitDrift,
    report: dict[str, Any],
    job: str,
    ml: MachineLearning,
    drifts: Drifts,
) -> None:
    stage, key, day = chunk.run.stage, judged.key, judged.day
    drifts.save_report(stage, key, day, report)
    try:
        plot = ml.read_file(Stage.DEV, job_output(job, f"plots/{key.plant_id}-{key.circuit_id}.svg"))
    except NotFound:
        return  # a circuit that cannot be judged has none
    drifts.save_plot(stage, key, day, plot)


def _record(stage: Stage, judged: CircuitDrift, drifts: Drifts) -> None:
    at = now()
    drifts.change_record(stage, judged.key, lambda before: remembered(before, stage, judged, at))


def _note_forecasts(stage: Stage, judged: Mapping[CircuitKey, CircuitDrift], records: Records) -> None:
    """What is wrong with a day's forecasts stands beside its scoring, too: on the board and the circuit's page."""
    for scoring in records.scorings(stage):
        verdict = judged.get(scoring.key)
        if verdict and scoring.day == verdict.day:
            records.save_scoring(replace(scoring, problem=verdict.forecasts))
