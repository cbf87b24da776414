"""Catching up: jobs for many circuits, and circuit by circuit what they leave; the daily run around it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from durabletask import task

from busbar import wire
from busbar.domain import names
from busbar.domain.catching_up import Batch, Division
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Policies
from busbar.domain.policies import Stage as Place
from busbar.domain.records import Served
from busbar.domain.steps import (
    CatchUp,
    CaughtUp,
    CircuitScoring,
    DailyRun,
    JobRef,
    JobState,
    MonitoringPlan,
    MonitoringRun,
    PartScoring,
    ScoredChunk,
    ScoringChunk,
    ScoringOutcome,
    ScoringPart,
    ScoringResult,
)
from localazure.task_hub.model import Query
from orchestrators.catching_up import catch_up
from orchestrators.monitoring import score_days
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import QUICK
from tests.orchestrators.journey import keys

FIRST, SECOND, THIRD, ALONE = keys(4)
TODAY, *MISSED = (date(2025, 12, number) for number in (11, 10, 9))
ID = names.catch_up(Place.PROD, TODAY)
SERVED = Served("circ1-v1", "m", "1", "2025-12-09", "c.yaml", "then")


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails fails at the first attempt."""
    policy = task.RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=1)
    monkeypatch.setattr(wire, "RETRY", policy)


class Fleet:
    """Three circuits in two batches and one by itself; `states` are how the batches' jobs end, by their number."""

    def __init__(self, **states: JobState) -> None:
        self.states = states

    def world(self, *others: Callable[[Any], Any]) -> World:
        def divide_circuits(request: CatchUp) -> Division:
            return Division((Batch("b", (FIRST, SECOND)), Batch("b", (THIRD,))), (ALONE,))

        def submit_catch_up(request: ScoringChunk) -> JobRef:
            return JobRef(Place.DEV, request.job)

        def look_at_job(request: JobRef) -> JobState:
            state = self.states.get(f"n{request.name[-1]}") if request.place is Place.DEV else None
            return replace(state or JobState("", JobStatus.COMPLETED), name=request.name)

        def record_caught_up(request: ScoredChunk) -> CaughtUp:
            if request.state.status is not JobStatus.COMPLETED:
                return CaughtUp(request.chunk.batch.circuits, problem=request.state.error)
            return CaughtUp(
                (), tuple(ScoringOutcome(key, True, "48 rows") for key in request.chunk.batch.circuits)
            )

        own = [divide_circuits, submit_catch_up, look_at_job, record_caught_up]
        return World([*own, *ENDPOINTS, plan_monitoring, *others])


def plan_monitoring(request: MonitoringRun) -> MonitoringPlan:
    return MonitoringPlan("abc", Policies(), problem="nothing is looked at")


# --- each circuit through its own endpoint ------------------------------------------------------------------


def list_deployed(request: Place) -> tuple[CircuitKey, ...]:
    return (FIRST, SECOND, THIRD, ALONE)


def share_scoring(request: CircuitScoring) -> tuple[ScoringPart, ...]:
    return (ScoringPart(request.orchestration_id, "be", SERVED),)


def submit_scoring(request: PartScoring) -> JobRef:
    return JobRef(request.scoring.stage, request.part.job)


def record_scored(request: ScoringResult) -> ScoringOutcome:
    return ScoringOutcome(request.scoring.key, True, "24 rows")


ENDPOINTS = (list_deployed, share_scoring, submit_scoring, record_scored)

# --- missed days --------------------------------------------------------------------------------------------


def run(play: Callable[..., Any], world: World) -> list[ScoringOutcome]:
    async def script(stage: Stage) -> list[ScoringOutcome]:
        await stage.start(catch_up, CatchUp(ID, Place.PROD, tuple(MISSED), QUICK, 2), ID)
        return await stage.result(catch_up, ID)

    return play(world, script)


def one_by_one(world: World) -> list[tuple[date, CircuitKey]]:
    """What went through the circuits' own endpoints, in the order of the days."""
    asked = [(one.scoring.day, one.scoring.key) for one in world.asked("submit_scoring")]
    return sorted(asked, key=lambda one: (-one[0].toordinal(), one[1]))


def test_a_job_scores_a_batch_for_all_days_and_the_rest_is_scored_by_itself(play: Callable[..., Any]):
    world = Fleet().world()
    outcomes = run(play, world)
    assert [(one.job, one.batch.circuits) for one in world.asked("submit_catch_up")] == [
        (f"{ID}-1", (FIRST, SECOND)),
        (f"{ID}-2", (THIRD,)),
    ]
    assert one_by_one(world) == [(day, ALONE) for day in MISSED]
    assert all(one.scoring.missed for one in world.asked("submit_scoring"))
    together = [ScoringOutcome(key, True, "48 rows") for key in (FIRST, SECOND, THIRD)]
    assert outcomes == [*together, *[ScoringOutcome(ALONE, True, "24 rows")] * len(MISSED)]


