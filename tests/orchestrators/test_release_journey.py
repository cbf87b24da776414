"""A release set's journey on the real hub: what is asked, what is skipped, what is superseded, how it ends."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Outcome
from busbar.domain.errors import Rejected
from busbar.domain.policies import GateName
from busbar.domain.policies import Stage as DeploymentStage
from busbar.domain.records import RunStatus
from busbar.domain.release_record import Origin, Place, ReleaseStatus
from busbar.domain.steps import Journey as Request
from busbar.domain.steps import JourneyEnd, Release, ReleaseQuestion, Visit
from orchestrators.release_journey import release_journey
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import RUN
from tests.orchestrators.journey import LATER, Journey, keys

FIRST, SECOND = keys(2)
Play = Callable[..., Any]


def release(journey: Journey, id: str = "r-1") -> Release:
    return Release(id, "abc", "data-scientist", journey.circuits, journey.policies)


def travel(play: Play, journey: Journey, *others: Callable[[Any], Any], run: bool = False) -> JourneyEnd:
    world = World([*journey.activities(), *others])
    request = Request(
        release(journey), Origin.HAND, RUN if run else None, "2 circuits trained" if run else ""
    )

    async def script(stage: Stage) -> Any:
        await stage.start(release_journey, request, "release-r-1")
        return await stage.result(release_journey, "release-r-1")

    return play(world, script)


def test_a_release_by_hand_goes_to_the_registry_to_test_and_to_prod(play: Play) -> None:
    journey = Journey(keys(2))
    end = travel(play, journey)
    assert end.status is ReleaseStatus.RELEASED
    assert sorted(journey.in_registry) == [FIRST, SECOND]
    assert [sorted(journey.deployed[stage]) for stage in (DeploymentStage.TEST, DeploymentStage.PROD)] == [
        [FIRST, SECOND],
        [FIRST, SECOND],
    ]
    assert [visited.visit.place for visited in journey.visits] == list(Place)
    assert journey.release_ends == [end]
    assert journey.notes == []


@pytest.mark.parametrize(("run", "mailed"), [(False, ["r-1"]), (True, [])])
def test_whoever_composed_it_is_mailed_at_its_end_unless_a_run_tells(
    play: Play, run: bool, mailed: list[str]
) -> None:
    journey = Journey(keys(1))
    travel(play, journey, run=run)
    assert journey.mailed == mailed


def test_it_ends_though_no_mail_can_be_sent(play: Play) -> None:
    def notify_release_ended(request: Release) -> None:
        raise Rejected("no such address")

    assert travel(play, Journey(keys(1)), notify_release_ended).status is ReleaseStatus.RELEASED


def test_the_run_that_waits_hears_how_far_it_is(play: Play) -> None:
    journey = Journey(keys(1))
    travel(play, journey, run=True)
    assert [(note.status, note.sentence.count(";")) for note in journey.notes] == [
        (RunStatus.WAITING, 1),
        (RunStatus.WAITING, 2),
    ]
    assert journey.notes[0].sentence.startswith("2 circuits trained; 1 of 1 model promoted")


def test_a_place_that_has_all_is_asked_about_by_nobody(play: Play) -> None:
    journey = Journey(keys(2))
    questions: list[GateName] = []

    def lacks(request: Visit) -> bool:
        return request.place is Place.PROD

    def release_question(request: ReleaseQuestion) -> ApprovalRequest:
        questions.append(request.gate)
        return ApprovalRequest(
            f"q-{request.gate}", request.gate, "s", "t", "digest", "requester", (), 1, LATER
        )

    end = travel(play, journey, lacks, release_question)
    assert questions == [GateName.PROD_DEPLOYMENT]
    assert journey.in_registry == []
    assert end.status is ReleaseStatus.RELEASED
    assert end.sentence.startswith("registry has all 2 models already; test has all 2 models already; 2 of 2")


@pytest.mark.parametrize(
    ("gate", "outcome", "status", "places"),
    [
        (GateName.REGISTRY_PROMOTION, Outcome.REJECTED, ReleaseStatus.REJECTED, 1),
        (GateName.TEST_DEPLOYMENT, Outcome.EXPIRED, ReleaseStatus.REJECTED, 2),
        (GateName.PROD_DEPLOYMENT, Outcome.SUPERSEDED, ReleaseStatus.SUPERSEDED, 3),
    ],
)
def test_a_refusal_ends_it(
    play: Play, gate: GateName, outcome: Outcome, status: ReleaseStatus, places: int
) -> None:
    journey = Journey(keys(1))
    journey.decide(gate, outcome)
    end = travel(play, journey)
    assert end.status is status
    assert [visited.visit.place for visited in journey.visits] == list(Place)[:places]
    assert f"{outcome} by somebody" in end.sentence


def test_what_breaks_off_is_on_record_with_its_reason(play: Play) -> None:
    journey = Journey(keys(1))

    def promote_components(request: Any) -> None:
        raise Rejected("the registry is read-only")

    end = travel(play, journey, promote_components)
    assert end.status is ReleaseStatus.FAILED
    assert end.sentence == "it broke off: Rejected: the registry is read-only"
    assert journey.release_ends == [end]


def test_an_approver_leaves_one_out_and_it_goes_nowhere(play: Play) -> None:
    journey = Journey(keys(2))
    journey.decide(GateName.TEST_DEPLOYMENT, Outcome.APPROVED, FIRST)
    travel(play, journey)
    assert journey.deployed[DeploymentStage.TEST] == [SECOND]
    assert journey.deployed[DeploymentStage.PROD] == [SECOND]


# --- superseded -------------------------------------------------------------------------------------------


class Overtaken(Journey):
    """Two release sets of the same circuits: `newer`, once it begins, takes `taken` from the other, which waits at
    the gate to the registry until it is woken."""

    def __init__(self, taken: tuple[Any, ...]):
        super().__init__(keys(2))
        self.taken = taken
        self.begun = False
        self.questions: dict[str, ReleaseQuestion] = {}

    def activities(self) -> list[Callable[[Any], Any]]:
        def supersede_older(request: Release) -> tuple[str, ...]:
            if request.id != "r-2":
                return ()
            self.begun = True
            return tuple(id for id, question in self.questions.items() if question.release.id == "r-1")

        def less_superseded(request: Release) -> Release:
            return request.less(self.taken) if self.begun and request.id == "r-1" else request

        def release_question(request: ReleaseQuestion) -> ApprovalRequest:
            id = f"approve-{request.gate}-{request.release.id}-{len(request.release.kept)}"
            self.questions[id] = request
            return ApprovalRequest(id, request.gate, "s", "t", "digest", "requester", (), 1, LATER)

        def count_votes(request: ApprovalRequest) -> ApprovalVerdict:
            older = self.questions[request.id].release
            if older.id != "r-1" or set(self.taken) & set(older.excluded):
                return ApprovalVerdict(request.id, Outcome.APPROVED, "approved by somebody")
            outcome = Outcome.SUPERSEDED if self.begun else Outcome.PENDING
            return ApprovalVerdict(request.id, outcome, "superseded by r-2")

        def close_approval(request: ApprovalRequest) -> ApprovalVerdict:
            return count_votes(request)

        return [
            *super().activities(),
            supersede_older,
            less_superseded,
            release_question,
            count_votes,
            close_approval,
        ]


def both(play: Play, journey: Overtaken) -> tuple[JourneyEnd, JourneyEnd]:
    older = Request(release(journey), Origin.TRAINING)
    newer = replace(older, release=release(journey, "r-2"))

    async def script(stage: Stage) -> Any:
        await stage.start(release_journey, older, "release-r-1")
        async with asyncio.timeout(20):
            while not journey.questions:
                await asyncio.sleep(0.01)
        await stage.start(release_journey, newer, "release-r-2")
        ends = [await stage.result(release_journey, f"release-r-{number}") for number in (1, 2)]
        return tuple(ends)

    return play(World(journey.activities()), script)


def test_a_newer_release_ends_the_older_one_that_waits(play: Play) -> None:
    journey = Overtaken(keys(2))
    older, newer = both(play, journey)
    assert (older.status, newer.status) == (ReleaseStatus.SUPERSEDED, ReleaseStatus.RELEASED)
    assert older.sentence == "r-1 was not promoted: superseded by r-2"
    assert len([id for id in journey.questions if "r-1" in id]) == 1
    assert sorted(journey.deployed[DeploymentStage.PROD]) == list(keys(2))


def test_what_is_left_of_the_older_one_is_asked_anew(play: Play) -> None:
    journey = Overtaken((FIRST,))
    older, newer = both(play, journey)
    assert (older.status, newer.status) == (ReleaseStatus.RELEASED, ReleaseStatus.RELEASED)
    asked = [
        question.release.kept
        for question in journey.questions.values()
        if question.release.id == "r-1" and question.gate is GateName.REGISTRY_PROMOTION
    ]
    assert asked == [(FIRST, SECOND), (SECOND,)]
    assert sorted(journey.deployed[DeploymentStage.PROD]) == [FIRST, SECOND, SECOND]
