"""Pause, resume, cancel and retry of a run on the real task hub: nothing starts, nothing is lost, nothing is twice."""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from activities.recovery import close_questions, drop_candidates, settle_cancelled, stop_jobs
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Outcome
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest, Conflict, NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage as Place
from busbar.domain.records import CircuitRecord, RunRecord, RunStatus
from busbar.domain.recovery import Control, InstanceStatus
from busbar.domain.steps import JobState, RunNote, Settlement, TrainingRequest
from busbar.domain.training import Verdict
from busbar.durable import Orchestrations
from busbar.web import controls, sweeping
from busbar.web.reply import Reply
from localazure.task_hub.model import Query
from orchestrators.recovery import clean_up
from orchestrators.training_pipeline import training_pipeline
from tests.activities.bench import Bench
from tests.fakes import NOON
from tests.hub_client import HubClient
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import RUN
from tests.orchestrators.journey import ENVIRONMENT, Journey, keys

Play = Callable[..., Any]
REASON = {"reason": "the sensor is broken", "requester": "operator-1"}
MOMENT = 0.3


class Slow(Journey):
    """Jobs stay in the queue until `released`; what happens is on the bench's records as in the real activities."""

    def __init__(self, circuits: tuple[CircuitKey, ...]):
        super().__init__(circuits)
        self.bench, self.released = Bench(), False

    def look(self, job: str) -> JobState:
        return JobState(job, JobStatus.COMPLETED if self.released else JobStatus.QUEUED)

    def activities(self) -> list[Callable[[Any], Any]]:
        known = {activity.__name__: activity for activity in super().activities()}

        def note_run(request: RunNote) -> None:
            known["note_run"](request)
            run = request.run
            self.bench.records.save_run(
                RunRecord(
                    run.id, run.commit, run.branch, run.requester, request.status, request.sentence, NOON
                )
            )

        def submit_training(request: TrainingRequest) -> Any:
            job = known["submit_training"](request)
            key = request.training.key
            self.bench.records.save_circuit(
                CircuitRecord(
                    key, "h", Verdict.TRAINING, "new circuit", RUN.id, "abc", "2025-12-09", NOON, job.name
                )
            )
            self.bench.job(job.name)
            return job

        def settle_circuit(request: Settlement) -> Any:
            self.bench.records.update_circuit(request.training.key, verdict=request.verdict)
            return known["settle_circuit"](request)

        recovering = [settle_cancelled, stop_jobs, drop_candidates, close_questions]
        bound = [self.bench.bound(activity) for activity in recovering]
        return [*known.values(), note_run, submit_training, settle_circuit, *bound]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["orchestrators.recovery"], "LATE_SECONDS", 0.05)
    monkeypatch.setattr(sweeping, "LOOK_SECONDS", 0.01)


class Operator:
    """Somebody at the command line while a run goes on."""

    def __init__(self, journey: Slow, world: World, stage: Stage):
        self.journey, self.world, self.stage = journey, world, stage
        self.orchestrations = Orchestrations(HubClient(stage.hub))  # type: ignore[arg-type] - the same words

    async def __call__(self, action: str, id: str = RUN.id, **fields: str) -> Reply:
        bench = self.journey.bench
        return await asyncio.to_thread(
            lambda: controls.control(
                id,
                action,
                json.dumps(fields or REASON).encode(),
                self.orchestrations,
                records=bench.records,  # type: ignore[arg-type] - a fake
                audit=bench.audit,
            )
        )

    async def started(self) -> None:
        await self.stage.start(training_pipeline, RUN, RUN.id)
        async with asyncio.timeout(20):
            while len(self.journey.bench.records.circuits()) < len(self.journey.circuits):
                await asyncio.sleep(0.01)

    def standing(self, id: str) -> InstanceStatus | None:
        found = self.stage.hub.get(id)
        return found and InstanceStatus(found.status.name.lower())

    def cleaners(self) -> list[str]:
        return [one.id for one in self.stage.hub.query(Query()) if one.name == clean_up.__name__]

    def circuit(self, number: int = 1) -> str:
        return f"{RUN.id}-PLANT1-CIRC{number}"


def act(play: Play, journey: Slow, script: Callable[[Operator], Any], *others: Callable[[Any], Any]) -> World:
    world = World([*journey.activities(), *others])

    async def scene(stage: Stage) -> None:
        await script(Operator(journey, world, stage))

    play(world, scene)
    return world


def run_record(journey: Slow) -> RunRecord:
    found = journey.bench.records.run(RUN.id)
    assert found
    return found


# --- pause and resume -------------------------------------------------------------------------------------


def test_a_paused_run_starts_nothing_and_goes_on_when_resumed(play: Play) -> None:
    journey = Slow(keys(2))

    async def script(operator: Operator) -> None:
        await operator.started()
        reply = await operator("pause")
        assert json.loads(reply.body)["sentence"] == f"{RUN.id} is paused by operator-1: the sensor is broken"
        assert run_record(journey).paused == "paused by operator-1: the sensor is broken"
        assert operator.standing(RUN.id) is operator.standing(operator.circuit()) is InstanceStatus.SUSPENDED
        await operator.stage.hub.settled()  # what was under way
        before = len(operator.world.calls)
        journey.released = True
        await asyncio.sleep(MOMENT)
        assert len(operator.world.calls) == before
        await operator("resume")
        assert run_record(journey).paused == ""
        assert "2 of 2 circuits deployed to prod" in await operator.stage.result(training_pipeline, RUN.id)

    world = act(play, journey, script)

    assert world.count()["submit_training"] == 2
    assert [entry.kind for entry in journey.bench.audit.entries()] == ["run-pause", "run-resume"]


