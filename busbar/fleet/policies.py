"""`pipeline.yaml` and `environments/`: what the fleet allows, asks for and waits for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from busbar.domain.circuits import Person
from busbar.domain.policies import (
    STAGE_GATES,
    AlertPolicy,
    ApprovalPolicy,
    Backoff,
    BranchAction,
    EnvironmentPolicy,
    GateName,
    MonitoringPolicy,
    Policies,
    PropagationPolicy,
    PurgePolicy,
    QuotaPolicy,
    RampPolicy,
    ReadingsPolicy,
    RefreshPolicy,
    RetentionPolicy,
    ScaleFreePolicy,
    SchedulePolicy,
    Stage,
    StagePolicy,
    Thresholds,
    TrainingPolicy,
    gate_stage,
)
from busbar.fleet.documents import Document
from busbar.fleet.explanations import unknown
from busbar.fleet.problems import Path
from busbar.fleet.schema import (
    ApprovalItem,
    BackoffItem,
    EnvironmentFile,
    PipelineFile,
    PropagationItem,
    TrainingItem,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BRANCHES: Mapping[str, BranchAction] = {
    "develop": BranchAction.TRAIN,
    "release/*": BranchAction.DEPLOY_TEST,
    "main": BranchAction.DEPLOY_PROD,
}
APPROVALS: Mapping[GateName, ApprovalPolicy] = {
    GateName.REGISTRY_PROMOTION: ApprovalPolicy(("ml-leads",)),
    GateName.TEST_DEPLOYMENT: ApprovalPolicy(("qa",)),
    GateName.PROD_DEPLOYMENT: ApprovalPolicy(("prod-approvers",), quorum=2),
    GateName.ENVIRONMENT_UPDATE: ApprovalPolicy(("ml-leads",)),
    GateName.DRIFT_RETRAIN: ApprovalPolicy(("ml-leads",)),
}
STAGES: Mapping[Stage, StagePolicy] = {
    Stage.DEV: StagePolicy(retention=RetentionPolicy(30, 14, 60, 30)),
    Stage.TEST: StagePolicy(
        ramp=RampPolicy(steps=(50, 100)),
        retention=RetentionPolicy(90, 30, 180, 90),
        alerts=AlertPolicy(0.15, 0.20, 1000.0, 5.0),
    ),
    Stage.PROD: StagePolicy(ramp=RampPolicy(steps=(10, 25, 50, 100)), alerts=AlertPolicy()),
}


def read_policies(
    pipeline: Document, environments: Mapping[Stage, Document], people: tuple[Person, ...] | None
) -> Policies | None:
    """The policies, or `None` and problems. What is not set is as above; without `people` no quorum is checked."""
    files = {stage: _environment(document) for stage, document in environments.items()}
    if pipeline.data is None or (root := pipeline.model(PipelineFile, pipeline.data)) is None:
        return None
    approvals = _approvals(pipeline, root.approvals, files)
    if people is not None:
        for gate, policy in approvals.items():
            _check_quorum(*_place(gate, pipeline, environments), policy, people)
    return Policies(
        branches=root.branches if "branches" in root.model_fields_set else BRANCHES,
        training=_training(root.training),
        propagation=_propagation(root.propagation),
        gates=ScaleFreePolicy(**_set(root.gates)),
        environments=EnvironmentPolicy(**_set(root.environments)),
        approvals=approvals,
        stages={stage: _stage(stage, file) for stage, file in files.items()},
        quotas=QuotaPolicy(**_set(root.quotas)),
        train_pull_requests=root.train_pull_requests,
        readings=ReadingsPolicy(**_set(root.readings)),
        refresh=RefreshPolicy(**_set(root.refresh)),
        schedules={stage: SchedulePolicy(**item.model_dump()) for stage, item in root.schedules.items()},
        monitoring=_over(MonitoringPolicy(), root.monitoring),
        retention=PurgePolicy(**_set(root.retention)),
    )


def _set(item: Any) -> dict[str, Any]:
    """The keys that the file sets."""
    return item.model_dump(exclude_unset=True)


def _backoff(item: BackoffItem | None, default: Backoff) -> Backoff:
    return Backoff(item.initial_seconds, item.maximum_seconds) if item else default


def _training(item: TrainingItem) -> TrainingPolicy:
    default = TrainingPolicy()
    return replace(default, **_set(item) | {"poll": _backoff(item.poll, default.poll)})


def _propagation(item: PropagationItem) -> PropagationPolicy:
    default = PropagationPolicy()
    return replace(default, **_set(item) | {"poll": _backoff(item.poll, default.poll)})


def _stage(stage: Stage, item: EnvironmentFile | None) -> StagePolicy:
    """What the file says over the stage's defaults, key by key."""
    default = STAGES[stage]
    if item is None:
        return default
    parts = {name: getattr(item, name) for name in ("online", "ramp", "rollback", "waves", "retention")}
    own = {name: _over(getattr(default, name), part) for name, part in parts.items() if part}
    if item.alerts:
        own["alerts"] = _over(default.alerts or AlertPolicy(), item.alerts)
    if item.compute:
        own["compute"] = item.compute
    return replace(default, thresholds=Thresholds(**item.thresholds.model_dump()), **own)