def refused(request: ScoringChunk) -> JobRef:
    if request.job.endswith("-1"):
        raise NotFound("component score_circuits:1.3.0 is not in dev")
    return JobRef(Place.DEV, request.job)


def not_recorded(request: ScoredChunk) -> CaughtUp:
    if request.chunk.job.endswith("-1"):
        raise NotFound("jobs/catch-up-prod-2025-12-11-1/summaries.json")
    return CaughtUp((), tuple(ScoringOutcome(key, True, "") for key in request.chunk.batch.circuits))


def half(request: ScoredChunk) -> CaughtUp:
    return CaughtUp(tuple(key for key in request.chunk.batch.circuits if key in (FIRST, SECOND)))


refused.__name__, not_recorded.__name__, half.__name__ = (
    "submit_catch_up",
    "record_caught_up",
    "record_caught_up",
)
FAILED = {"n1": JobState("", JobStatus.FAILED, "no space left")}


@pytest.mark.parametrize(
    ("states", "others"),
    [(FAILED, ()), ({}, (refused,)), ({}, (not_recorded,)), ({}, (half,))],
    ids=["job fails", "job refused", "no summaries", "left out"],
)
def test_what_a_job_leaves_goes_through_its_own_endpoint(
    play: Callable[..., Any], states: dict[str, JobState], others: tuple[Callable[[Any], Any], ...]
):
    world = Fleet(**states).world(*others)
    run(play, world)
    assert one_by_one(world) == [(day, key) for day in MISSED for key in (FIRST, SECOND, ALONE)]


def test_where_nothing_is_left_nothing_is_scored_by_itself(play: Callable[..., Any]):
    def divide_circuits(request: CatchUp) -> Division:
        return Division((Batch("b", (FIRST,)),))

    world = Fleet().world(divide_circuits)
    assert run(play, world) == [ScoringOutcome(FIRST, True, "48 rows")]
    assert world.asked("share_scoring") == []


# --- the daily run ------------------------------------------------------------------------------------------


def daily(play: Callable[..., Any], world: World, **run: Any) -> list[str]:
    """The children's ids; the run's own is like the first."""
    request = DailyRun(Place.PROD, (TODAY, *MISSED), QUICK, **run)
    id = names.scoring_days(Place.PROD, TODAY, request.suffix)

    async def script(stage: Stage) -> list[str]:
        await stage.start(score_days, request, id)
        assert await stage.result(score_days, id) == "nothing is looked at"
        return [one.id for one in stage.hub.query(Query()) if one.parent_id == id]

    return play(world, script)


def test_the_newest_day_goes_through_every_endpoint_and_the_missed_ones_are_caught_up(
    play: Callable[..., Any],
):
    world = Fleet().world()
    assert set(daily(play, world, circuits_per_job=2)) == {
        "score-prod-2025-12-11",
        "catch-up-prod-2025-12-11",
        *(f"monitor-prod-{day}" for day in (TODAY, *MISSED)),
    }
    expected = [(TODAY, key) for key in (FIRST, SECOND, THIRD, ALONE)] + [(day, ALONE) for day in MISSED]
    assert one_by_one(world) == expected
    order = [name for name, _ in world.calls]
    assert order.index("list_deployed") < order.index("divide_circuits") < order.index("plan_monitoring")


def test_a_run_by_hand_is_another_one(play: Callable[..., Any]):
    assert set(daily(play, Fleet().world(), circuits_per_job=2, suffix="101500")) == {
        "score-prod-2025-12-11-101500",
        "catch-up-prod-2025-12-11-101500",
        *(f"monitor-prod-{day}-101500" for day in (TODAY, *MISSED)),
    }


def test_a_run_from_before_such_jobs_goes_on_as_it_began(play: Callable[..., Any]):
    world = Fleet().world()
    children = daily(play, world)
    assert {one for one in children if one.startswith("score-")} == {
        f"score-prod-{day}" for day in (TODAY, *MISSED)
    }
    assert world.asked("divide_circuits") == []


def test_a_catch_up_that_fails_stops_no_look(play: Callable[..., Any]):
    def divide_circuits(request: CatchUp) -> Division:
        raise NotFound("the table is gone")

    daily(play, Fleet().world(divide_circuits), circuits_per_job=2)
