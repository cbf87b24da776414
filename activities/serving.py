"""Batch endpoints and deployments: one endpoint a plant, one deployment a circuit and model version."""

from dataclasses import replace

from activities.clock import now
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import Rejected
from busbar.domain.policies import Stage
from busbar.domain.ramp import steps
from busbar.domain.records import Candidate, DeploymentRecord, Served
from busbar.domain.steps import CircuitDeployment, DeploymentState, Ramp
from busbar.settings import Settings


def create_deployment(
    request: CircuitDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> Ramp:
    """Start the creation of endpoint and candidate, unless they exist; one that failed is made again.

    What served before the active one, and a candidate that another release left, make room: a circuit has at most
    two deployments. What serves already is left as it is, or made again where it is gone.
    """
    pin, stage = request.pin, request.stage
    endpoint, deployment = names_of(request, settings)
    before, known = records.deployment(stage, pin.key), ml.deployment(stage, endpoint, deployment)
    serves = before is not None and before.deployment == deployment
    if serves and known is not None and not known.failed:
        return Ramp(serves=True)
    if stage is not Stage.DEV:
        ml.write_file(stage, pin.circuit_config, ml.read_file(Stage.DEV, pin.circuit_config))
    ml.ensure_endpoint(stage, endpoint, {"plant_id": pin.key.plant_id})
    if before is not None and not serves:
        _make_room(before, request, deployment, ml, records)
    if known is None or known.failed:
        deploy(pin.key, stage, endpoint, served(request, deployment), ml, settings)
    if serves:
        return Ramp()
    policy = request.policies.stage(stage).ramp
    return Ramp(steps(policy, first=before is None), before.active if before else None)


def _make_room(
    before: DeploymentRecord,
    request: CircuitDeployment,
    deployment: str,
    ml: MachineLearning,
    records: Records,
) -> None:
    """Note the candidate, and delete what is neither it nor active; names are forgotten only once it is gone."""
    if before.candidate and before.candidate.deployment != deployment:
        ml.delete_deployment(before.stage, before.endpoint, before.candidate.deployment)
    records.change_deployment(before.stage, before.key, lambda record: _joined(record, request, deployment))
    if before.previous and before.previous.deployment != deployment:
        ml.delete_deployment(before.stage, before.endpoint, before.previous.deployment)


def _joined(record: DeploymentRecord | None, request: CircuitDeployment, deployment: str) -> DeploymentRecord:
    """The record with its candidate; the same again changes nothing."""
    if record is None:
        raise Rejected(f"{request.pin.key}: nothing serves {request.stage} any more: deploy it again")
    _refuse_marked(record, deployment)
    if deployment in (record.deployment, record.candidate and record.candidate.deployment):
        return record
    candidate = Candidate(**vars(served(request, deployment)))
    return replace(record, candidate=candidate, previous_stands=False)


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
    endpoint, deployment = names_of(request, settings)
    return ml.deployment(request.stage, endpoint, deployment) or DeploymentState(ready=False)


def activate_deployment(
    request: CircuitDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> None:
    """From now on the circuit is served by this deployment; at most the one before it is kept."""
    stage, key = request.stage, request.pin.key
    endpoint, deployment = names_of(request, settings)
    before = records.deployment(stage, key)
    if before is not None and before.deployment == deployment:
        return
    if before is not None and before.previous and before.previous.deployment != deployment:
        # before the record forgets its name: a retry must find it
        ml.delete_deployment(stage, endpoint, before.previous.deployment)
    records.change_deployment(stage, key, lambda record: _serving(record, request, endpoint, deployment))


def _serving(
    before: DeploymentRecord | None, request: CircuitDeployment, endpoint: str, deployment: str
) -> DeploymentRecord:
    taking_over = served(request, deployment)
    if before is None:
        return DeploymentRecord.first(request.pin.key, request.stage, endpoint, taking_over)
    _refuse_marked(before, deployment)
    if before.deployment == deployment:
        return before
    require_candidate(before, deployment)
    return before.serving(taking_over, taking_over.since)


def _refuse_marked(record: DeploymentRecord, deployment: str) -> None:
    if (mark := record.mark(deployment)) is not None:
        raise Rejected(f"{record.key}: {mark.sentence}; a person has to lift that first")


def require_candidate(record: DeploymentRecord, deployment: str) -> Candidate:
    """The candidate, if it is still this one; raises `Rejected` where somebody else decided otherwise meanwhile."""
    if (candidate := record.ramping(deployment)) is None:
        instead = f"{record.candidate.deployment} ramps up" if record.candidate else "it was taken out"
        raise Rejected(f"{record.key}: {deployment} is no candidate for {record.stage} any more: {instead}")
    return candidate


def served(request: CircuitDeployment, deployment: str) -> Served:
    """What the deployment stands for, from now on."""
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


def names_of(request: CircuitDeployment, settings: Settings) -> tuple[str, str]:
    """The endpoint and the deployment of a circuit's model in a stage."""
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
