"""The daily run: scoring, a look at every circuit, one decision; and the response to an incident."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from durabletask import task

from busbar import wire
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, AskedCircuit, Outcome
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.drift import DriftVerdict
from busbar.domain.drift_plan import Incident, IncidentStatus
from busbar.domain.errors import ConfigurationError, Rejected
from busbar.domain.events import DriftDetected, JobStatus
from busbar.domain.policies import GateName, MonitoringPolicy, Policies
from busbar.domain.policies import Stage as Place
from busbar.domain.steps import (
    DailyRun,
    DriftResponding,
    IncidentEnd,
    JobRef,
    JobState,
    MonitoringChunk,
    MonitoringPlan,
    MonitoringResult,
    MonitoringRun,
    Refreshed,
    RefreshRun,
)
from orchestrators.drift_response import drift_response
from orchestrators.monitoring import monitor_stage, score_days
from tests.fakes import NOON
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import QUICK
from tests.orchestrators.journey import keys

FIRST, SECOND, THIRD = keys(3)
DAYS = tuple(date(2025, 12, number) for number in (11, 10, 9))
RUN = MonitoringRun("monitor-prod-2025-12-09", Place.PROD, DAYS[-1])


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails fails at the first attempt."""
    policy = task.RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=1)
    monkeypatch.setattr(wire, "RETRY", policy)


# --- a look -------------------------------------------------------------------------------------------------


class Looker:
    """Three circuits in two chunks; `states` are how the chunks' jobs end, by their number."""

    def __init__(self, at_once: int = 5, **states: JobState) -> None:
        self.states, self.running, self.most_running = states, set[str](), 0
        self.policies = Policies(
            training=replace(QUICK, max_parallel=at_once), monitoring=MonitoringPolicy(circuits_per_job=2)
        )

    def world(self, *others: Callable[[Any], Any]) -> World:
        def plan_monitoring(request: MonitoringRun) -> MonitoringPlan:
            return MonitoringPlan("abc", self.policies, ((FIRST, SECOND), (THIRD,)))

        def submit_monitoring(request: MonitoringChunk) -> JobRef:
            self.running.add(request.job)
            self.most_running = max(self.most_running, len(self.running))
            return JobRef(Place.DEV, request.job)

        def look_at_job(request: JobRef) -> JobState:
            state = self.states.get(f"n{request.name[-1]}", JobState("", JobStatus.COMPLETED))
            return replace(state, name=request.name)

        def record_judged(request: MonitoringResult) -> None:
            self.running.discard(request.chunk.job)

        def plan_responses(request: DriftResponding) -> str:
            return "3 circuits judged"

        def tell_owners(request: DriftResponding) -> tuple[str, ...]:
            return ()

        def announce_drift(request: Place) -> tuple[str, ...]:
            return ()

        def list_deployed(request: Place) -> tuple[CircuitKey, ...]:
            return ()

        own = [plan_monitoring, submit_monitoring, look_at_job, record_judged]
        return World([*own, plan_responses, tell_owners, announce_drift, list_deployed, *others])


def look(play: Callable[..., Any], world: World, run: MonitoringRun = RUN) -> str:
    async def script(stage: Stage) -> str:
        await stage.start(monitor_stage, run, run.id)
        return await stage.result(monitor_stage, run.id)

    return play(world, script)


def test_every_chunk_is_looked_at_by_a_job_then_it_is_decided_once(play: Callable[..., Any]):
    world = Looker().world()
    assert look(play, world) == "3 circuits judged"
    assert sorted(one.job for one in world.asked("submit_monitoring")) == [f"{RUN.id}-1", f"{RUN.id}-2"]
    order = [name for name, _ in world.calls if name not in ("look_at_job", "submit_monitoring")]
    assert order[0] == "plan_monitoring"
    assert order[1:] == [*["record_judged"] * 2, "plan_responses", "announce_drift", "tell_owners"]
    (responding,) = world.asked("plan_responses")
    assert responding.plan.chunks == ((FIRST, SECOND), (THIRD,))


