"""One stack with a light fleet of six circuits, released again and again; each step is taken once."""

import os
import subprocess
from collections.abc import Generator
from dataclasses import dataclass

import pytest

from busbar.api import Snapshot
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import RunRecord
from tests.journeys.stack import Stack, running
from tests.releases import light, steps
from tests.releases.steps import LATE, LEFT_OUT, ONLINE, SLOW, LightFleet

PROPAGATION = float(os.environ.get("PROPAGATION", "8"))  # seconds that the registry takes to show a model


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="session")
def fleet(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> LightFleet:
    return LightFleet.found(stack, tmp_path_factory.mktemp("clone"), steps.CIRCUITS, (ONLINE,))


@dataclass(frozen=True)
class Released:
    """A release that has ended: its run, and what stood on record then."""

    run: RunRecord
    snapshot: Snapshot


@pytest.fixture(scope="session")
def first(stack: Stack, fleet: LightFleet) -> Released:
    """All goes well, though the registry takes its time."""
    steps.fault(stack, "propagation", parameters={"seconds": PROPAGATION}, for_seconds=300)
    run = steps.release(stack, fleet.push(policies=steps.policies()))
    return Released(run, stack.snapshot())


@pytest.fixture(scope="session")
def second(stack: Stack, fleet: LightFleet, first: Released) -> Released:
    """New models for all: one circuit is left out, one deployment is late, one model fails late."""
    hanging = {"name": f"{SLOW.circuit_id.lower()}-v2*"}
    steps.fault(stack, "deployment-hangs", where=hanging, parameters={"seconds": 5}, times=2)
    commit = fleet.push(policies=steps.policies(), seeds={LATE: light.FAILS_LATE}, cutoff_date="2025-12-10")
    run = steps.release(stack, commit, registry=[LEFT_OUT])
    return Released(run, stack.snapshot())


@dataclass(frozen=True)
class RolledBack:
    """What the command said, and what stood on record after it."""

    command: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    snapshot: Snapshot


@pytest.fixture(scope="session")
def rolled_back(stack: Stack, second: Released) -> RolledBack:
    """An operator takes all of prod back, and tries it once more."""
    rollback = ["rollback", "--all", "--stage", "prod", "--yes", "--reason", "alarms in the control room"]
    return RolledBack(steps.operator(stack, *rollback), steps.operator(stack, *rollback), stack.snapshot())


@pytest.fixture(scope="session")
def moved(stack: Stack, fleet: LightFleet, unanswered: Released) -> Released:
    """A push of nothing but another environment: its approvers let test and prod have it."""
    chosen = steps.policies(approval=steps.UNANSWERED)
    chosen["environments/prod"]["ramp"]["steps"] = [50, 100]
    commit = fleet.push(policies=chosen, cutoff_date="2025-12-11", environment=steps.ENVIRONMENT)
    for _ in (Stage.TEST, Stage.PROD):
        steps.approve(stack, GateName.ENVIRONMENT_UPDATE, about=steps.ENVIRONMENT)
    return Released(steps.ended(stack, commit, 240), stack.snapshot())


@pytest.fixture(scope="session")
def unanswered(stack: Stack, fleet: LightFleet, rolled_back: RolledBack) -> Released:
    """A third release, and nobody votes on prod."""
    commit = fleet.push(policies=steps.policies(approval=steps.UNANSWERED), cutoff_date="2025-12-11")
    steps.trained(stack, commit)
    steps.approve(stack, GateName.REGISTRY_PROMOTION)
    steps.approve(stack, GateName.TEST_DEPLOYMENT)
    return Released(steps.ended(stack, commit, 120), stack.snapshot())


@pytest.fixture(scope="session")
def retrained(stack: Stack, moved: Released) -> steps.Retrained:
    """Prod is looked at, and one circuit has drifted."""
    return steps.retrain(stack)
