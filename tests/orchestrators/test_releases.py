"""A release on its way: shares that show late or never, pins held back, deployments that fail."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from busbar.domain.approval import Outcome
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Backoff, GateName
from busbar.domain.policies import Stage as Place
from busbar.domain.steps import (
    CircuitDeployment,
    DeploymentPlan,
    DeploymentState,
    EnvironmentPromotion,
    EnvironmentRegistration,
    ModelPromotion,
    Promotion,
    Release,
    StageDeployment,
)
from orchestrators.deploy_release import deploy_release
from orchestrators.promote_models import promote_environment, promote_model, promote_models
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import RUN, pin
from tests.orchestrators.journey import Journey, keys

FIRST, SECOND, THIRD = keys(3)


def run(play: Callable[..., Any], world: World, orchestrator: Callable[..., Any], request: Any) -> Any:
    async def script(stage: Stage) -> Any:
        await stage.start(orchestrator, request, "instance")
        return await stage.result(orchestrator, "instance")

    return play(world, script)


def release(journey: Journey, *excluded: CircuitKey) -> Release:
    return Release("r-1", "abc", "data-scientist", journey.circuits, journey.policies, excluded)


# --- promotion --------------------------------------------------------------------------------------------


def promotion(journey: Journey) -> ModelPromotion:
    return ModelPromotion(FIRST, "PLANT1_CIRC1_model", "1", journey.policies.propagation)


def appears(after: int, *, only: CircuitKey | None = None) -> Callable[[ModelPromotion], bool]:
    """The registry shows a model at the look after so many; of `only` one circuit, never another's."""
    looks: dict[CircuitKey, int] = {}

    def look_in_registry(request: ModelPromotion) -> bool:
        looks[request.key] = looks.get(request.key, 0) + 1
        return looks[request.key] > after and only in (None, request.key)

    return look_in_registry


def test_a_model_that_shows_late_is_waited_for(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST,))
    world = World([*journey.activities(), appears(3)])

    run(play, world, promote_model, promotion(journey))

    count = world.count()
    assert (count["share_model"], count["look_in_registry"], count["record_promoted"]) == (1, 4, 1)


def test_a_model_that_never_shows_fails_past_the_limit(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST,))
    world = World([*journey.activities(), appears(10**6)])

    with pytest.raises(AssertionError, match=r"PLANT1/CIRC1: not in the registry 0.05 s after it was shared"):
        run(play, world, promote_model, promotion(journey))
    assert world.count()["record_promoted"] == 0


def test_one_model_that_never_shows_does_not_stop_the_others(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST, SECOND))
    world = World([*journey.activities(), appears(0, only=SECOND)])

    promoted = run(play, world, promote_models, release(journey))

    assert promoted.done
    assert promoted.release == release(journey, FIRST)
    told = "PLANT1/CIRC1: not in the registry 0.05 s after it was shared"
    assert promoted.sentence == f"1 of 2 models promoted (approved by somebody); {told}"


def test_if_no_model_shows_nothing_goes_on(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST,))
    world = World([*journey.activities(), appears(10**6)])

    assert run(play, world, promote_models, release(journey)).done is False


def test_the_components_go_before_the_models(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST,))
    world = World(journey.activities())

    run(play, world, promote_models, release(journey))

    order = [
        name for name, _ in world.calls if name in ("close_approval", "promote_components", "share_model")
    ]
    assert order == ["close_approval", "promote_components", "share_model"]


def test_an_environment_that_the_registry_has_is_not_asked_about(play: Callable[..., Any]) -> None:
    journey = Journey(())

    def environment_question(request: EnvironmentPromotion) -> None: ...

    world = World([*journey.activities(), environment_question])
    request = EnvironmentPromotion(RUN, EnvironmentRegistration("env", "1.0.0"), journey.policies)

    promotion = run(play, world, promote_environment, request)

    assert promotion == Promotion(True, "environment env:1.0.0 is in the registry")
    assert (world.count()["ask_approvers"], world.count()["share_environment"]) == (0, 1)


# --- deployment -------------------------------------------------------------------------------------------


def deploy(play: Callable[..., Any], journey: Journey, *others: Callable[[Any], Any]) -> Promotion:
    world = World([*journey.activities(), *others])
    return run(play, world, deploy_release, StageDeployment(Place.TEST, release(journey)))


def planned(request: StageDeployment) -> DeploymentPlan:
    return DeploymentPlan((pin(SECOND), pin(THIRD)), ((FIRST, "PLANT1/CIRC1 held back: max_mae failed"),))


planned.__name__ = "plan_deployment"


def test_what_is_held_back_is_told_and_left_out_from_then_on(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST, SECOND, THIRD))

    promotion = deploy(play, journey, planned)

    assert sorted(journey.deployed[Place.TEST]) == [SECOND, THIRD]
    assert promotion.done
    assert promotion.release == release(journey, FIRST)
    assert promotion.sentence == (
        "2 of 3 circuits deployed to test (approved by somebody); PLANT1/CIRC1 held back: max_mae failed"
    )


def failing(request: CircuitDeployment) -> DeploymentState:
    if request.pin.key == SECOND:
        return DeploymentState(ready=False, failed=True, error="no quota")
    return DeploymentState(ready=True)


def never_ready(request: CircuitDeployment) -> DeploymentState:
    return DeploymentState(ready=request.pin.key != SECOND)


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (failing, "PLANT1/CIRC2: deployment to test failed: no quota"),
        (never_ready, "PLANT1/CIRC2: deployment to test not ready after 0.03 s"),
    ],
)
def test_a_deployment_that_fails_holds_no_other_up(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, look: Callable[[Any], Any], told: str
) -> None:
    module = sys.modules["orchestrators.deploy_circuit"]
    monkeypatch.setattr(module, "POLLS", 3)
    monkeypatch.setattr(module, "POLL", Backoff(0.01, 0.01))
    journey = Journey((FIRST, SECOND, THIRD))
    look.__name__ = "look_at_deployment"

    promotion = deploy(play, journey, look)

    assert sorted(journey.deployed[Place.TEST]) == [FIRST, THIRD]
    assert promotion.release == release(journey, SECOND)
    assert promotion.done
    assert promotion.sentence == f"2 of 3 circuits deployed to test (approved by somebody); {told}"


def test_a_stage_that_takes_nothing_does_not_count_as_done(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST,))

    def plan_deployment(request: StageDeployment) -> DeploymentPlan:
        return DeploymentPlan((), ((FIRST, "held"),))

    promotion = deploy(play, journey, plan_deployment)

    assert (promotion.done, journey.deployed[Place.TEST]) == (False, [])


def test_an_approver_leaves_circuits_out_of_the_plan(play: Callable[..., Any]) -> None:
    journey = Journey((FIRST, SECOND))
    journey.decide(GateName.TEST_DEPLOYMENT, Outcome.APPROVED, FIRST)

    promotion = deploy(play, journey)

    assert journey.deployed[Place.TEST] == [SECOND]
    assert "1 of 1 circuit deployed to test" in promotion.sentence
