"""History events as the JSON of Azure's management API."""

from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from localazure.functions_host.durable.shapes import STATUS_NAMES, value
from localazure.task_hub.model import Status

type Fields = dict[str, Any]

_HIDDEN = frozenset({"orchestratorStarted", "orchestratorCompleted"})
_SCHEDULING = frozenset({"taskScheduled", "subOrchestrationInstanceCreated"})
_OUTCOMES = frozenset(
    {
        "taskCompleted",
        "taskFailed",
        "subOrchestrationInstanceCompleted",
        "subOrchestrationInstanceFailed",
    }
)


def history_events(history: Iterable[pb.HistoryEvent], with_input: bool, with_output: bool) -> list[Fields]:
    """The events as Azure lists them: a finished task once, by name, with the time it was scheduled."""
    listed = dict[int, Fields]()
    scheduled = dict[int, int]()  # by task, where it is listed
    for position, event in enumerate(history):
        kind = event.WhichOneof("eventType") or ""
        if kind in _HIDDEN:
            continue
        fields = _fields(event, kind, with_output)
        if kind in _SCHEDULING:
            scheduled[event.eventId] = position
        elif kind in _OUTCOMES:
            task = getattr(event, kind).taskScheduledId
            fields |= _scheduling(listed.pop(scheduled.pop(task, -1), {}))
        listed[position] = fields
    return [_without_input(fields, with_input) for fields in listed.values()]


def _fields(event: pb.HistoryEvent, kind: str, with_output: bool) -> Fields:
    body = getattr(event, kind)
    fields: Fields = {"EventType": kind[:1].upper() + kind[1:], "Timestamp": _time(event.timestamp)}
    for name, (label, convert) in _SHOWN.items():
        if name in body.DESCRIPTOR.fields_by_name and _is_given(body, name):
            fields[label] = convert(getattr(body, name))
    if kind == "executionStarted":
        fields["FunctionName"] = fields.pop("Name")
    if not with_output:
        fields.pop("Result", None)
    return fields


def _scheduling(created: Fields) -> Fields:
    taken = {"ScheduledTime": created.get("Timestamp", ""), "FunctionName": created.get("Name", "")}
    return taken | ({"Input": created["Input"]} if "Input" in created else {})


def _without_input(fields: Fields, with_input: bool) -> Fields:
    return fields if with_input else {name: shown for name, shown in fields.items() if name != "Input"}


def _is_given(body: Message, name: str) -> bool:
    field = body.DESCRIPTOR.fields_by_name[name]
    return body.HasField(name) if field.has_presence else True


def _text(message: Any) -> Any:
    return value(message.value)


def _time(timestamp: Timestamp) -> str:
    return timestamp.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain(message: Any) -> Any:
    return message if isinstance(message, str) else message.value


# The fields of all kinds of events that are shown: by their name in the protocol, their label and value.
_SHOWN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("Name", _plain),
    "instanceId": ("InstanceId", _plain),
    "targetInstanceId": ("InstanceId", _plain),
    "operation": ("Operation", _plain),
    "input": ("Input", _text),
    "result": ("Result", _text),
    "output": ("Result", _text),
    "reason": ("Reason", _plain),
    "fireAt": ("FireAt", _time),
    "scheduledTime": ("ScheduledTime", _time),
    "failureDetails": ("Reason", lambda details: details.errorMessage),
    "orchestrationStatus": ("OrchestrationStatus", lambda status: STATUS_NAMES[Status(status)]),
}
