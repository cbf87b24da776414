"""A whole run: from a commit to models in the registry, in test and in prod."""

from collections.abc import Callable
from typing import Any

import pytest

from busbar.domain.approval import Outcome
from busbar.domain.errors import Rejected
from busbar.domain.policies import GateName, Policies
from busbar.domain.policies import Stage as Place
from busbar.domain.records import RunStatus
from busbar.domain.steps import (
    CircuitOutcome,
    DataPinned,
    EnvironmentRegistration,
    FleetRead,
    Settlement,
    TrainingPlan,
)
from busbar.domain.training import Verdict
from orchestrators.training_pipeline import training_pipeline
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import RUN, training
from tests.orchestrators.journey import ENVIRONMENT, Journey, keys

Play = Callable[..., Any]
TRAINS = ("submit_training", "register_model", "compose_release", "share_model")


def train(play: Play, journey: Journey, *others: Callable[[Any], Any]) -> tuple[str, World]:
    world = World([*journey.activities(), *others])

    async def script(stage: Stage) -> str:
        await stage.start(training_pipeline, RUN, RUN.id)
        return await stage.result(training_pipeline, RUN.id)

    return play(world, script), world


def did(world: World, *names: str) -> list[int]:
    count = world.count()
    return [count[name] for name in names]


def ended(journey: Journey) -> tuple[RunStatus, list[str]]:
    """How the board shows the run, and the commit's statuses in their order."""
    return journey.notes[-1].status, [note.state for note in journey.commit_notes]


def test_a_commit_goes_all_the_way(play: Play) -> None:
    journey = Journey(keys(2))

    sentence, world = train(play, journey)

    assert ended(journey) == (RunStatus.COMPLETED, ["pending", "success"])
    assert sentence == journey.notes[-1].sentence
    assert journey.told == [RunStatus.COMPLETED]
    assert "2 of 2 circuits deployed to prod" in sentence
    assert sorted(journey.in_registry) == list(keys(2))
    assert [sorted(found) for found in journey.deployed.values()] == [list(keys(2))] * 3
    assert [request.stage for request in world.asked("offer_release")] == [Place.TEST, Place.PROD]
    assert journey.release
    assert {note.release_id for note in journey.notes} == {None, journey.release.id}


# --- refused ----------------------------------------------------------------------------------------------


def test_wrong_configuration_fails_the_commit_and_starts_nothing(play: Play) -> None:
    journey = Journey(keys(1))

    def read_fleet(request: Any) -> FleetRead:
        return FleetRead(Policies(), problems="config/circuits.yaml:3: wrong")

    sentence, world = train(play, journey, read_fleet)

    assert sentence == "config/circuits.yaml:3: wrong"
    assert ended(journey) == (RunStatus.FAILED, ["failure"])
    assert set(world.count()) == {"read_fleet", "note_run", "note_commit", "notify_run_ended"}


def test_an_environment_changed_under_its_version_fails_the_commit(play: Play) -> None:
    journey = Journey(keys(1))

    def register_environment(request: Any) -> EnvironmentRegistration:
        return EnvironmentRegistration("", "", problem="raise `version`")

    sentence, world = train(play, journey, register_environment)

    assert (sentence, *ended(journey)) == ("raise `version`", RunStatus.FAILED, ["failure"])
    assert did(world, "register_components", "ask_approvers", *TRAINS) == [0] * 6


def test_nothing_to_train_completes(play: Play) -> None:
    journey = Journey(keys(2))

    def decide_training(request: Any) -> TrainingPlan:
        return TrainingPlan((), "0 of 2 circuits to train")

    sentence, world = train(play, journey, decide_training)

    assert (sentence, *ended(journey)) == (
        "0 of 2 circuits to train",
        RunStatus.COMPLETED,
        ["pending", "success"],
    )
    assert did(world, *TRAINS) == [0] * 4


def test_a_plan_that_dev_has_no_room_for_trains_nothing(play: Play) -> None:
    journey = Journey(keys(2))

    def decide_training(request: Any) -> TrainingPlan:
        return TrainingPlan((), "2 of 2 circuits to train", "the region may have 500 deployments")

    sentence, world = train(play, journey, decide_training)

    assert (sentence, *ended(journey)) == (
        "the region may have 500 deployments",
        RunStatus.FAILED,
        ["failure"],
    )
    assert did(world, "ask_approvers", *TRAINS) == [0] * 5


@pytest.mark.parametrize(
    "step", ["register_environment", "pin_data", "compose_release", "promote_components"]
)
def test_a_step_that_fails_for_good_ends_the_run_with_its_reason(play: Play, step: str) -> None:
    journey = Journey(keys(1))

    def failing(request: Any) -> Any:
        raise Rejected("the workspace is read-only")

    failing.__name__ = step
    sentence, _ = train(play, journey, failing)

    status, states = ended(journey)
    assert (status, states[-1]) == (RunStatus.FAILED, "failure")
    assert "Rejected: the workspace is read-only" in sentence


def test_a_commit_that_takes_no_status_still_has_its_end_on_the_board(play: Play) -> None:
    journey = Journey(keys(1))

    def note_commit(request: Any) -> None:
        raise Rejected("no such commit")

    def read_fleet(request: Any) -> FleetRead:
        return FleetRead(Policies(), problems="wrong")

    train(play, journey, read_fleet, note_commit)
    assert (journey.notes[-1].status, journey.notes[-1].sentence) == (RunStatus.FAILED, "wrong")


