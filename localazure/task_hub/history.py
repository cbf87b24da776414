"""History events of the task hub's own making; those of single actions come from the SDK's helpers."""

from dataclasses import dataclass

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb


@dataclass(frozen=True)
class Parent:
    """Who waits for a sub-orchestration: the execution of an instance, and its task."""

    id: str
    execution: str
    task: int


def execution_started(
    instance_id: str, execution: str, name: str, payload: str | None, parent: Parent | None
) -> pb.HistoryEvent:
    event = events.new_execution_started_event(name, instance_id, payload)
    event.executionStarted.orchestrationInstance.executionId.value = execution
    if parent is not None:
        event.executionStarted.parentInstance.taskScheduledId = parent.task
        event.executionStarted.parentInstance.orchestrationInstance.instanceId = parent.id
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
