"""Retention on the real task hub, over the real activities: what is left of a fleet."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from activities import ACTIVITIES
from busbar.codec import from_wire
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage as Place
from busbar.domain.retention import Kind
from busbar.domain.steps import JobRef, JobState, PurgeBatch, RetentionReport, RetentionRun
from orchestrators.retention import retention
from tests.activities.bench import Bench
from tests.activities.test_retention import DRIFT, FIRST, LOOK, PURGE, SECOND, opened, parts, trained
from tests.orchestrators.conftest import Stage, World

Play = Callable[..., Any]


@pytest.fixture
def bench() -> Bench:
    return old_fleet()


def old_fleet(jobs: int = 60) -> Bench:
    """Two models whose release set is long over, and so many scoring jobs of test."""
    made = Bench()
    trained(made, FIRST, shared=True)
    trained(made, SECOND, shared=True)
    for number in range(jobs):
        made.job(f"score-test-2025-01-01-{number:06}-PLANT1-CIRC1", JobStatus.COMPLETED, Place.TEST)
    return made


def look_at_job(request: JobRef) -> JobState:
    """Jobs are done as soon as somebody looks."""
    return JobState(request.name, JobStatus.COMPLETED)


def world(bench: Bench, *others: Callable[[Any], Any]) -> World:
    for run in (LOOK, PURGE):
        report = b'{"rows": 7, "before": "2028-08-05"}'
        bench.ml.write_file(Place.DEV, f"jobs/{run.id}-forecasts/report.json", report)
    return World([*(bench.bound(activity) for activity in ACTIVITIES), look_at_job, *others])


def run(play: Play, world: World, *requests: RetentionRun) -> list[str]:
    async def script(stage: Stage) -> list[str]:
        said: list[str] = []
        for request in requests:
            await stage.start(retention, request, request.id)
            said.append(await stage.result(retention, request.id))
            assert len(stage.hub.history(request.id)) < 1000
        return said

    return play(world, script)


def report(bench: Bench, id: str) -> RetentionReport:
    return from_wire(RetentionReport, bench.reports.read("retention", id))


def test_a_look_reports_and_touches_nothing(play: Play, bench: Bench):
    played, before = world(bench), bench.snapshot()["ml"]
    said = run(play, played, LOOK)
    assert said == ["4 models, 62 jobs, 2 data assets to purge; 0 kept although old, 0 young enough"]
    assert bench.snapshot()["ml"] == before
    assert report(bench, LOOK.id).ended


def test_what_was_shown_is_purged(play: Play, bench: Bench):
    said = run(play, world(bench), LOOK, PURGE)
    assert said[1] == "4 models, 62 jobs, 2 data assets purged"
    assert len(bench.ml.archived) == 68
    assert [entry.kind for entry in bench.audit.entries()] == ["retention", "purge"]


def test_old_forecasts_are_deleted_by_a_job(play: Play, bench: Bench):
    run(play, world(bench), LOOK, PURGE)
    assert (Place.DEV, f"{PURGE.id}-forecasts") in bench.ml.jobs
    assert (Place.DEV, f"{LOOK.id}-forecasts") not in bench.ml.jobs
    told = f"7 rows of forecasts issued before 2028-08-05 deleted; {DRIFT} deleted"
    assert report(bench, PURGE.id).predictions == told


def test_a_fleet_without_the_component_keeps_its_forecasts_and_purges_the_rest(play: Play, bench: Bench):
    component = "ml_components/data/purge_predictions/component.yaml"
    commit = bench.commit({component: None}).commit
    said = run(play, world(bench), LOOK, replace(PURGE, commit=commit))
    assert said[1] == "4 models, 62 jobs, 2 data assets purged"
    told = report(bench, PURGE.id).predictions
    assert f"forecasts were not purged: ConfigurationError: {component} is missing" in told
    assert told.endswith(f"; {DRIFT} deleted")


def test_models_go_before_what_they_need(play: Play, bench: Bench):
    run(play, world(bench), LOOK, PURGE)
    kinds = [fate.item.kind for fate in report(bench, PURGE.id).fates]
    assert kinds == sorted(kinds, key=list(Kind).index)


def test_a_release_set_that_is_opened_in_the_middle_keeps_its_models(play: Play):
    """The second of four batches finds a release set that was not there when the purge began."""
    bench = old_fleet()
    real = bench.bound(next(one for one in ACTIVITIES if one.__name__ == "purge_batch"))

    def purge_batch(request: PurgeBatch) -> None:
        if request.number == 2:
            opened(bench)  # of FIRST, whose data asset has not gone yet
        real(request)

    run(play, world(bench, purge_batch), LOOK, PURGE)
    stayed = {fate.item for fate in report(bench, PURGE.id).fates if not fate.purged}
    assert stayed == {item for item in parts(FIRST) if item.kind is Kind.DATA_ASSET}


def test_more_than_a_chunk_goes_in_children(play: Play):
    bench = old_fleet(jobs=700)
    said = run(play, world(bench), replace(LOOK, apply=True, actor="timer"))
    assert said == ["4 models, 702 jobs, 2 data assets purged"]
