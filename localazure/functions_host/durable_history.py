"""History events as the JSON of Azure's management API."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb

type Fields = dict[str, Any]
_HIDDEN = frozenset({"orchestratorStarted", "orchestratorCompleted"})


def history_events(history: Iterable[pb.HistoryEvent], with_output: bool) -> list[Fields]:
    """The events as Azure lists them: a finished task once, by name, with the time it was scheduled."""
    scheduled: dict[int, tuple[str, str]] = {}
    listed: list[Fields] = []
    for event in history:
        kind = event.WhichOneof("eventType") or ""
        if kind in _SCHEDULING:
            scheduled[event.eventId] = (_SCHEDULING[kind](event), _time(event))
        elif kind not in _HIDDEN:
            fields = {"EventType": kind[:1].upper() + kind[1:], "Timestamp": _time(event)}
            listed.append(fields | _details(kind, getattr(event, kind), scheduled, with_output))
    return listed


_SCHEDULING: dict[str, Callable[[pb.HistoryEvent], str]] = {
    "taskScheduled": lambda event: event.taskScheduled.name,
    "subOrchestrationInstanceCreated": lambda event: event.subOrchestrationInstanceCreated.name,
}


def _details(kind: str, body: Any, scheduled: dict[int, tuple[str, str]], with_output: bool) -> Fields:
    match kind:
        case "executionStarted":
            return {"FunctionName": body.name}
        case "taskCompleted" | "subOrchestrationInstanceCompleted":
            return _scheduled(body, scheduled) | (
                {"Result": _value(body.result.value)} if with_output else {}
            )
        case "taskFailed" | "subOrchestrationInstanceFailed":
            return _scheduled(body, scheduled) | {"Reason": body.failureDetails.errorMessage}
        case "timerCreated" | "timerFired":
            return {"FireAt": body.fireAt.ToDatetime(tzinfo=UTC).isoformat()}
        case "eventRaised" | "eventSent":
            return {"Name": body.name} | ({"Input": _value(body.input.value)} if with_output else {})
        case "executionCompleted":
            status = pb.OrchestrationStatus.Name(body.orchestrationStatus).removeprefix(
                "ORCHESTRATION_STATUS_"
            )
            result = {"Result": _value(body.result.value)} if with_output else {}
            return {"OrchestrationStatus": status.capitalize()} | result
        case _:
            return {}


def _scheduled(body: Any, scheduled: dict[int, tuple[str, str]]) -> Fields:
    name, time = scheduled.get(body.taskScheduledId, ("", ""))
    return {"FunctionName": name, "ScheduledTime": time}


def _time(event: pb.HistoryEvent) -> str:
    moment: datetime = event.timestamp.ToDatetime(tzinfo=UTC)
    return moment.isoformat()


def _value(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