def test_who_was_not_reached_is_told(play: Callable[..., Any]):
    def tell_owners(request: DriftResponding) -> tuple[str, ...]:
        return ("a: refused", "b: refused")

    assert look(play, Looker().world(tell_owners)) == (
        "3 circuits judged; not reached: a: refused, b: refused"
    )


def test_so_many_jobs_at_once_and_no_more(play: Callable[..., Any]):
    looker = Looker(at_once=1)
    look(play, looker.world())
    assert looker.most_running == 1


def refused(request: MonitoringChunk) -> JobRef:
    if request.job.endswith("-1"):
        raise Rejected("the compute is gone")
    return JobRef(Place.DEV, request.job)


refused.__name__ = "submit_monitoring"


@pytest.mark.parametrize("others", [(), (refused,)], ids=["job fails", "job refused"])
def test_a_job_that_fails_is_told_for_its_circuits_alone(
    play: Callable[..., Any], others: tuple[Callable[[Any], Any], ...]
):
    world = Looker(n1=JobState("", JobStatus.FAILED, "no space left")).world(*others)
    assert look(play, world) == "3 circuits judged"
    states = {one.chunk.circuits: one.state.status for one in world.asked("record_judged")}
    assert states == {(FIRST, SECOND): JobStatus.FAILED, (THIRD,): JobStatus.COMPLETED}


def test_where_the_fleet_cannot_be_read_nothing_is_looked_at(play: Callable[..., Any]):
    def plan_monitoring(request: MonitoringRun) -> MonitoringPlan:
        return MonitoringPlan("abc", Policies(), problem="config/pipeline.yaml:3: wrong")

    world = Looker().world(plan_monitoring)
    assert look(play, world) == "config/pipeline.yaml:3: wrong"
    assert [name for name, _ in world.calls] == ["plan_monitoring"]


# --- the daily run ------------------------------------------------------------------------------------------


def daily(play: Callable[..., Any], world: World) -> str:
    async def script(stage: Stage) -> str:
        await stage.start(score_days, DailyRun(Place.PROD, DAYS, QUICK), "daily-prod-2025-12-11")
        said = await stage.result(score_days, "daily-prod-2025-12-11")
        for day in DAYS:
            assert stage.hub.get(f"score-prod-{day}") is not None
        return said

    return play(world, script)


def test_missed_days_are_scored_newest_first_and_looked_at_in_order(play: Callable[..., Any]):
    world = Looker().world()
    assert daily(play, world) == "3 circuits judged"
    assert world.count()["list_deployed"] == 3
    looks = [(one.day, one.respond) for one in world.asked("plan_monitoring")]
    assert looks == [(DAYS[2], False), (DAYS[1], False), (DAYS[0], True)]
    scored = [name for name, _ in world.calls].index("plan_monitoring")
    assert [name for name, _ in world.calls][:scored] == ["list_deployed"] * 3
    (responding,) = world.asked("plan_responses")
    assert responding.run.day == DAYS[0]


def test_a_day_that_cannot_be_scored_stops_nothing(play: Callable[..., Any]):
    def list_deployed(request: Place) -> tuple[CircuitKey, ...]:
        raise ConfigurationError("the records are gone")

    assert daily(play, Looker().world(list_deployed)) == "3 circuits judged"


def test_a_day_that_cannot_be_looked_at_stops_no_other(play: Callable[..., Any]):
    looker = Looker()

    def plan_monitoring(request: MonitoringRun) -> MonitoringPlan:
        if not request.respond:
            raise ConfigurationError("the records are gone")
        return MonitoringPlan("abc", looker.policies, ((FIRST,),))

    world = looker.world(plan_monitoring)
    assert daily(play, world) == "3 circuits judged"
    assert [one.run.day for one in world.asked("plan_responses")] == [DAYS[0]]


# --- the response -------------------------------------------------------------------------------------------

