"""Stage 7 and 8: gates, registration, verdicts, sharing to the registry."""

import json
from dataclasses import replace

from activities.clock import now
from activities.jobs import circuit_config_path
from activities.sources import circuit_at
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.errors import NotFound
from busbar.domain.gates import GateInput, Metrics, evaluate, passed, summary
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord
from busbar.domain.release import Pin
from busbar.domain.steps import (
    CircuitOutcome,
    Evaluation,
    EvaluationRequest,
    ModelPromotion,
    ModelRequest,
    Release,
    Settlement,
)
from busbar.domain.training import Verdict


def evaluate_gates(
    request: EvaluationRequest, *, ml: MachineLearning, repository: Repository, records: Records
) -> Evaluation:
    """Measure the job's metrics against the circuit's limits and the dev stage's, and the scale-free gates."""
    training = request.training
    document = json.loads(ml.read_file(Stage.DEV, f"jobs/{request.job.name}/metrics.json"))
    circuit = circuit_at(repository, training.run.commit, training.key)
    stage = training.policies.stage(Stage.DEV)
    thresholds = stage.thresholds.overlaid(circuit.thresholds)
    given = GateInput(Metrics.read(document), thresholds, training.policies.gates)
    results = evaluate(given)
    record = records.circuit(training.key)
    if record is not None and record.run != training.run.id:
        return Evaluation(given.metrics, results, False, f"superseded by {record.run}")
    return Evaluation(given.metrics, results, passed(results), summary(results))


def register_model(
    request: ModelRequest, *, ml: MachineLearning, repository: Repository, releases: Releases
) -> Pin:
    """Register the job's model once, keyed by the job; the version is the next integer. Its pin is kept."""
    training, job = request.training, request.job.name
    name = names.model(training.key)
    version = _registered_version(name, job, ml)
    if version is None:
        version = str(max((int(model.version) for model in ml.models(Stage.DEV, name)), default=0) + 1)
        ml.create_model(name, version, job, _tags(request))
    assets, circuit = training.assets, circuit_at(repository, training.run.commit, training.key)
    pin = Pin(
        key=training.key,
        model_name=name,
        model_version=version,
        training_hash=training.decision.training_hash,
        cutoff_date=training.data.cutoff_date,
        data_asset_version=training.data.asset_version,
        environment=assets.environment,
        component_version=assets.component_version,
        scoring_version=assets.scoring_version,
        job=job,
        circuit_config=circuit_config_path(training),
        metrics=request.evaluation.metrics,
        thresholds=circuit.thresholds,
        delta_version=training.data.delta_version,
        serving=circuit.serving,
    )
    pin = _by_its_scoring(pin, releases.pin(pin.key, version))
    releases.keep_pin(pin)
    return pin


def _by_its_scoring(pin: Pin, before: Pin | None) -> Pin:
    """The pin, told apart from that of the same model by an older scoring component: it is another deployment."""
    if before is None:
        return pin
    if before.scoring_version == pin.scoring_version:
        return replace(pin, rescored_to=before.rescored_to)
    return replace(pin, rescored_to=pin.scoring_version)


def settle_circuit(request: Settlement, *, records: Records) -> CircuitOutcome:
    """Put the verdict on record, unless a newer run has taken the circuit over."""
    training = request.training
    current = records.circuit(training.key)
    if current is not None and current.run != training.run.id:
        return CircuitOutcome(
            training.key, Verdict.SUPERSEDED, f"{training.key}: superseded by {current.run}"
        )
    evaluation = request.evaluation
    records.save_circuit(
        CircuitRecord(
            key=training.key,
            training_hash=training.decision.training_hash,
            verdict=request.verdict,
            reason=request.reason,
            run=training.run.id,
            commit=training.run.commit,
            cutoff_date=training.data.cutoff_date,
            updated_at=now(),
            job=request.job or (current.job if current else None),
            model_version=request.model_version or (current.model_version if current else None),
            registry_version=current.registry_version if current else None,
            metrics=evaluation.metrics if evaluation else None,
            gates=evaluation.results if evaluation else (),
        )
    )
    return CircuitOutcome(training.key, request.verdict, request.reason)


def plan_promotion(request: Release, *, records: Records) -> tuple[ModelPromotion, ...]:
    """What is to be shared of a release: the model of each kept circuit. Raises `NotFound` for one without a pin."""
    release, policy = records.release(request.id), request.policies.propagation
    pins = {pin.key: pin for pin in release.pins} if release else {}
    if missing := [str(key) for key in request.kept if key not in pins]:
        raise NotFound(f"release {request.id} has no pin for {', '.join(missing)}")
    kept = (pins[key] for key in request.kept)
    return tuple(ModelPromotion(pin.key, pin.model_name, pin.model_version, policy) for pin in kept)


def share_model(request: ModelPromotion, *, ml: MachineLearning) -> None:
    """Share one model to the registry, unless it is there."""
    ml.share_model(request.model_name, request.model_version)


def look_in_registry(request: ModelPromotion, *, ml: MachineLearning) -> bool:
    """Whether the registry shows the model yet."""
    return ml.model_in_registry(request.model_name, request.model_version)


def record_promoted(request: ModelPromotion, *, records: Records) -> None:
    """Note on the circuit's record which version the registry has."""
    records.update_circuit(request.key, registry_version=request.model_version)


def _registered_version(name: str, job: str, ml: MachineLearning) -> str | None:
    found = [model.version for model in ml.models(Stage.DEV, name) if model.tags.get("job") == job]
    return found[0] if found else None


def _tags(request: ModelRequest) -> dict[str, str]:
    training = request.training
    return {
        "build_id": training.run.commit,
        "cutoff_date": training.data.cutoff_date,
        "data_asset_name": training.data.asset_name,
        "data_asset_version": training.data.asset_version,
        "component_version": training.assets.component_version,
        "training_hash": training.decision.training_hash,
        "validated": "true",
        "job": request.job.name,
    }
