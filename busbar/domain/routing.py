"""Which orchestration an event starts or wakes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import assert_never

from busbar.domain import names
from busbar.domain.events import JobChanged, RepositoryPushed
from busbar.domain.policies import BranchAction, Policies, Stage


@dataclass(frozen=True)
class Train:
    """Start the training pipeline under `instance_id`, unless it was."""

    instance_id: str


@dataclass(frozen=True)
class Deploy:
    """Deploy the latest release that is ready for `stage`."""

    stage: Stage


@dataclass(frozen=True)
class Wake:
    """Raise `event` in a running instance; `status` is what it says of the job."""

    instance_id: str
    event: str
    status: str = ""


@dataclass(frozen=True)
class Ignore:
    reason: str


def branch_action(policies: Policies, branch: str) -> BranchAction | None:
    """The first pattern of the branch table that fits."""
    return next(
        (action for pattern, action in policies.branches.items() if fnmatchcase(branch, pattern)), None
    )


def training_branch(branches: Mapping[str, BranchAction], existing: Iterable[str]) -> str | None:
    """Where Busbar commits what is to be trained: the first branch, in the table's order, that trains."""
    names = sorted(existing)
    training = (pattern for pattern, action in branches.items() if action is BranchAction.TRAIN)
    return next((name for pattern in training for name in names if fnmatchcase(name, pattern)), None)


def route_push(push: RepositoryPushed, policies: Policies) -> Train | Deploy | Ignore:
    """A push trains or deploys, as the branch table says; a deleted branch does nothing."""
    if push.deleted:
        return Ignore(f"branch {push.branch} was deleted")
    match branch_action(policies, push.branch):
        case None:
            return Ignore(f"branch {push.branch} is not in the branch table")
        case BranchAction.TRAIN:
            return Train(names.training_run(push.after))
        case BranchAction.DEPLOY_TEST:
            return Deploy(Stage.TEST)
        case BranchAction.DEPLOY_PROD:
            return Deploy(Stage.PROD)
        case _ as action:
            assert_never(action)


def route_job(changed: JobChanged) -> Wake | Ignore:
    """A finished job that we submitted wakes the orchestration named in its tag; an invoked one is named after its."""
    waiting = names.waiting_for(changed.job) or changed.orchestration_id
    if waiting is None:
        return Ignore(f"job {changed.job} carries no orchestration_id tag: not ours")
    if not changed.status.finished:
        return Ignore(f"job {changed.job} is {changed.status}")
    return Wake(waiting, job_finished(changed.job), changed.status)


def job_finished(job: str) -> str:
    """The external event that says: this job has ended, with the status it carries."""
    return f"job-finished:{job}"