def _over[P: DataclassInstance](policy: P, item: BaseModel) -> P:
    """A policy with the keys that the file sets; lists become tuples."""
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in _set(item).items()}
    return replace(policy, **changes)


def _approvals(
    pipeline: Document, items: Mapping[str, ApprovalItem], stages: Mapping[Stage, EnvironmentFile | None]
) -> dict[GateName, ApprovalPolicy]:
    """Who is asked, by gate: a stage's own file says it for the stage, `pipeline.yaml` for the other gates."""
    approvals = dict(APPROVALS)
    own = {gate: stage for stage, gate in STAGE_GATES.items()}
    for name, item in items.items():
        if name in own:
            pipeline.problem(
                ("approvals", name), f"belongs in environments/{own[GateName(name)]}.yaml: approval"
            )
        elif name in set(GateName):
            approvals[GateName(name)] = _over(approvals[GateName(name)], item)
        else:
            known = set(GateName) - set(own)
            pipeline.problem(("approvals", name), unknown(name, known, "gate"))
    for stage, gate in STAGE_GATES.items():
        file = stages.get(stage)
        if file is None or "approval" not in file.model_fields_set:
            continue
        if file.approval is None:
            del approvals[gate]
        else:
            approvals[gate] = _over(approvals[gate], file.approval)
    return approvals


def _environment(document: Document) -> EnvironmentFile | None:
    """The file's content; `None` where it is missing or wrong."""
    return None if document.data is None else document.model(EnvironmentFile, document.data)


def _place(
    gate: GateName, pipeline: Document, environments: Mapping[Stage, Document]
) -> tuple[Document, Path]:
    """Where the approval of a gate is written."""
    stage = gate_stage(gate)
    if stage is not None and stage in environments:
        return environments[stage], ("approval",)
    return pipeline, ("approvals", gate.value)


def _check_quorum(document: Document, path: Path, policy: ApprovalPolicy, people: tuple[Person, ...]) -> None:
    """An approval that nobody can ever give is a mistake. The requester never counts, so one more is better."""
    known = {group for person in people for group in person.groups}
    for key in ("groups", "escalate_to"):
        for index, group in enumerate(getattr(policy, key)):
            if group not in known:
                message = unknown(group, known, "group in people.yaml")
                document.problem((*path, key, index), f"{group}: {message}")
    members = {person.object_id for person in people if set(person.groups) & set(policy.groups)}
    if len(members) < policy.quorum:
        message = f"{policy.quorum} must agree, but {', '.join(policy.groups)} has {len(members)} member(s)"
        document.problem((*path, "quorum"), message)