def test_a_commit_that_takes_no_status_trains_all_the_same(play: Play) -> None:
    journey = Journey(keys(1))

    def note_commit(request: Any) -> None:
        raise Rejected("no such commit")

    train(play, journey, note_commit)
    assert journey.notes[-1].status is RunStatus.COMPLETED


# --- some circuits ----------------------------------------------------------------------------------------


def test_one_circuit_is_quarantined_and_the_rest_is_released(play: Play) -> None:
    journey = Journey(keys(3))
    journey.broken = {keys(3)[1]}

    sentence, _ = train(play, journey)

    assert sentence.startswith("3 circuits: 2 trained, 1 quarantined")
    assert journey.release
    assert [item.key for item in journey.release.pins] == [keys(3)[0], keys(3)[2]]
    assert ended(journey) == (RunStatus.COMPLETED, ["pending", "success"])


def test_if_none_comes_through_the_commit_fails(play: Play) -> None:
    journey = Journey(keys(2))
    journey.broken = set(keys(2))

    sentence, world = train(play, journey)

    assert (sentence, *ended(journey)) == (
        "2 circuits: 2 quarantined",
        RunStatus.FAILED,
        ["pending", "failure"],
    )
    assert did(world, "compose_release") == [0]


def test_a_circuit_without_data_is_told_and_the_others_train(play: Play) -> None:
    journey = Journey(keys(2))

    def pin_data(request: Any) -> DataPinned:
        return DataPinned((training(keys(2)[0]).data,), ((keys(2)[1], "no rows"),))

    sentence, world = train(play, journey, pin_data)

    assert sentence.startswith("2 circuits: 1 trained, 1 quarantined")
    assert did(world, "submit_training") == [1]


def test_a_circuit_that_a_newer_run_took_over_is_not_released(play: Play) -> None:
    journey = Journey(keys(2))
    lost = keys(2)[0]

    def settle_circuit(request: Settlement) -> CircuitOutcome:
        verdict = Verdict.SUPERSEDED if request.training.key == lost else request.verdict
        return CircuitOutcome(request.training.key, verdict, request.reason)

    sentence, _ = train(play, journey, settle_circuit)

    assert sentence.startswith("2 circuits: 1 trained, 1 superseded")
    assert journey.release
    assert [item.key for item in journey.release.pins] == [keys(2)[1]]
    assert lost not in journey.deployed[Place.DEV]


def test_at_most_five_train_at_once(play: Play) -> None:
    journey = Journey(keys(12))
    journey.decide(ENVIRONMENT, Outcome.REJECTED)

    train(play, journey)

    assert journey.most_in_training == 5
    assert len(journey.deployed[Place.DEV]) == 12


def test_a_large_fleet_is_trained_in_chunks_of_25(play: Play) -> None:
    journey = Journey(keys(27), max_parallel=27)
    journey.decide(ENVIRONMENT, Outcome.REJECTED)

    _, world = train(play, journey)

    steps = [name for name, _ in world.calls if name in ("submit_training", "settle_circuit")]
    assert steps[:25] == ["submit_training"] * 25
    assert sorted(steps[25:50]) == ["settle_circuit"] * 25
    assert sorted(steps[50:]) == ["settle_circuit"] * 2 + ["submit_training"] * 2


# --- approvals --------------------------------------------------------------------------------------------


def test_without_its_environment_in_the_registry_no_model_is_promoted(play: Play) -> None:
    journey = Journey(keys(1))
    journey.decide(ENVIRONMENT, Outcome.REJECTED)

    sentence, world = train(play, journey)

    assert sentence == "environment env:1.0.0 was not promoted: rejected by somebody"
    assert journey.deployed[Place.DEV] == list(keys(1))
    assert did(world, "share_environment", "release_question", "share_model") == [0, 0, 0]
    assert ended(journey)[0] is RunStatus.FAILED


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.EXPIRED])
@pytest.mark.parametrize(
    ("gate", "reached"),
    [
        (GateName.REGISTRY_PROMOTION, []),
        (GateName.TEST_DEPLOYMENT, ["registry"]),
        (GateName.PROD_DEPLOYMENT, ["registry", "test"]),
    ],
)
def test_who_says_no_stops_it_there(play: Play, gate: GateName, outcome: Outcome, reached: list[str]) -> None:
    journey = Journey(keys(1))
    journey.decide(ENVIRONMENT, Outcome.APPROVED)
    journey.decide(gate, outcome)

    sentence, _ = train(play, journey)

    arrived = {
        "registry": journey.in_registry,
        "test": journey.deployed[Place.TEST],
        "prod": journey.deployed[Place.PROD],
    }
    assert [place for place, found in arrived.items() if found] == reached
    assert ended(journey)[0] is RunStatus.REJECTED
    assert f"{outcome} by somebody" in sentence


def test_what_an_approver_leaves_out_stays_out_of_everything_after(play: Play) -> None:
    journey = Journey(keys(3))
    first, second, third = keys(3)
    journey.decide(ENVIRONMENT, Outcome.APPROVED)
    journey.decide(GateName.REGISTRY_PROMOTION, Outcome.APPROVED, second)
    journey.decide(GateName.PROD_DEPLOYMENT, Outcome.APPROVED, third)

    sentence, _ = train(play, journey)

    assert sorted(journey.in_registry) == [first, third]
    assert sorted(journey.deployed[Place.TEST]) == [first, third]
    assert journey.deployed[Place.PROD] == [first]
    assert "1 of 1 circuit deployed to prod" in sentence
