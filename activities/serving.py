"""Batch endpoints and deployments: one endpoint a plant, one deployment a circuit and model version."""

from activities.clock import now
from activities.records import stored_release
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import Rejected
from busbar.domain.gates import GateInput, evaluate, passed, summary
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord, Served
from busbar.domain.release import Pin
from busbar.domain.steps import CircuitDeployment, DeploymentPlan, DeploymentState, StageDeployment
from busbar.settings import Settings


def plan_deployment(request: StageDeployment, *, records: Records) -> DeploymentPlan:
    """The pins that pass the stage's gates and are newer than what serves; the others with their reasons."""
    release = stored_release(request.release.id, records)
    pins: list[Pin] = []
    held = []
    for pin in release.pins:
        if pin.key not in request.release.kept:
            continue
        reason = _hold(pin, request, records)
        if reason:
            held.append((pin.key, f"{pin.key} held back: {reason}"))
        else:
            pins.append(pin)
    return DeploymentPlan(tuple(pins), tuple(held))


def create_deployment(request: CircuitDeployment, *, ml: MachineLearning, settings: Settings) -> None:
    """Start the creation of endpoint and deployment, unless they exist; one that failed is made again."""
    pin, stage = request.pin, request.stage
    endpoint, deployment = _names(request, settings)
    if stage is not Stage.DEV:
        ml.write_file(stage, pin.circuit_config, ml.read_file(Stage.DEV, pin.circuit_config))
    ml.ensure_endpoint(stage, endpoint, {"plant_id": pin.key.plant_id})
    known = ml.deployment(stage, endpoint, deployment)
    if known is None or known.failed:
        deploy(pin.key, stage, endpoint, _served(request, deployment), ml, settings)


def deploy(
    key: CircuitKey, stage: Stage, endpoint: str, served: Served, ml: MachineLearning, settings: Settings
) -> None:
    """Start the creation of a deployment from what is on record of it alone."""
    component = _component(stage, served.scoring_version, settings)
    ml.create_deployment(stage, endpoint, served.deployment, component, served.compute, _tags(key, served))


def look_at_deployment(
    request: CircuitDeployment, *, ml: MachineLearning, settings: Settings
) -> DeploymentState:
    """Where the deployment stands; one that is not to be seen yet is not ready."""
    endpoint, deployment = _names(request, settings)
    return ml.deployment(request.stage, endpoint, deployment) or DeploymentState(ready=False)


def activate_deployment(
    request: CircuitDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> None:
    """From now on the circuit is served by this deployment; at most the one before it is kept."""
    pin, stage = request.pin, request.stage
    endpoint, deployment = _names(request, settings)
    before = records.deployment(stage, pin.key)
    if before is not None and before.deployment == deployment:
        return
    if before is not None and before.previous and before.previous.deployment != deployment:
        # before the record forgets its name: a retry must find it
        ml.delete_deployment(stage, endpoint, before.previous.deployment)
    records.change_deployment(stage, pin.key, lambda record: _serving(record, request, endpoint, deployment))


def _serving(
    before: DeploymentRecord | None, request: CircuitDeployment, endpoint: str, deployment: str
) -> DeploymentRecord:
    served = _served(request, deployment)
    if before is None:
        return DeploymentRecord.first(request.pin.key, request.stage, endpoint, served)
    if (mark := before.mark(deployment)) is not None:
        raise Rejected(f"{before.key}: {mark.sentence}; a person has to lift that first")
    return before if before.deployment == deployment else before.serving(served, served.since)


def _served(request: CircuitDeployment, deployment: str) -> Served:
    pin = request.pin
    return Served(
        deployment=deployment,
        model_name=pin.model_name,
        model_version=pin.model_version,
        cutoff_date=pin.cutoff_date,
        circuit_config=pin.circuit_config,
        since=now(),
        release_id=request.release_id,
        scoring_version=pin.scoring_build,
        training_hash=pin.training_hash,
        compute=request.policies.stage(request.stage).compute,
    )


def _hold(pin: Pin, request: StageDeployment, records: Records) -> str:
    serving = records.deployment(request.stage, pin.key)
    if serving is not None and (mark := serving.mark(names.deployment(pin.key, pin.model_version))):
        return f"{mark.sentence}; a person has to lift that first"
    if serving is not None and int(serving.model_version) > int(pin.model_version):
        return f"{request.stage} already serves version {serving.model_version}, this is {pin.model_version}"
    policies = request.release.policies
    thresholds = policies.stage(request.stage).thresholds.overlaid(pin.thresholds)
    results = evaluate(GateInput(pin.metrics, thresholds, policies.gates))
    return "" if passed(results) else summary(results)


def _names(request: CircuitDeployment, settings: Settings) -> tuple[str, str]:
    workspace = settings.workspace_id(request.stage)
    key = request.pin.key
    return (
        names.endpoint(key, request.stage, workspace),
        names.deployment(key, request.pin.model_version),
    )


def _component(stage: Stage, version: str, settings: Settings) -> str:
    name = names.SCORING_COMPONENT
    if stage is Stage.DEV:
        return f"azureml:{name}:{version}"
    return f"azureml://registries/{settings.registry}/components/{name}/versions/{version}"


def _tags(key: CircuitKey, served: Served) -> dict[str, str]:
    return {
        "plant_id": key.plant_id,
        "circuit_id": key.circuit_id,
        "model_name": served.model_name,
        "model_version": served.model_version,
        "cutoff_date": served.cutoff_date,
        "training_hash": served.training_hash,
        "release_id": served.release_id or "",
    }
