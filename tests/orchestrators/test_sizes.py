"""Histories of parents stay short for a fleet of 200 circuits: each is replayed at every turn of its orchestration.

The parents' children do nothing but come back one by one, each in a turn of its own: so a parent's history is as long
as it can be. It grows by as much with every circuit, so that two small fleets tell of a large one.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Policies
from busbar.domain.policies import Stage as Place
from busbar.domain.steps import (
    CircuitDeployment,
    CircuitOutcome,
    CircuitScoring,
    CircuitTraining,
    ModelPromotion,
    Release,
    Rollout,
    RolloutEnd,
    ScoringOutcome,
    ScoringRun,
    StageDeployment,
    Wave,
)
from busbar.domain.training import Verdict
from busbar.wire import Context, Steps, sleep
from localazure.task_hub.clock import ManualClock
from orchestrators import ORCHESTRATORS
from orchestrators.deploy_release import deploy_release, deploy_wave
from orchestrators.promote_models import promote_models
from orchestrators.scoring import score_stage
from orchestrators.training_pipeline import training_pipeline
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import QUICK, RUN, pin
from tests.orchestrators.journey import Journey, keys
from tests.orchestrators.outside import START

Play = Callable[..., Any]
Begin = Callable[[tuple[CircuitKey, ...]], tuple[Callable[..., Any], Any]]
LIMIT = 1000  # events
CIRCUITS = 200
LARGEST_WAVE = 100  # that a stage's file may ask for
SMALL, LARGE = 10, 30
FLEET = keys(LARGE)


def lag(key: CircuitKey) -> float:
    """Seconds that no other circuit of the fleet needs."""
    return 1 + FLEET.index(key) / 1000


def train_circuit(ctx: Context, request: CircuitTraining) -> Steps[CircuitOutcome]:
    yield from sleep(ctx, lag(request.key))
    return CircuitOutcome(request.key, Verdict.TRAINED, "", pin(request.key))


def promote_model(ctx: Context, request: ModelPromotion) -> Steps[None]:
    yield from sleep(ctx, lag(request.key))


def deploy_circuit(ctx: Context, request: CircuitDeployment) -> Steps[Rollout]:
    yield from sleep(ctx, lag(request.pin.key))
    return Rollout(request.pin.key, RolloutEnd.SERVES, "")


def score_circuit(ctx: Context, request: CircuitScoring) -> Steps[ScoringOutcome]:
    yield from sleep(ctx, lag(request.key))
    return ScoringOutcome(request.key, True, "")


def length(play: Play, circuits: tuple[CircuitKey, ...], begin: Begin) -> int:
    """How long a parent's history is once it has ended."""

    def list_deployed(request: Place) -> tuple[CircuitKey, ...]:
        return circuits

    children = [train_circuit, promote_model, deploy_circuit, score_circuit]
    fakes = [*Journey(circuits, max_parallel=25).activities(), list_deployed]
    world, clock = World(fakes, [*ORCHESTRATORS, *children]), ManualClock(START.timestamp())
    orchestrator, request = begin(circuits)

    async def script(stage: Stage) -> int:
        id = f"parent-of-{len(circuits)}"
        await stage.start(orchestrator, request, id)
        await clock.pass_time(3600, stage.hub.settled)
        await stage.result(orchestrator, id)
        return len(stage.hub.history(id))

    return play(world, script, clock)


def release(circuits: tuple[CircuitKey, ...]) -> Release:
    policies = Policies(training=replace(QUICK, max_parallel=25))
    return Release("r-1", "abc", "data-scientist", circuits, policies)


def wave(circuits: tuple[CircuitKey, ...]) -> Wave:
    return Wave(Place.PROD, "r-1", tuple(pin(key) for key in circuits), Policies(), 25)


PARENTS: dict[str, tuple[int, Begin]] = {
    "training_pipeline": (CIRCUITS, lambda circuits: (training_pipeline, RUN)),
    "promote_models": (CIRCUITS, lambda circuits: (promote_models, release(circuits))),
    "deploy_release": (
        CIRCUITS,
        lambda circuits: (deploy_release, StageDeployment(Place.PROD, release(circuits))),
    ),
    "deploy_wave": (LARGEST_WAVE, lambda circuits: (deploy_wave, wave(circuits))),
    "score_stage": (
        CIRCUITS,
        lambda circuits: (score_stage, ScoringRun(Place.PROD, date(2025, 12, 9), QUICK)),
    ),
}


@pytest.mark.parametrize("name", PARENTS)
def test_a_parent_of_two_hundred_circuits_has_a_short_history(play: Play, name: str) -> None:
    circuits, begin = PARENTS[name]
    small, large = length(play, FLEET[:SMALL], begin), length(play, FLEET, begin)
    each = (large - small) / (LARGE - SMALL)
    expected = large + each * (circuits - LARGE)
    print(f"{name}: {large} events of {LARGE} circuits, {expected:.0f} of {circuits}")
    assert 10 < small <= large
    assert expected < LIMIT
