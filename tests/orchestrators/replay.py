"""Every finished orchestration once more from its beginning: the same end must come out of its history."""

import json
from collections.abc import Sequence

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.client import TaskHub
from localazure.task_hub.model import Executor, Instance, Query, Status

REPLAYED = (Status.COMPLETED, Status.FAILED)
# What a turn's decision wrote into the history, as against what it was told.
DECIDED = {
    "taskScheduled",
    "timerCreated",
    "subOrchestrationInstanceCreated",
    "eventSent",
    "executionCompleted",
}


async def assert_histories_replay(hub: TaskHub, executor: Executor) -> None:
    for instance in hub.query(Query(statuses=REPLAYED)):
        past, new = _last_turn(hub.history(instance.id))
        response = await executor.orchestrate(instance.id, instance.name, past, new)
        assert _end(response) == _recorded(instance), f"{instance.id} replays otherwise"


def _last_turn(history: Sequence[pb.HistoryEvent]) -> tuple[list[pb.HistoryEvent], list[pb.HistoryEvent]]:
    """What the last turn was given: the history until then, and its new events."""
    begins = max(index for index, event in enumerate(history) if event.HasField("orchestratorStarted"))
    new = [event for event in history[begins:] if event.WhichOneof("eventType") not in DECIDED]
    return list(history[:begins]), new


def _end(response: pb.OrchestratorResponse) -> tuple[Status, object, str]:
    ends = [
        action.completeOrchestration
        for action in response.actions
        if action.HasField("completeOrchestration")
    ]
    assert len(ends) == 1, "the replay does not come to its end"
    return (
        Status(ends[0].orchestrationStatus),
        _value(ends[0].result.value),
        ends[0].failureDetails.errorMessage,
    )


def _recorded(instance: Instance) -> tuple[Status, object, str]:
    failure = instance.failure.errorMessage if instance.failure else ""
    return instance.status, _value(instance.output), failure


def _value(payload: str | None) -> object:
    return json.loads(payload) if payload else None
