"""The notebook beside a release set: asked for first, waited for so long and no longer, never in the way."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from busbar.domain.errors import ConfigurationError
from busbar.domain.events import JobStatus
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.domain.policies import Stage as Place
from busbar.domain.release_record import Origin, ReleaseStatus
from busbar.domain.release_record import Place as Stop
from busbar.domain.steps import EvidenceRequest, EvidenceResult, JobRef, JobState, JourneyEnd, Release, Visit
from busbar.domain.steps import Journey as Request
from orchestrators.evidence import gather_evidence
from orchestrators.release_journey import release_journey
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.journey import Journey, keys

FIRST = keys(1)[0]
REFUSED = "ConfigurationError: ml_components/evidence/evidence_notebook/component.yaml is missing"


def travel(
    play: Callable[..., Any], journey: Journey, *others: Callable[[Any], Any]
) -> tuple[JourneyEnd, World]:
    world = World([*journey.activities(), *others])
    release = Release("r-1", "abc", "data-scientist", journey.circuits, journey.policies)

    async def script(stage: Stage) -> Any:
        await stage.start(release_journey, Request(release, Origin.HAND), "release-r-1")
        return await stage.result(release_journey, "release-r-1")

    return play(world, script), world


def test_the_notebook_is_there_before_people_are_asked(play: Callable[..., Any]):
    end, world = travel(play, Journey((FIRST,)))
    order = [
        name for name, _ in world.calls if name in ("submit_evidence", "store_evidence", "ask_approvers")
    ]
    assert order == ["submit_evidence", "store_evidence", *["ask_approvers"] * 3]
    assert end.status is ReleaseStatus.RELEASED


@pytest.mark.parametrize("first", list(Stop))
def test_it_is_gathered_once_before_the_first_question_whatever_place_asks_it(
    play: Callable[..., Any], first: Stop
):
    """What test runs is in the registry and in test already: prod is the first to ask."""

    def lacks(request: Visit) -> bool:
        return list(Stop).index(request.place) >= list(Stop).index(first)

    _, world = travel(play, Journey((FIRST,)), lacks)
    order = [name for name, _ in world.calls if name in ("store_evidence", "ask_approvers")]
    asked = len(list(Stop)) - list(Stop).index(first)
    assert order == ["store_evidence", *["ask_approvers"] * asked]


def test_where_nobody_is_asked_none_is_gathered(play: Callable[..., Any]):
    def lacks(request: Visit) -> bool:
        return False

    assert travel(play, Journey((FIRST,)), lacks)[1].count()["submit_evidence"] == 0


def test_one_that_is_ready_is_not_gathered_again(play: Callable[..., Any]):
    def submit_evidence(request: EvidenceRequest) -> JobRef | None:
        return None

    _, world = travel(play, Journey((FIRST,)), submit_evidence)
    assert world.count()["store_evidence"] == 0


def test_a_notebook_that_takes_long_holds_the_question_up_no_longer_than_its_limit(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.modules["orchestrators.evidence"], "PATIENCE_SECONDS", 0.05)
    journey = Journey((FIRST,))

    def look_at_job(request: JobRef) -> JobState:
        return JobState(request.name, JobStatus.RUNNING)

    end, world = travel(play, journey, look_at_job)
    assert end.status is ReleaseStatus.RELEASED
    assert world.count()["store_evidence"] == 0


def test_without_a_notebook_the_release_goes_on_and_the_reason_is_kept(play: Callable[..., Any]):
    journey = Journey((FIRST,))

    def submit_evidence(request: EvidenceRequest) -> JobRef:
        raise ConfigurationError("ml_components/evidence/evidence_notebook/component.yaml is missing")

    end, _ = travel(play, journey, submit_evidence)
    assert end.status is ReleaseStatus.RELEASED
    assert journey.evidence_notes == [EvidenceNote("r-1", EvidenceStatus.MISSING, REFUSED)]


def test_a_failed_job_is_put_on_record(play: Callable[..., Any]):
    journey, kept = Journey((FIRST,)), list[EvidenceResult]()

    def look_at_job(request: JobRef) -> JobState:
        return JobState(request.name, JobStatus.FAILED, "out of memory")

    def store_evidence(request: EvidenceResult) -> None:
        kept.append(request)

    world = World([*journey.activities(), look_at_job, store_evidence])

    async def script(stage: Stage) -> Any:
        release = Release("r-1", "abc", "data-scientist", journey.circuits, journey.policies)
        await stage.start(gather_evidence, release, "evidence-r-1")
        return await stage.result(gather_evidence, "evidence-r-1")

    play(world, script)
    assert kept == [EvidenceResult("r-1", JobState("evidence-r-1", JobStatus.FAILED, "out of memory"))]
    assert world.asked("look_at_job")[0] == JobRef(Place.DEV, "evidence-r-1")
