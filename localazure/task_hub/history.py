"""History events of the task hub's own making; those of single actions come from the SDK's helpers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


@dataclass(frozen=True)
class Parent:
    """Who waits for a sub-orchestration: the execution of an instance, and its task."""

    id: str
    execution: str
    task: int


def execution_started(
    instance_id: str,
    execution: str,
    name: str,
    payload: str | None,
    version: str | None,
    parent: Parent | None,
) -> pb.HistoryEvent:
    event = events.new_execution_started_event(name, instance_id, payload, version=version)
    event.executionStarted.orchestrationInstance.executionId.value = execution
    if parent is not None:
        event.executionStarted.parentInstance.taskScheduledId = parent.task
        event.executionStarted.parentInstance.orchestrationInstance.instanceId = parent.id
        event.executionStarted.parentInstance.orchestrationInstance.executionId.value = parent.execution
    return event


def activity_outcome(task: int, result: str | None, failure: pb.TaskFailureDetails | None) -> pb.HistoryEvent:
    if failure is None:
        return events.new_task_completed_event(task, result)
    failed = pb.TaskFailedEvent(taskScheduledId=task, failureDetails=failure)
    return pb.HistoryEvent(eventId=-1, taskFailed=failed)


def child_outcome(task: int, output: str | None, failure: pb.TaskFailureDetails | None) -> pb.HistoryEvent:
    if failure is None:
        return events.new_sub_orchestration_completed_event(task, output)
    failed = pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=task, failureDetails=failure)
    return pb.HistoryEvent(eventId=-1, subOrchestrationInstanceFailed=failed)


def signal(entity: str, operation: str, payload: str | None, request_id: str) -> pb.HistoryEvent:
    event = pb.EntityOperationSignaledEvent(
        requestId=request_id,
        operation=operation,
        input=events.get_string_value(payload),
        targetInstanceId=events.get_string_value(entity),
    )
    return pb.HistoryEvent(eventId=-1, entityOperationSignaled=event)


def operation_outcome(request_id: str, outcome: pb.OperationResult) -> pb.HistoryEvent:
    """The answer to an entity's caller."""
    if outcome.HasField("failure"):
        failed = pb.EntityOperationFailedEvent(
            requestId=request_id, failureDetails=outcome.failure.failureDetails
        )
        return pb.HistoryEvent(eventId=-1, entityOperationFailed=failed)
    completed = pb.EntityOperationCompletedEvent(requestId=request_id, output=outcome.success.result)
    return pb.HistoryEvent(eventId=-1, entityOperationCompleted=completed)


def orchestrator_started(now: float) -> pb.HistoryEvent:
    """The beginning of a turn at `now`, in seconds since the epoch."""
    started = pb.OrchestratorStartedEvent()
    return pb.HistoryEvent(eventId=-1, timestamp=_timestamp(now), orchestratorStarted=started)


def stamp(history: Sequence[pb.HistoryEvent], now: float) -> None:
    """Give the events that have no time yet the time `now`, in seconds since the epoch."""
    time = _timestamp(now)
    for event in history:
        if not event.timestamp.seconds:
            event.timestamp.CopyFrom(time)


def _timestamp(now: float) -> Timestamp:
    """To the microsecond, as the SDK's clock has it."""
    seconds, microseconds = divmod(round(now * 1e6), 10**6)
    return Timestamp(seconds=seconds, nanos=1000 * microseconds)


def seconds(message: Message, field: str) -> float | None:
    """An optional time in seconds since the epoch."""
    return getattr(message, field).ToDatetime(tzinfo=UTC).timestamp() if message.HasField(field) else None
