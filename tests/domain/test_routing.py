"""Which orchestration an event starts or wakes."""

from dataclasses import replace

import pytest

from busbar.domain.events import ZERO_COMMIT, JobChanged, JobStatus, RepositoryPushed, job_status
from busbar.domain.policies import BranchAction, Policies, Stage
from busbar.domain.routing import (
    Deploy,
    Ignore,
    Train,
    Wake,
    branch_action,
    job_finished,
    route_job,
    route_push,
    training_branch,
)

COMMIT = "c" * 40
PUSH = RepositoryPushed("plants/fleet", "develop", ZERO_COMMIT, COMMIT, "data-scientist")
POLICIES = Policies(
    branches={
        "develop": BranchAction.TRAIN,
        "release/*": BranchAction.DEPLOY_TEST,
        "main": BranchAction.DEPLOY_PROD,
    }
)


@pytest.mark.parametrize(
    ("branch", "expected"),
    [
        ("develop", Train(f"train-{COMMIT}")),
        ("release/1.0", Deploy(Stage.TEST)),
        ("release/2025/12", Deploy(Stage.TEST)),
        ("main", Deploy(Stage.PROD)),
        ("release", Ignore("branch release is not in the branch table")),
        ("Develop", Ignore("branch Develop is not in the branch table")),
        ("feature/develop", Ignore("branch feature/develop is not in the branch table")),
    ],
)
def test_pushes(branch: str, expected: Train | Deploy | Ignore):
    assert route_push(replace(PUSH, branch=branch), POLICIES) == expected


def test_a_deleted_branch_starts_nothing():
    assert route_push(replace(PUSH, after=ZERO_COMMIT), POLICIES) == Ignore("branch develop was deleted")


def test_the_first_pattern_that_fits_wins():
    policies = Policies(branches={"dev*": BranchAction.DEPLOY_TEST, "develop": BranchAction.TRAIN})
    assert branch_action(policies, "develop") is BranchAction.DEPLOY_TEST


@pytest.mark.parametrize("status", JobStatus)
def test_finished_jobs_of_ours_wake(status: JobStatus):
    routed = route_job(JobChanged("j-1", status, "train-c0ffee"))
    if status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED):
        assert routed == Wake("train-c0ffee", job_finished("j-1"), status)
    else:
        assert routed == Ignore(f"job j-1 is {status}")


def test_jobs_of_others_wake_nothing():
    routed = route_job(JobChanged("j-1", JobStatus.COMPLETED, None))
    assert routed == Ignore("job j-1 carries no orchestration_id tag: not ours")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Completed", JobStatus.COMPLETED),
        ("COMPLETED", JobStatus.COMPLETED),
        ("Failed", JobStatus.FAILED),
        ("Canceled", JobStatus.CANCELED),
        ("Cancelled", JobStatus.CANCELED),
        ("CancelRequested", JobStatus.RUNNING),
        ("NotStarted", JobStatus.QUEUED),
        ("not_started", JobStatus.QUEUED),
        ("Queued", JobStatus.QUEUED),
        ("Finalizing", JobStatus.RUNNING),
        ("Hibernating", JobStatus.RUNNING),
    ],
)
def test_statuses_fold(text: str, status: JobStatus):
    assert job_status(text) is status


@pytest.mark.parametrize(
    ("job", "woken"),
    [
        ("score-prod-2025-12-09-PLANT1-CIRC1", "score-prod-2025-12-09-PLANT1-CIRC1"),
        ("score-prod-2025-12-09-PLANT1-CIRC1--candidate", "score-prod-2025-12-09-PLANT1-CIRC1"),
        ("deploy-prod-r-0a-PLANT1-CIRC1--bake10-a1-champion", "deploy-prod-r-0a-PLANT1-CIRC1"),
    ],
)
def test_an_invoked_job_wakes_what_it_is_named_after(job: str, woken: str):
    """It carries none of our tags."""
    routed = route_job(JobChanged(job, JobStatus.COMPLETED, None))
    assert routed == Wake(woken, job_finished(job), JobStatus.COMPLETED)


@pytest.mark.parametrize(
    ("table", "existing", "branch"),
    [
        ({"develop": "train", "main": "prod"}, ["main", "develop"], "develop"),
        ({"develop": "train"}, ["main"], None),
        ({"main": "prod"}, ["main"], None),
        ({"train/*": "train"}, ["train/b", "train/a"], "train/a"),
        ({"next": "train", "develop": "train"}, ["develop", "next"], "next"),
    ],
)
def test_where_a_cutoff_date_is_committed(table: dict[str, str], existing: list[str], branch: str | None):
    branches = {pattern: BranchAction(action) for pattern, action in table.items()}
    assert training_branch(branches, existing) == branch