DRIFT = DriftDetected("drift-prod-2025-12-09-1", Place.PROD, "PLANT1/CIRC1: data drift")
LEAD = Person("ml-lead", "ml-lead@example.com", "o-lead", ("ml-leads",))
QUESTION = ApprovalRequest(
    "approve-drift-retrain-1", GateName.DRIFT_RETRAIN, "Train again", "because", "digest", "busbar", (LEAD,), 1,
    "2999-01-01T00:00:00+00:00", circuits=2,
    asked=tuple(AskedCircuit(key, "data drift", "/drift") for key in (FIRST, SECOND)),
)  # fmt: skip


def respond(
    play: Callable[..., Any], verdict: ApprovalVerdict, *others: Callable[[Any], Any]
) -> tuple[str, World]:
    def drift_question(request: DriftDetected) -> ApprovalRequest | None:
        return QUESTION

    def ask_approvers(request: ApprovalRequest) -> None: ...

    def count_votes(request: ApprovalRequest) -> ApprovalVerdict:
        return verdict

    def close_approval(request: ApprovalRequest) -> ApprovalVerdict:
        return verdict

    def refresh_cutoffs(request: RefreshRun) -> Refreshed:
        return Refreshed("Move the cutoff date", request.circuits, "c" * 40)

    def close_incident(request: IncidentEnd) -> Incident:
        status = IncidentStatus.FAILED if request.failed else IncidentStatus.COMMITTED
        return Incident(
            request.incident, Place.PROD, "2025-12-09", "run", DriftVerdict.DATA, (FIRST,), ("",), False, NOON,
            NOON, status, request.sentence,
        )  # fmt: skip

    own = [drift_question, ask_approvers, count_votes, close_approval, refresh_cutoffs, close_incident]
    world = World([*own, *others])

    async def script(stage: Stage) -> str:
        await stage.start(drift_response, DRIFT, f"respond-{DRIFT.incident}")
        return await stage.result(drift_response, f"respond-{DRIFT.incident}")

    return play(world, script), world


APPROVED = ApprovalVerdict(QUESTION.id, Outcome.APPROVED, "approved by ml-lead", (SECOND,))


def test_what_is_approved_is_committed_less_what_was_left_out(play: Callable[..., Any]):
    said, world = respond(play, APPROVED)
    assert said == "committed: approved by ml-lead; 1 cutoff date moved"
    (run,) = world.asked("refresh_cutoffs")
    assert run == RefreshRun(circuits=(FIRST,), cause="drift-prod-2025-12-09-1, approved by ml-lead")
    (end,) = world.asked("close_incident")
    assert (end.excluded, end.commit, end.failed) == ((SECOND,), "c" * 40, False)


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.EXPIRED, Outcome.CANCELLED])
def test_what_is_not_approved_changes_nothing(play: Callable[..., Any], outcome: Outcome):
    _, world = respond(play, ApprovalVerdict(QUESTION.id, outcome, "ml-lead rejected: a planned shutdown"))
    assert world.count()["refresh_cutoffs"] == 0
    (end,) = world.asked("close_incident")
    assert (end.sentence, end.expired, end.commit) == (
        "ml-lead rejected: a planned shutdown", outcome is Outcome.EXPIRED, None,
    )  # fmt: skip


def test_without_newer_readings_there_is_nothing_to_commit_and_that_is_told(play: Callable[..., Any]):
    def refresh_cutoffs(request: RefreshRun) -> Refreshed:
        return Refreshed("no circuit has readings new enough for another cutoff date")

    said, _ = respond(play, APPROVED, refresh_cutoffs)
    assert said == ("failed: approved by ml-lead; no circuit has readings new enough for another cutoff date")


def test_what_breaks_off_is_told(play: Callable[..., Any]):
    def drift_question(request: DriftDetected) -> ApprovalRequest | None:
        raise ConfigurationError("config/people.yaml: nobody may decide")

    said, _ = respond(play, APPROVED, drift_question)
    assert said == "failed: it broke off: ConfigurationError: config/people.yaml: nobody may decide"
