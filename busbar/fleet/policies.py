"""`pipeline.yaml` and `environments/`: what the fleet allows, asks for and waits for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from busbar.domain.circuits import Person
from busbar.domain.policies import (
    ApprovalPolicy,
    Backoff,
    BranchAction,
    GateName,
    Policies,
    PropagationPolicy,
    ScaleFreePolicy,
    Stage,
    StagePolicy,
    Thresholds,
    TrainingPolicy,
)
from busbar.fleet.documents import Document
from busbar.fleet.explanations import unknown
from busbar.fleet.schema import (
    ApprovalItem,
    BackoffItem,
    EnvironmentFile,
    PipelineFile,
    PropagationItem,
    TrainingItem,
)

BRANCHES: Mapping[str, BranchAction] = {
    "develop": BranchAction.TRAIN,
    "release/*": BranchAction.DEPLOY_TEST,
    "main": BranchAction.DEPLOY_PROD,
}
APPROVALS: Mapping[GateName, ApprovalPolicy] = {
    GateName.REGISTRY_PROMOTION: ApprovalPolicy(("ml-leads",)),
    GateName.TEST_DEPLOYMENT: ApprovalPolicy(("qa",)),
    GateName.PROD_DEPLOYMENT: ApprovalPolicy(("prod-approvers",), quorum=2),
}
STAGES: Mapping[Stage, StagePolicy] = {
    Stage.DEV: StagePolicy(),
    Stage.TEST: StagePolicy(approval=GateName.TEST_DEPLOYMENT),
    Stage.PROD: StagePolicy(approval=GateName.PROD_DEPLOYMENT),
}


def read_policies(
    pipeline: Document, environments: Mapping[Stage, Document], people: tuple[Person, ...] | None
) -> Policies | None:
    """The policies, or `None` and problems. What is not set is as above; without `people` no quorum is checked."""
    stages = {stage: _stage(stage, document) for stage, document in environments.items()}
    if pipeline.data is None or (root := pipeline.model(PipelineFile, pipeline.data)) is None:
        return None
    approvals = _approvals(pipeline, root.approvals)
    if people is not None:
        _check_quorums(pipeline, approvals, people)
    return Policies(
        branches=root.branches if "branches" in root.model_fields_set else BRANCHES,
        training=_training(root.training),
        propagation=_propagation(root.propagation),
        gates=ScaleFreePolicy(**_set(root.gates)),
        approvals=approvals,
        stages=stages,
        train_pull_requests=root.train_pull_requests,
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


def _stage(stage: Stage, document: Document) -> StagePolicy:
    item = None if document.data is None else document.model(EnvironmentFile, document.data)
    if item is None:
        return STAGES[stage]
    return replace(STAGES[stage], **_set(item) | {"thresholds": Thresholds(**item.thresholds.model_dump())})


def _approvals(document: Document, items: Mapping[str, ApprovalItem]) -> dict[GateName, ApprovalPolicy]:
    approvals = dict(APPROVALS)
    for name, item in items.items():
        if name not in set(GateName):
            document.problem(("approvals", name), unknown(name, GateName, "gate"))
            continue
        gate = GateName(name)
        changes = _set(item) | ({"groups": tuple(item.groups)} if item.groups else {})
        approvals[gate] = replace(approvals[gate], **changes)
    return approvals


def _check_quorums(
    document: Document, approvals: Mapping[GateName, ApprovalPolicy], people: tuple[Person, ...]
) -> None:
    """An approval that nobody can ever give is a mistake. The requester never counts, so one more is better."""
    known = {group for person in people for group in person.groups}
    for gate, policy in approvals.items():
        for index, group in enumerate(policy.groups):
            if group not in known:
                message = unknown(group, known, "group in people.yaml")
                document.problem(("approvals", gate.value, "groups", index), f"{group}: {message}")
        members = {person.object_id for person in people if set(person.groups) & set(policy.groups)}
        if len(members) < policy.quorum:
            message = (
                f"{policy.quorum} must agree, but {', '.join(policy.groups)} has {len(members)} member(s)"
            )
            document.problem(("approvals", gate.value, "quorum"), message)
