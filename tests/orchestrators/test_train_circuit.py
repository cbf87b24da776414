"""One circuit: events first, a poll behind, retries under new attempts, deadlines, verdicts."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import Rejected
from busbar.domain.events import JobStatus
from busbar.domain.policies import Backoff
from busbar.domain.routing import job_finished
from busbar.domain.steps import CircuitOutcome, CircuitTraining, JobState
from busbar.domain.training import Verdict
from orchestrators.train_circuit import train_circuit
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.fleet import QUICK, AzureML, training

KEY = CircuitKey("PLANT1", "CIRC1")
FAILED = JobState("x", JobStatus.FAILED, "out of memory")


def train(
    play: Callable[..., Any], azure: AzureML, task: CircuitTraining | None = None
) -> tuple[CircuitOutcome, World]:
    world = World(azure.activities())

    async def script(stage: Stage) -> CircuitOutcome:
        await stage.start(train_circuit, task or training(KEY), "run-PLANT1-CIRC1")
        return await stage.result(train_circuit, "run-PLANT1-CIRC1")

    return play(world, script), world


def test_a_trained_circuit_is_registered_and_deployed_to_dev(play: Callable[..., Any]) -> None:
    outcome, world = train(play, AzureML())

    assert (outcome.verdict, outcome.pin and outcome.pin.model_version) == (Verdict.TRAINED, "1")
    assert world.count()["activate_deployment"] == 1


def test_the_event_wakes_it_before_the_poll(play: Callable[..., Any]) -> None:
    azure = AzureML()
    patient = training(KEY, replace(QUICK, poll=Backoff(60, 60)))

    async def script(stage: Stage) -> CircuitOutcome:
        await stage.start(train_circuit, patient, "c")
        while not azure.looks["train-CIRC1-a1"]:
            await asyncio.sleep(0.01)
        await stage.hub.raise_event("c", job_finished("train-CIRC1-a1"))
        return await stage.result(train_circuit, "c")

    assert play(World(azure.activities()), script).verdict is Verdict.TRAINED


@pytest.mark.parametrize(("status", "looks"), [("completed", 0), ("failed", 1)])
def test_an_event_that_says_completed_is_believed(play: Callable[..., Any], status: str, looks: int) -> None:
    """Of a job that failed one wants to know why."""
    azure = AzureML()
    azure.script["train-CIRC1-a1"] = [FAILED]
    patient = training(KEY, replace(QUICK, poll=Backoff(600, 600), max_attempts=1))

    async def script(stage: Stage) -> CircuitOutcome:
        await stage.start(train_circuit, patient, "c")
        await stage.hub.raise_event("c", job_finished("train-CIRC1-a1"), f'"{status}"')
        return await stage.result(train_circuit, "c")

    outcome = play(World(azure.activities()), script)
    assert azure.looks["train-CIRC1-a1"] == looks
    assert outcome.verdict is (Verdict.QUARANTINED if looks else Verdict.TRAINED)


def test_a_failed_job_is_tried_again_under_the_next_attempt(play: Callable[..., Any]) -> None:
    azure = AzureML()
    azure.script["train-CIRC1-a1"] = [FAILED]

    outcome, world = train(play, azure)

    assert outcome.verdict is Verdict.TRAINED
    assert [request.attempt for request in world.asked("submit_training")] == [1, 2]


def test_after_three_attempts_it_is_quarantined_with_the_reason(play: Callable[..., Any]) -> None:
    azure = AzureML()
    azure.script = {f"train-CIRC1-a{attempt}": [FAILED] for attempt in (1, 2, 3)}

    outcome, world = train(play, azure)

    assert (outcome.verdict, outcome.sentence) == (Verdict.QUARANTINED, "out of memory")
    assert world.count()["submit_training"] == 3
    assert world.count()["register_model"] == 0


def test_a_job_past_its_deadline_is_cancelled(play: Callable[..., Any]) -> None:
    azure = AzureML()
    started = (datetime.now(UTC) - timedelta(hours=4)).isoformat()
    azure.script = {
        f"train-CIRC1-a{n}": [JobState("job", JobStatus.RUNNING, started_at=started)] for n in (1, 2, 3)
    }

    outcome, _ = train(play, azure)

    assert outcome.verdict is Verdict.QUARANTINED
    assert "running for more than 3 h" in outcome.sentence
    assert azure.cancelled == ["train-CIRC1-a1", "train-CIRC1-a2", "train-CIRC1-a3"]


def test_a_long_job_is_told_to_its_owner_once(play: Callable[..., Any]) -> None:
    azure = AzureML()
    running = JobState("job", JobStatus.QUEUED)
    azure.script["train-CIRC1-a1"] = [running, running, running, JobState("job", JobStatus.COMPLETED)]

    train(play, azure, training(KEY, replace(QUICK, long_running_hours=0.1 / 3600)))

    assert azure.told == ["train-CIRC1-a1"]


def test_an_activity_that_keeps_failing_quarantines_the_circuit(
    play: Callable[..., Any], monkeypatch: Any
) -> None:
    from datetime import timedelta as delta

    from durabletask import task

    from busbar import wire

    once = task.RetryPolicy(first_retry_interval=delta(0), max_number_of_attempts=1)
    monkeypatch.setattr(wire, "RETRY", once)
    azure = AzureML()
    activities = [activity for activity in azure.activities() if activity.__name__ != "register_model"]

    def register_model(request: Any) -> Any:
        raise PermissionError("AuthorizationFailed")

    async def script(stage: Stage) -> CircuitOutcome:
        await stage.start(train_circuit, training(KEY), "c")
        return await stage.result(train_circuit, "c")

    outcome = play(World([*activities, register_model]), script)

    assert (outcome.verdict, outcome.sentence) == (
        Verdict.QUARANTINED,
        "PermissionError: AuthorizationFailed",
    )


def test_a_permanent_error_is_not_tried_again(play: Callable[..., Any]) -> None:
    activities = [activity for activity in AzureML().activities() if activity.__name__ != "submit_training"]

    def submit_training(request: Any) -> Any:
        raise Rejected("dev has no compute 'gpu'")

    world = World([*activities, submit_training])

    async def script(stage: Stage) -> CircuitOutcome:
        await stage.start(train_circuit, training(KEY), "c")
        return await stage.result(train_circuit, "c")

    assert play(world, script).sentence == "Rejected: dev has no compute 'gpu'"
    assert world.count()["submit_training"] == 1
