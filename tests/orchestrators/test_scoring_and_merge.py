"""Scoring a stage, and the merge of raw files."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from durabletask import task

from busbar import wire
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound, Rejected
from busbar.domain.events import JobStatus
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import Policies
from busbar.domain.policies import Stage as Place
from busbar.domain.records import Served
from busbar.domain.routing import job_finished
from busbar.domain.steps import (
    CircuitScoring,
    ComponentsRegistration,
    EnvironmentRegistration,
    FleetRead,
    JobRef,
    JobState,
    Merged,
    MergeResult,
    MergeRun,
    PartScoring,
    Refreshed,
    RefreshRun,
    ScoringOutcome,
    ScoringPart,
    ScoringResult,
    ScoringRun,
    TrainingRun,
)
from orchestrators.merge_readings import merge_readings
from orchestrators.scheduled_refresh import scheduled_refresh
from orchestrators.scoring import score_stage
from tests.fakes import NOON
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import QUICK
from tests.orchestrators.journey import keys

FIRST, SECOND, THIRD = keys(3)
DAY = date(2025, 12, 9)
ACTIVE = Served("circ1-v1", "m", "1", "2025-12-09", "c.yaml", "then")
RUN = "score-prod-2025-12-09"


class Scorer:
    """A stage that serves three circuits; `states` are how their jobs end, all completed if not said."""

    def __init__(self, **states: JobState) -> None:
        self.states = states
        self.running: set[str] = set()
        self.most_running = 0

    def world(self, *others: Callable[[Any], Any]) -> World:
        def list_deployed(request: Place) -> tuple[CircuitKey, ...]:
            return (FIRST, SECOND, THIRD)

        def share_scoring(request: CircuitScoring) -> tuple[ScoringPart, ...]:
            return (ScoringPart(request.orchestration_id, "be", ACTIVE),)

        def submit_scoring(request: PartScoring) -> JobRef:
            self.running.add(request.part.job)
            self.most_running = max(self.most_running, len(self.running))
            return JobRef(request.scoring.stage, request.part.job)

        def look_at_job(request: JobRef) -> JobState:
            state = self.states.get(request.name.rsplit("-", 1)[1], JobState("", JobStatus.COMPLETED))
            return replace(state, name=request.name)

        def record_scored(request: ScoringResult) -> ScoringOutcome:
            (scored,) = request.parts
            self.running.discard(scored.state.name)
            told = scored.state.error or f"job {scored.state.name} {scored.state.status}"
            return ScoringOutcome(request.scoring.key, scored.done, "24 rows" if scored.done else told)

        return World([list_deployed, share_scoring, submit_scoring, look_at_job, record_scored, *others])


def score(play: Callable[..., Any], world: World, at_once: int = 5) -> list[ScoringOutcome]:
    async def script(stage: Stage) -> list[ScoringOutcome]:
        await stage.start(score_stage, ScoringRun(Place.PROD, DAY, replace(QUICK, max_parallel=at_once)), RUN)
        return await stage.result(score_stage, RUN)

    return play(world, script)


def test_every_deployed_circuit_is_scored_by_a_job_called_like_its_orchestration(
    play: Callable[..., Any],
) -> None:
    world = Scorer().world()

    assert score(play, world) == [ScoringOutcome(key, True, "24 rows") for key in (FIRST, SECOND, THIRD)]
    names = [request.part.job for request in world.asked("submit_scoring")]
    assert sorted(names) == [f"{RUN}-PLANT1-CIRC{number}" for number in (1, 2, 3)]


def test_they_run_at_most_so_many_at_once(play: Callable[..., Any]) -> None:
    scorer = Scorer()

    score(play, scorer.world(), at_once=2)

    assert scorer.most_running == 2


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (JobState("", JobStatus.FAILED, "no readings"), "no readings"),
        (JobState("", JobStatus.CANCELED), f"job {RUN}-PLANT1-CIRC2 canceled"),
    ],
)
def test_one_that_fails_stops_no_other(play: Callable[..., Any], state: JobState, told: str) -> None:
    world = Scorer(CIRC2=state).world()

    outcomes = score(play, world)

    assert [(outcome.key, outcome.done) for outcome in outcomes] == [
        (FIRST, True),
        (SECOND, False),
        (THIRD, True),
    ]
    assert outcomes[1].sentence == told
    assert len(world.asked("record_scored")) == 3


def test_one_that_cannot_be_started_stops_no_other(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    once = task.RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=1)
    monkeypatch.setattr(wire, "RETRY", once)

    def share_scoring(request: CircuitScoring) -> tuple[ScoringPart, ...]:
        if request.key == SECOND:
            raise NotFound("PLANT1/CIRC2 has no deployment in prod")
        return (ScoringPart(request.orchestration_id, "be", ACTIVE),)

    outcomes = score(play, Scorer().world(share_scoring))

    assert outcomes[1] == ScoringOutcome(SECOND, False, "NotFound: PLANT1/CIRC2 has no deployment in prod")
    assert [outcome.done for outcome in outcomes] == [True, False, True]


# --- with a candidate beside what serves --------------------------------------------------------------------

CANDIDATE = Served("circ1-v2", "m", "2", "2025-12-09", "c.yaml", "then")


def shared(request: CircuitScoring) -> tuple[ScoringPart, ...]:
    run = request.orchestration_id
    candidate = ScoringPart(f"{run}--candidate", "be", CANDIDATE, 0, 25, instead=ACTIVE)
    return (ScoringPart(run, "be", ACTIVE, 25, 75), candidate)


shared.__name__ = "share_scoring"


def one_circuit(request: Place) -> tuple[CircuitKey, ...]:
    return (FIRST,)


one_circuit.__name__ = "list_deployed"


def recorded(play: Callable[..., Any], *others: Callable[[Any], Any]) -> list[tuple[str, str, JobStatus]]:
    """(job, deployment, end) of all that a run with a candidate came to."""

    def record_scored(request: ScoringResult) -> ScoringOutcome:
        return ScoringOutcome(request.scoring.key, True, "")

    world = Scorer().world(one_circuit, shared, record_scored, *others)
    score(play, world)
    (result,) = world.asked("record_scored")
    return [(one.part.job, one.part.served.deployment, one.state.status) for one in result.parts]


def test_candidate_and_active_score_their_own_parts(play: Callable[..., Any]) -> None:
    job = f"{RUN}-PLANT1-CIRC1"
    assert recorded(play) == [
        (job, "circ1-v1", JobStatus.COMPLETED),
        (f"{job}--candidate", "circ1-v2", JobStatus.COMPLETED),
    ]


def failing_candidate(request: JobRef) -> JobState:
    failed = request.name.endswith("--candidate")
    return JobState(request.name, JobStatus.FAILED if failed else JobStatus.COMPLETED)


def refused_candidate(request: PartScoring) -> JobRef:
    if request.part.instead:
        raise Rejected("there is no deployment circ1-v2")
    return JobRef(request.scoring.stage, request.part.job)


failing_candidate.__name__, refused_candidate.__name__ = "look_at_job", "submit_scoring"


@pytest.mark.parametrize("wrong", [failing_candidate, refused_candidate])
def test_where_a_candidate_fails_what_serves_scores_its_windows(
    play: Callable[..., Any], wrong: Callable[[Any], Any]
) -> None:
    job = f"{RUN}-PLANT1-CIRC1"
    assert recorded(play, wrong) == [
        (job, "circ1-v1", JobStatus.COMPLETED),
        (f"{job}--candidate", "circ1-v2", JobStatus.FAILED),
        (f"{job}--candidate-instead", "circ1-v1", JobStatus.COMPLETED),
    ]


def test_nothing_deployed_is_nothing_to_score(play: Callable[..., Any]) -> None:
    def list_deployed(request: Place) -> tuple[CircuitKey, ...]:
        return ()

    assert score(play, Scorer().world(list_deployed)) == []


# --- merge ------------------------------------------------------------------------------------------------


class Merger:
    """A merge that goes well, unless told otherwise."""

    def __init__(self) -> None:
        self.state = JobState("merge-1-a1", JobStatus.COMPLETED)

    def world(self, *others: Callable[[Any], Any]) -> World:
        def read_fleet(request: TrainingRun) -> FleetRead:
            return FleetRead(Policies(training=QUICK))

        def register_environment(request: TrainingRun) -> EnvironmentRegistration:
            return EnvironmentRegistration("env", "1.0.0")

        def register_merge(request: TrainingRun) -> ComponentsRegistration:
            return ComponentsRegistration()

        def submit_merge(request: MergeRun) -> JobRef | None:
            return JobRef(Place.DEV, self.state.name)

        def look_at_job(request: JobRef) -> JobState:
            return self.state

        def record_merge(request: MergeResult) -> MergeRecord:
            return MergeRecord(
                request.state.name, request.run.id, request.run.commit, NOON, request.state.error
            )

        def refresh_cutoffs(request: RefreshRun) -> Refreshed:
            return Refreshed("nothing due")

        own = [read_fleet, register_environment, register_merge, submit_merge, look_at_job, record_merge]
        return World([*own, refresh_cutoffs, *others])


def merge(play: Callable[..., Any], world: World) -> Merged:
    async def script(stage: Stage) -> Merged:
        await stage.start(merge_readings, MergeRun("merge-1", "abc"), "merge-1")
        return await stage.result(merge_readings, "merge-1")

    return play(world, script)


def wrong_fleet(request: TrainingRun) -> FleetRead:
    return FleetRead(Policies(), problems="config/sources.yaml:3: wrong")


def wrong_environment(request: TrainingRun) -> EnvironmentRegistration:
    return EnvironmentRegistration("", "", problem="environment: raise `version`")


def wrong_component(request: TrainingRun) -> ComponentsRegistration:
    return ComponentsRegistration(problem="etl_merge: raise `version`")


def no_files(request: MergeRun) -> JobRef | None: ...


ENDS = [
    ("read_fleet", wrong_fleet, "config/sources.yaml:3: wrong"),
    ("register_environment", wrong_environment, "environment: raise `version`"),
    ("register_merge", wrong_component, "etl_merge: raise `version`"),
    ("submit_merge", no_files, "no raw files to merge"),
]


@pytest.mark.parametrize(("name", "activity", "told"), ENDS, ids=[case[0] for case in ENDS])
def test_a_merge_that_cannot_start_says_why(
    play: Callable[..., Any], name: str, activity: Callable[[Any], Any], told: str
) -> None:
    activity.__name__ = name
    world = Merger().world(activity)

    assert merge(play, world) == Merged(name == "submit_merge", told)
    assert world.count()["look_at_job"] == 0


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (
            JobState("j", JobStatus.COMPLETED),
            Merged(True, "no raw file fits config/sources.yaml at abc; Delta version –; nothing due"),
        ),
        (JobState("j", JobStatus.FAILED, "no space left"), Merged(False, "failed: no space left")),
    ],
)
def test_a_merge_says_how_its_job_ended(play: Callable[..., Any], state: JobState, told: Merged) -> None:
    merger = Merger()
    merger.state = state
    world = merger.world()
    assert merge(play, world) == told
    assert world.asked("refresh_cutoffs") == ([RefreshRun()] if told.done else [])


def test_a_merge_is_woken_by_its_jobs_event(play: Callable[..., Any]) -> None:
    merger = Merger()
    merger.state = JobState("merge-1-a1", JobStatus.RUNNING)
    slow = Policies()  # polls every 30 s: only the event is in time

    def read_fleet(request: TrainingRun) -> FleetRead:
        return FleetRead(slow)

    world = merger.world(read_fleet)

    async def script(stage: Stage) -> Merged:
        await stage.start(merge_readings, MergeRun("merge-1", "abc"), "merge-1")
        while not world.count()["look_at_job"]:
            await asyncio.sleep(0.01)
        merger.state = JobState("merge-1-a1", JobStatus.COMPLETED)
        await stage.hub.raise_event("merge-1", job_finished("merge-1-a1"))
        return await stage.result(merge_readings, "merge-1")

    assert play(world, script).done


# --- schedules --------------------------------------------------------------------------------------------


def test_a_schedule_moves_cutoff_dates(play: Callable[..., Any]) -> None:
    def refresh_cutoffs(request: RefreshRun) -> Refreshed:
        return Refreshed("Move the cutoff date of PLANT1/CIRC1", (FIRST,), "c" * 40)

    world, run = World([refresh_cutoffs]), RefreshRun(Place.DEV, "2025-12-09T02:00:00+00:00")

    async def script(stage: Stage) -> str:
        await stage.start(scheduled_refresh, run, "refresh-dev-2025-12-09T0200")
        return await stage.result(scheduled_refresh, "refresh-dev-2025-12-09T0200")

    assert play(world, script) == "Move the cutoff date of PLANT1/CIRC1"
    assert world.asked("refresh_cutoffs") == [run]
