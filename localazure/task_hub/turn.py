"""What a turn of an orchestrator decided, as history and work to do. Pure: no clock, no store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf.message import Message as ProtobufMessage

from localazure.task_hub.history import seconds, stamp
from localazure.task_hub.model import Status, capped, entity_id, failure_details


@dataclass(frozen=True)
class ScheduledActivity:
    task: int
    name: str
    payload: str | None


@dataclass(frozen=True)
class ScheduledTimer:
    due: float
    event: pb.HistoryEvent


@dataclass(frozen=True)
class Child:
    task: int
    id: str
    name: str
    payload: str | None
    version: str | None = None


@dataclass(frozen=True)
class Message:
    target: str
    event: pb.HistoryEvent


@dataclass(frozen=True)
class EntityMessage:
    """A signal, a call, a lock request or a release, for the entity `target`."""

    target: str
    event: pb.HistoryEvent
    due: float | None = None


@dataclass(frozen=True)
class Completion:
    """How the execution ended. For `CONTINUED_AS_NEW`, `output` and `version` are for the next execution."""

    status: Status
    output: str | None
    failure: pb.TaskFailureDetails | None = None
    carried_over: tuple[pb.HistoryEvent, ...] = ()
    version: str | None = None


@dataclass
class Decision:
    """Everything one turn leads to; `history` is what to append, to `rewound` if the past was rewritten."""

    history: list[pb.HistoryEvent]
    custom_status: str | None = None
    activities: list[ScheduledActivity] = field(default_factory=list[ScheduledActivity])
    timers: list[ScheduledTimer] = field(default_factory=list[ScheduledTimer])
    children: list[Child] = field(default_factory=list[Child])
    messages: list[Message] = field(default_factory=list[Message])
    entity_messages: list[EntityMessage] = field(default_factory=list[EntityMessage])
    completion: Completion | None = None
    rewound: list[pb.HistoryEvent] | None = None


def decide(response: pb.OrchestratorResponse, new: Sequence[pb.HistoryEvent], now: float) -> Decision:
    """Turn an orchestrator's actions into history and work; an action that is unknown fails it."""
    decision = Decision(list(new), _text(response, "customStatus"))
    for action in response.actions:
        if decision.completion is None:
            _apply(action, decision)
    stamp(decision.history, now)
    return decision


def failed(error_type: str, message: str, new: Sequence[pb.HistoryEvent], now: float) -> Decision:
    """The decision of a turn that could not be run."""
    action = events.new_complete_orchestration_action(
        -1, pb.ORCHESTRATION_STATUS_FAILED, None, failure_details(error_type, message)
    )
    return decide(pb.OrchestratorResponse(actions=[action]), new, now)


def _apply(action: pb.OrchestratorAction, decision: Decision) -> None:
    match action.WhichOneof("orchestratorActionType"):
        case "scheduleTask":
            _schedule_activity(action, decision)
        case "createTimer":
            _create_timer(action, decision)
        case "createSubOrchestration":
            _create_child(action, decision)
        case "sendEvent":
            _send_event(action, decision)
        case "sendEntityMessage":
            _message_entity(action, decision)
        case "completeOrchestration":
            _complete(action.completeOrchestration, decision)
        case unsupported:
            _refuse(str(unsupported), decision)


def _schedule_activity(action: pb.OrchestratorAction, decision: Decision) -> None:
    task = action.scheduleTask
    payload = _text(task, "input") or None  # the SDK repeats a missing input as "" when it retries
    decision.activities.append(ScheduledActivity(action.id, task.name, payload))
    decision.history.append(events.new_task_scheduled_event(action.id, task.name, payload))


def _create_timer(action: pb.OrchestratorAction, decision: Decision) -> None:
    fire_at = action.createTimer.fireAt.ToDatetime(tzinfo=UTC)
    fired = events.new_timer_fired_event(action.id, fire_at)
    decision.timers.append(ScheduledTimer(fire_at.timestamp(), fired))
    decision.history.append(events.new_timer_created_event(action.id, fire_at))


def _create_child(action: pb.OrchestratorAction, decision: Decision) -> None:
    child = action.createSubOrchestration
    payload, version = _text(child, "input"), _text(child, "version")
    decision.children.append(Child(action.id, child.instanceId, child.name, payload, version))
    decision.history.append(
        events.new_sub_orchestration_created_event(
            action.id, child.name, child.instanceId, payload, version=version
        )
    )


def _send_event(action: pb.OrchestratorAction, decision: Decision) -> None:
    sent, target = action.sendEvent, action.sendEvent.instance.instanceId
    payload = _text(sent, "data")
    decision.messages.append(Message(target, events.new_event_raised_event(sent.name, payload)))
    decision.history.append(events.new_event_sent_event(action.id, target, payload, name=sent.name))


def _message_entity(action: pb.OrchestratorAction, decision: Decision) -> None:
    kind = str(action.sendEntityMessage.WhichOneof("EntityMessageType"))
    message = getattr(action.sendEntityMessage, kind)
    event = pb.HistoryEvent(eventId=action.id, **{kind: message})
    decision.history.append(event)
    decision.entity_messages.append(EntityMessage(_entity(message), event, _scheduled(message)))


def _entity(message: ProtobufMessage) -> str:
    """The entity that a message goes to. Raises ValueError."""
    if isinstance(message, pb.EntityLockRequestedEvent):
        return [entity_id(entity) for entity in message.lockSet][message.position]
    return entity_id(_text(message, "targetInstanceId") or "")


def _scheduled(message: ProtobufMessage) -> float | None:
    if isinstance(message, pb.EntityOperationSignaledEvent | pb.EntityOperationCalledEvent):
        return seconds(message, "scheduledTime")
    return None


def _complete(action: pb.CompleteOrchestrationAction, decision: Decision) -> None:
    failure = capped(action.failureDetails) if action.HasField("failureDetails") else None
    status = Status(action.orchestrationStatus)
    output = _text(action, "result")
    decision.completion = Completion(
        status, output, failure, tuple(action.carryoverEvents), _text(action, "newVersion")
    )
    decision.history.append(events.new_execution_completed_event(action.orchestrationStatus, output, failure))


def _refuse(kind: str, decision: Decision) -> None:
    message = f"The orchestrator asked for '{kind}', an action that localazure's task hub does not know."
    failure = failure_details("NotImplementedError", message)
    decision.completion = Completion(Status.FAILED, None, failure)
    decision.history.append(
        events.new_execution_completed_event(pb.ORCHESTRATION_STATUS_FAILED, None, failure)
    )


def _text(message: ProtobufMessage, field_name: str) -> str | None:
    """The value of an optional text field."""
    return getattr(message, field_name).value if message.HasField(field_name) else None