# --- cancel -----------------------------------------------------------------------------------------------


def test_a_cancelled_run_ends_with_all_that_is_below_it(play: Play) -> None:
    journey = Slow(keys(3))

    async def script(operator: Operator) -> None:
        await operator.started()
        await operator("cancel")
        for id in (RUN.id, f"{RUN.id}-batch-0", *(operator.circuit(number) for number in (1, 2, 3))):
            assert operator.standing(id) is InstanceStatus.TERMINATED
        [cleaner] = operator.cleaners()
        sentence = await operator.stage.result(clean_up, cleaner)
        assert sentence == "cancelled by operator-1: the sensor is broken"

    act(play, journey, script)

    bench = journey.bench
    assert run_record(journey).status is RunStatus.CANCELLED
    assert run_record(journey).sentence.startswith(
        "cancelled by operator-1: the sensor is broken; before that: "
    )
    assert {record.verdict for record in bench.records.circuits()} == {Verdict.CANCELLED}
    jobs = {job.state.status for job in bench.ml.jobs.values()}
    assert jobs == {JobStatus.CANCELED}
    [entry] = bench.audit.entries()
    assert (entry.kind, entry.subject, entry.actor) == ("run-cancelled", RUN.id, "operator-1")


def test_an_open_question_of_a_cancelled_run_is_closed_and_asked_anew_by_the_next(play: Play) -> None:
    journey = Slow(keys(1))

    def count_votes(request: ApprovalRequest) -> ApprovalVerdict:
        journey.bench.approvals.create(request, {})
        return ApprovalVerdict(request.id, Outcome.PENDING, "0 of 1 votes")

    async def script(operator: Operator) -> None:
        await operator.started()
        async with asyncio.timeout(20):
            while journey.bench.approvals.dossier(ENVIRONMENT) is None:
                await asyncio.sleep(0.01)
        await operator("cancel")
        [cleaner] = operator.cleaners()
        await operator.stage.result(clean_up, cleaner)

    act(play, journey, script, count_votes)

    dossier = journey.bench.approvals.dossier(ENVIRONMENT)
    assert dossier
    assert dossier.voided == "cancelled by operator-1: the sensor is broken"
    assert dossier.verdict
    assert dossier.verdict.outcome is Outcome.CANCELLED


# --- retry ------------------------------------------------------------------------------------------------


def test_a_cancelled_run_is_retried_from_where_it_stopped(play: Play) -> None:
    journey = Slow(keys(2))

    async def script(operator: Operator) -> None:
        await operator.started()
        await operator("cancel")
        journey.released = True
        await operator("retry")
        assert "2 of 2 circuits deployed to prod" in await operator.stage.result(training_pipeline, RUN.id)

    world = act(play, journey, script)

    attempts = [request.attempt for request in world.asked("read_fleet")]
    assert attempts == [1, 2]
    assert run_record(journey).status is RunStatus.COMPLETED
    assert sorted(journey.deployed[Place.PROD]) == list(keys(2))
    assert {entry.kind for entry in journey.bench.audit.entries()} == {"run-cancelled", "run-retry"}


# --- refused ----------------------------------------------------------------------------------------------


def test_what_makes_no_sense_is_refused_with_the_id(play: Play) -> None:
    journey = Slow(keys(1))

    async def script(operator: Operator) -> None:
        with pytest.raises(NotFound, match="there is no run train-unknown"):
            await operator("pause", "train-unknown")
        await operator.started()
        with pytest.raises(Conflict, match=f"{RUN.id} is not paused, it is running"):
            await operator("resume")
        with pytest.raises(Conflict, match=f"{RUN.id} is running: it can be retried once it has ended"):
            await operator("retry")
        with pytest.raises(BadRequest, match="reason: is missing"):
            await operator("cancel", requester="x")
        with pytest.raises(NotFound, match="'stop' is none of these"):
            await operator("stop")
        journey.released = True
        await operator.stage.result(training_pipeline, RUN.id)
        for action in (Control.PAUSE, Control.CANCEL):
            with pytest.raises(Conflict, match=f"{RUN.id} has ended already: it completed"):
                await operator(action)
        with pytest.raises(Conflict, match=f"{RUN.id} has completed: there is nothing to take up again"):
            await operator("retry")

    act(play, journey, script)

    assert journey.bench.audit.entries() == []


def test_a_second_cancel_is_refused_and_a_broken_off_one_is_finished(play: Play) -> None:
    journey = Slow(keys(1))

    async def script(operator: Operator) -> None:
        await operator.started()
        await operator.stage.hub.terminate(RUN.id, recursive=False)  # whoever cancelled it died after this
        await operator("cancel")
        with pytest.raises(Conflict, match=f"{RUN.id} was cancelled already"):
            await operator("cancel")
        [cleaner] = operator.cleaners()
        await operator.stage.result(clean_up, cleaner)

    act(play, journey, script)

    assert run_record(journey).status is RunStatus.CANCELLED
    assert len(journey.bench.audit.entries()) == 1
