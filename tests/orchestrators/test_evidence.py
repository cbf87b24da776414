"""The notebook beside the promotion: asked for first, waited for so long and no longer, never in the way."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from busbar.domain.errors import ConfigurationError
from busbar.domain.events import JobStatus
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.domain.policies import Stage as Place
from busbar.domain.steps import EvidenceRequest, EvidenceResult, JobRef, JobState, Release
from orchestrators.evidence import gather_evidence
from orchestrators.promote_models import promote_models
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.journey import Journey, keys

FIRST = keys(1)[0]
REFUSED = "ConfigurationError: ml_components/evidence/evidence_notebook/component.yaml is missing"


def promote(play: Callable[..., Any], journey: Journey, *others: Callable[[Any], Any]) -> tuple[Any, World]:
    world = World([*journey.activities(), *others])
    release = Release("r-1", "abc", "data-scientist", journey.circuits, journey.policies)

    async def script(stage: Stage) -> Any:
        await stage.start(promote_models, release, "promote")
        return await stage.result(promote_models, "promote")

    return play(world, script), world


def test_the_notebook_is_there_before_people_are_asked(play: Callable[..., Any]):
    promotion, world = promote(play, Journey((FIRST,)))
    order = [
        name for name, _ in world.calls if name in ("submit_evidence", "store_evidence", "ask_approvers")
    ]
    assert order == ["submit_evidence", "store_evidence", "ask_approvers"]
    assert promotion.done


def test_a_notebook_that_takes_long_holds_the_question_up_no_longer_than_its_limit(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.modules["orchestrators.promote_models"], "EVIDENCE_SECONDS", 0.05)
    journey = Journey((FIRST,))

    def look_at_job(request: JobRef) -> JobState:
        return JobState(request.name, JobStatus.RUNNING)

    promotion, world = promote(play, journey, look_at_job)
    assert promotion.done
    assert world.count()["store_evidence"] == 0


def test_without_a_notebook_the_release_goes_on_and_the_reason_is_kept(play: Callable[..., Any]):
    journey = Journey((FIRST,))

    def submit_evidence(request: EvidenceRequest) -> JobRef:
        raise ConfigurationError("ml_components/evidence/evidence_notebook/component.yaml is missing")

    promotion, _ = promote(play, journey, submit_evidence)
    assert promotion.done
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
