"""An environment-only release: tried, asked for a stage at a time, rolled out; and where it stops."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Outcome
from busbar.domain.circuits import CircuitKey
from busbar.domain.environments import (
    Change,
    Comparison,
    Compatibility,
    Deployed,
    EnvironmentStatus,
    judge,
    plan_update,
)
from busbar.domain.errors import Rejected
from busbar.domain.events import JobStatus
from busbar.domain.policies import EnvironmentPolicy, GateName
from busbar.domain.policies import Stage as Place
from busbar.domain.records import RunStatus
from busbar.domain.steps import (
    EnvironmentChange,
    EnvironmentEnd,
    EnvironmentNote,
    EnvironmentPlan,
    EnvironmentPromotion,
    EnvironmentRegistration,
    EnvironmentRun,
    EnvironmentUpdate,
    JobRef,
    PlanRequest,
    Release,
    StageQuestion,
    StageUpdate,
    TrainingPlan,
    TrainingRun,
    Trial,
    TrialBatch,
    TriedBatch,
)
from orchestrators.environment_release import environment_release
from orchestrators.training_pipeline import training_pipeline
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import RUN
from tests.orchestrators.journey import LATER, Journey, keys

FIRST, SECOND, THIRD = keys(3)
ASKED = EnvironmentRun("environment-1-2-0-abc", "abc", "data-scientist", "develop")


class Moving(Journey):
    """`circuits` run in 1.1.0 in test and prod; 1.2.0 keeps them the same, but for the `bad` ones."""

    def __init__(self, circuits: tuple[CircuitKey, ...], *bad: CircuitKey):
        super().__init__(circuits)
        self.bad = set(bad)
        self.answers: dict[Place, ApprovalVerdict] = {}
        self.version = "1.2.0"
        self.deployed_in = "1.1.0"
        self.shared: list[str] = []
        self.ends: list[EnvironmentNote] = []

    def answer(self, stage: Place, outcome: Outcome, *excluded: CircuitKey) -> None:
        self.answers[stage] = ApprovalVerdict("", outcome, f"{outcome} by somebody", excluded)

    def activities(self) -> list[Callable[[Any], Any]]:
        return [*super().activities(), *self._trial(), *self._move()]

    def _trial(self) -> list[Callable[[Any], Any]]:
        def register_environment(request: TrainingRun) -> EnvironmentRegistration:
            return EnvironmentRegistration("env", self.version, newly_registered=True)

        def plan_environment_update(request: EnvironmentUpdate) -> EnvironmentPlan:
            serving = [
                Deployed(key, stage, "1", self.deployed_in)
                for stage in (Place.TEST, Place.PROD)
                for key in self.circuits
            ]
            update = plan_update(request.version, serving)
            trials = tuple(Trial(key, "1", self.deployed_in) for key in self.circuits)
            return EnvironmentPlan(update, trials if update.possible else ())

        def submit_comparison(request: TrialBatch) -> JobRef:
            return JobRef(Place.DEV, f"trial-{request.number}")

        def read_comparison(request: TriedBatch) -> tuple[Compatibility, ...]:
            return tuple(self._verdict(one, request) for one in request.batch.trials)

        return [register_environment, plan_environment_update, submit_comparison, read_comparison]

    def _verdict(self, trial: Trial, tried: TriedBatch) -> Compatibility:
        done = tried.state.status is JobStatus.COMPLETED
        found = Comparison(
            trial.key, "1", trial.before, "1.2.0", "" if done else tried.state.error, 24, max_difference=0.0
        )
        return judge(replace(found, one_sided=int(trial.key in self.bad)), EnvironmentPolicy())

    def _move(self) -> list[Callable[[Any], Any]]:
        def compose_update(request: StageUpdate) -> Release | None:
            return Release(f"r-{request.stage}", "abc", "data-scientist", self.circuits, self.policies)

        def update_question(request: StageQuestion) -> ApprovalRequest | None:
            id, gate = f"move-{request.stage}", GateName.ENVIRONMENT_UPDATE
            return ApprovalRequest(id, gate, "s", request.said, "d", "requester", (), 1, LATER)

        def count_votes(request: ApprovalRequest) -> ApprovalVerdict:
            stage = Place(request.id.removeprefix("move-"))
            approved = ApprovalVerdict(request.id, Outcome.APPROVED, "approved by somebody")
            return replace(self.answers.get(stage, approved), request_id=request.id)

        def close_approval(request: ApprovalRequest) -> ApprovalVerdict:
            return count_votes(request)

        def share_environment(request: EnvironmentPromotion) -> None:
            self.shared.append(request.environment.version)

        def note_environment(request: EnvironmentNote) -> None:
            self.ends.append(request)

        return [
            compose_update,
            update_question,
            count_votes,
            close_approval,
            share_environment,
            note_environment,
        ]


def release(
    play: Callable[..., Any], journey: Moving, *others: Callable[[Any], Any], asked: EnvironmentRun = ASKED
) -> tuple[EnvironmentEnd, World]:
    world = World([*journey.activities(), *others])

    async def script(stage: Stage) -> EnvironmentEnd:
        await stage.start(environment_release, asked, asked.id)
        return await stage.result(environment_release, asked.id)

    return play(world, script), world


def test_what_stays_the_same_moves_stage_by_stage_once_approved(play: Callable[..., Any]):
    journey = Moving((FIRST, SECOND))
    end, world = release(play, journey)
    assert end.status is EnvironmentStatus.RELEASED
    assert end.sentence == (
        "2 of 2 models compatible; 2 of 2 circuits deployed to test (approved by somebody); "
        "2 of 2 circuits deployed to prod (approved by somebody)"
    )
    assert {stage: sorted(found) for stage, found in journey.deployed.items() if found} == {
        Place.TEST: [FIRST, SECOND],
        Place.PROD: [FIRST, SECOND],
    }
    assert [note.status for note in journey.ends] == [
        EnvironmentStatus.TRYING,
        EnvironmentStatus.WAITING,
        EnvironmentStatus.WAITING,
        EnvironmentStatus.RELEASED,
    ]
    assert len(journey.ends[-1].matrix) == 2
    assert world.count()["ask_approvers"] == 2
    assert [world.count()[step] for step in ("open_release", "note_visit", "end_release")] == [2, 2, 2]


def test_nothing_is_shared_before_somebody_approves_and_then_once(play: Callable[..., Any]):
    _, world = release(play, Moving((FIRST,)))
    order = [name for name, _ in world.calls]
    assert order.index("read_comparison") < order.index("close_approval") < order.index("share_environment")
    assert (
        order.index("share_environment") < order.index("promote_components") < order.index("plan_deployment")
    )
    assert world.count()["share_environment"] == 1


def test_an_incompatible_circuit_stops_the_release(play: Callable[..., Any]):
    journey = Moving((FIRST, SECOND), SECOND)
    end, world = release(play, journey)
    assert end.status is EnvironmentStatus.REJECTED
    assert end.sentence.endswith(
        "test stays as it is: PLANT1/CIRC2 would not stay the same, and nobody left them out (approve all but these)"
    )
    assert "PLANT1/CIRC2 v1 in 1.2.0: 1 value came in one of the two environments only" in end.sentence
    assert (journey.shared, world.count()["plan_deployment"]) == ([], 0)


def test_unless_approvers_leave_it_out(play: Callable[..., Any]):
    journey = Moving((FIRST, SECOND), SECOND)
    for stage in (Place.TEST, Place.PROD):
        journey.answer(stage, Outcome.APPROVED, SECOND)
    end, _ = release(play, journey)
    assert end.status is EnvironmentStatus.RELEASED
    assert journey.deployed[Place.TEST] == journey.deployed[Place.PROD] == [FIRST]


def test_a_release_set_that_breaks_off_does_not_stay_open(play: Callable[..., Any]):
    def share_environment(request: Any) -> None:
        raise Rejected("no registry")

    end, world = release(play, Moving((FIRST,)), share_environment)
    assert (end.status, end.sentence) == (EnvironmentStatus.FAILED, "it broke off: Rejected: no registry")
    assert [world.count()[step] for step in ("open_release", "end_release")] == [1, 1]


def test_a_rejection_leaves_the_stage_and_those_after_it(play: Callable[..., Any]):
    journey = Moving((FIRST,))
    journey.answer(Place.PROD, Outcome.REJECTED)
    end, _ = release(play, journey)
    assert end.status is EnvironmentStatus.REJECTED
    assert end.sentence.endswith("prod stays as it is: rejected by somebody")
    assert (journey.deployed[Place.TEST], journey.deployed[Place.PROD]) == ([FIRST], [])


def test_where_no_model_stays_the_same_nobody_is_asked(play: Callable[..., Any]):
    end, world = release(play, Moving((FIRST, SECOND), FIRST, SECOND))
    assert end.status is EnvironmentStatus.FAILED
    assert end.sentence.startswith("0 of 2 models compatible; ")
    assert world.count()["ask_approvers"] == 0


def test_a_trial_that_cannot_be_submitted_breaks_it_off(play: Callable[..., Any]):
    def submit_comparison(request: TrialBatch) -> JobRef:
        raise Rejected("environment env:1.1.0 is gone")

    end, world = release(play, Moving((FIRST,)), submit_comparison)
    assert (end.status, end.sentence) == (
        EnvironmentStatus.FAILED,
        "it broke off: Rejected: environment env:1.1.0 is gone",
    )
    assert world.count()["ask_approvers"] == 0


REFUSALS = [
    ("1.1.0", "1.1.0", "everything that is deployed runs in environment 1.1.0 already"),
    ("1.0.0", "1.1.0", "PLANT1/CIRC1 (prod) and 1 other run in 1.1.0 already: 1.0.0 would be a downgrade"),
    ("2.0.0", "1.1.0", "environment 2.0.0 breaks with 1.1.0"),
]


@pytest.mark.parametrize(("version", "deployed_in", "told"), REFUSALS)
def test_what_may_not_be_released_is_refused_in_words(
    play: Callable[..., Any], version: str, deployed_in: str, told: str
):
    journey = Moving((FIRST,))
    journey.version, journey.deployed_in = version, deployed_in
    end, world = release(play, journey)
    assert (end.status, end.sentence.startswith(told)) == (EnvironmentStatus.REFUSED, True), end.sentence
    assert world.count()["submit_comparison"] == 0


def test_another_version_than_the_commits_is_refused(play: Callable[..., Any]):
    end, _ = release(play, Moving((FIRST,)), asked=replace(ASKED, version="1.3.0"))
    assert end == EnvironmentEnd(EnvironmentStatus.REFUSED, "commit abc has environment 1.2.0, not 1.3.0")


def test_a_large_fleet_is_tried_in_jobs_of_twenty_five(play: Callable[..., Any]):
    fleet = tuple(CircuitKey(f"PLANT{index // 10}", f"CIRC{index % 10}") for index in range(60))
    end, world = release(play, Moving(fleet, *fleet[1:]))
    assert [len(one.trials) for one in world.asked("submit_comparison")] == [25, 25, 10]
    assert end.sentence.startswith("1 of 60 models compatible; ")


def push(play: Callable[..., Any], journey: Moving, *others: Callable[[Any], Any]) -> World:
    world = World([*journey.activities(), *others])

    async def script(stage: Stage) -> Any:
        await stage.start(training_pipeline, RUN, RUN.id)
        return await stage.result(training_pipeline, RUN.id)

    play(world, script)
    return world


def decide_training(request: PlanRequest) -> TrainingPlan:
    return TrainingPlan((), "0 of 1 circuit to train")


def test_a_push_that_only_moves_the_environment_releases_it(play: Callable[..., Any]):
    journey = Moving((FIRST,))
    journey.moved = EnvironmentChange(Change.NON_BREAKING, "environment 1.1.0 → 1.2.0")
    world = push(play, journey, decide_training)
    assert [note.status for note in journey.notes[-2:]] == [RunStatus.WAITING, RunStatus.COMPLETED]
    assert journey.notes[-2].sentence.endswith("then people are asked: /environments/1.2.0")
    assert journey.notes[-1].sentence.startswith(
        "0 of 1 circuit to train; environment 1.1.0 → 1.2.0; 1 of 1 model compatible; "
    )
    assert (world.count()["submit_training"], world.count()["environment_question"]) == (0, 0)


def test_a_push_that_trains_nothing_and_moves_nothing_releases_no_environment(play: Callable[..., Any]):
    world = push(play, Moving((FIRST,)), decide_training)
    assert world.count()["plan_environment_update"] == 0
