"""Endpoints and deployments: a batch endpoint a plant or an online one a circuit, one deployment a model version."""

from dataclasses import replace

from activities import registered
from activities.clock import now
from activities.traffic import follow
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain import names
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.errors import Rejected
from busbar.domain.policies import Stage
from busbar.domain.ramp import Step, steps, steps_between_kinds
from busbar.domain.records import Candidate, DeploymentRecord, Served
from busbar.domain.release import Pin
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
    taking_over = served(request, endpoint, deployment)
    ml.ensure_endpoint(stage, endpoint, _endpoint_tags(pin))
    if before is not None and not serves:
        _make_room(before, request, taking_over, ml, records)
    if known is None or known.failed:
        deploy(pin.key, stage, endpoint, taking_over, ml, settings)
    return Ramp() if serves else Ramp(_steps(request, before), before.active if before else None)


def _steps(request: CircuitDeployment, before: DeploymentRecord | None) -> tuple[Step, ...]:
    policy, serving = request.policies.stage(request.stage).ramp, request.pin.serving
    if before is not None and before.kind is not serving:
        return steps_between_kinds(policy)
    return steps(policy, first=before is None, online=serving is Serving.ONLINE)


def _make_room(
    before: DeploymentRecord,
    request: CircuitDeployment,
    taking_over: Served,
    ml: MachineLearning,
    records: Records,
) -> None:
    """Note the candidate, and delete what is neither it nor active; names are forgotten only once it is gone."""
    stage, deployment = before.stage, taking_over.deployment
    if (other := before.candidate) and other.deployment != deployment:
        ml.delete_deployment(stage, before.endpoint_of(other), other.deployment)
    records.change_deployment(stage, before.key, lambda record: _joined(record, request, taking_over))
    if (other := before.previous) and other.deployment != deployment:
        ml.delete_deployment(stage, before.endpoint_of(other), other.deployment)


def _joined(
    record: DeploymentRecord | None, request: CircuitDeployment, taking_over: Served
) -> DeploymentRecord:
    """The record with its candidate; the same again changes nothing."""
    deployment = taking_over.deployment
    if record is None:
        raise Rejected(f"{request.pin.key}: nothing serves {request.stage} any more: deploy it again")
    _refuse_marked(record, deployment)
    if deployment in (record.deployment, record.candidate and record.candidate.deployment):
        return record
    return replace(record, candidate=Candidate(**vars(taking_over)), previous_stands=False)


def deploy(
    key: CircuitKey, stage: Stage, endpoint: str, served: Served, ml: MachineLearning, settings: Settings
) -> None:
    """Start the creation of a deployment from what is on record of it alone."""
    build, tags = served.scoring_version, _tags(key, served)
    if served.kind is Serving.BATCH:
        component = registered.component(names.SCORING_COMPONENT, build, stage, settings)
        ml.create_deployment(stage, endpoint, served.deployment, component, served.compute, tags)
        return
    ml.create_online_deployment(
        stage,
        endpoint,
        served.deployment,
        component=registered.component(names.ONLINE_COMPONENT, build, stage, settings),
        model=registered.model(served, stage, settings),
        instance_type=served.instance_type,
        instances=served.instances,
        tags=tags,
    )


def look_at_deployment(
    request: CircuitDeployment, *, ml: MachineLearning, settings: Settings
) -> DeploymentState:
    """Where the deployment stands; one that is not to be seen yet is not ready."""
    endpoint, deployment = names_of(request, settings)
    return ml.deployment(request.stage, endpoint, deployment) or DeploymentState(ready=False)


def activate_deployment(
    request: CircuitDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> None:
    """From now on the circuit is served by this deployment; at most the one before it is kept.

    All of an online endpoint's requests are its own then.
    """
    stage, key = request.stage, request.pin.key
    taking_over = served(request, *names_of(request, settings))
    before = records.deployment(stage, key)
    if before is not None and before.deployment == taking_over.deployment:
        follow(before, ml)
        return
    if before is not None and before.previous and before.previous.deployment != taking_over.deployment:
        # before the record forgets its name: a retry must find it
        ml.delete_deployment(stage, before.endpoint_of(before.previous), before.previous.deployment)
    after = records.change_deployment(stage, key, lambda record: _serving(record, request, taking_over))
    follow(after, ml)


def _serving(
    before: DeploymentRecord | None, request: CircuitDeployment, taking_over: Served
) -> DeploymentRecord:
    endpoint, deployment = taking_over.endpoint, taking_over.deployment
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


def served(request: CircuitDeployment, endpoint: str, deployment: str) -> Served:
    """What the deployment stands for, from now on."""
    pin, policy = request.pin, request.policies.stage(request.stage)
    found = Served(
        deployment=deployment,
        model_name=pin.model_name,
        model_version=pin.model_version,
        cutoff_date=pin.cutoff_date,
        circuit_config=pin.circuit_config,
        since=now(),
        release_id=request.release_id,
        scoring_version=pin.scoring_build,
        training_hash=pin.training_hash,
        compute=policy.compute,
        kind=pin.serving,
        endpoint=endpoint,
    )
    if pin.serving is Serving.BATCH:
        return found
    return replace(found, instance_type=policy.online.instance_type, instances=policy.online.instance_count)


def names_of(request: CircuitDeployment, settings: Settings) -> tuple[str, str]:
    """The endpoint and the deployment of a circuit's model in a stage."""
    pin, workspace = request.pin, settings.workspace_id(request.stage)
    return names.endpoint_for(pin.serving, pin.key, request.stage, workspace), pin.deployment


def _endpoint_tags(pin: Pin) -> dict[str, str]:
    """Whose the endpoint is: a plant's, or one circuit's."""
    circuit = {"circuit_id": pin.key.circuit_id} if pin.serving is Serving.ONLINE else {}
    return {"plant_id": pin.key.plant_id} | circuit


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
