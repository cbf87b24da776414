"""The two schemas of an event: checked field by field on arrival, completed, and turned into one another."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from localazure.event_grid_config import EventSchema

Event = dict[str, Any]

MAX_BYTES = 1024 * 1024  # of one request, and so of one event


class InvalidEventError(Exception):
    """A published event breaks its schema; the message names the event's index and the field."""


_EVENT_GRID = {"id": str, "subject": str, "eventType": str, "eventTime": str, "dataVersion": str}
_CLOUD = {"id": str, "source": str, "type": str, "specversion": str}
_NAMES = {"EventGridSchema": "EventGridEvent", "CloudEventSchemaV1_0": "CloudEventV10"}


def is_cloud_event(event: Mapping[str, Any]) -> bool:
    return "specversion" in event


def event_type(event: Mapping[str, Any]) -> str:
    return event["type"] if is_cloud_event(event) else event["eventType"]


def published(body: Any, topic_id: str, schema: EventSchema) -> list[Event]:
    """The events of a publish request's `body`, completed for delivery: all of them, or `InvalidEventError`."""
    is_single = isinstance(body, dict) and schema == "CloudEventSchemaV1_0"
    events: Any = [body] if is_single else body
    if not isinstance(events, list) or not events:
        raise InvalidEventError("the body: must be a JSON array of at least one event")
    for index, event in enumerate(events):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
        _check(index, event, schema, topic_id)
    if schema == "CloudEventSchemaV1_0":
        return events  # pyright: ignore[reportUnknownVariableType] - JSON
    return [_complete(event, topic_id) for event in events]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON


def _check(index: int, event: Any, schema: EventSchema, topic_id: str) -> None:
    if not isinstance(event, dict):
        raise InvalidEventError(f"events[{index}]: must be an object")
    fields: Event = event  # pyright: ignore[reportUnknownVariableType] - JSON
    cloud = schema == "CloudEventSchemaV1_0"
    if is_cloud_event(fields) != cloud:
        raise InvalidEventError(f"events[{index}]: this topic takes events of the schema {_NAMES[schema]!r}")
    for name, kind in (_CLOUD if cloud else _EVENT_GRID).items():
        if not isinstance(fields.get(name), kind) or (not fields[name] and name != "dataVersion"):
            raise InvalidEventError(f"events[{index}].{name}: must be a string that is not empty")
    if cloud and fields["specversion"] != "1.0":
        raise InvalidEventError(f"events[{index}].specversion: must be '1.0'")
    if not cloud and "data" not in fields:
        raise InvalidEventError(f"events[{index}].data: is required")
    if not cloud and str(fields.get("topic") or topic_id).lower() != topic_id.lower():
        raise InvalidEventError(f"events[{index}].topic: is set by Event Grid; leave it out")
    _check_time(index, "time" if cloud else "eventTime", fields)


def _check_time(index: int, field: str, event: Event) -> None:
    value = event.get(field)
    if value is None and field == "time":
        return
    try:
        datetime.fromisoformat(value)  # type: ignore[arg-type] - anything but a string is what TypeError catches
    except (TypeError, ValueError):
        raise InvalidEventError(f"events[{index}].{field}: {value!r} is not an ISO 8601 time") from None


def _complete(event: Event, topic_id: str) -> Event:
    return {"topic": topic_id, **{k: v for k, v in event.items() if k != "topic"}, "metadataVersion": "1"}


def converted(event: Event, schema: EventSchema | None) -> Event:
    """`event` in the schema of its delivery (None: as it is). A CloudEvent stays one: Azure does not convert back."""
    if schema != "CloudEventSchemaV1_0" or is_cloud_event(event):
        return event
    version = event.get("dataVersion")
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["topic"],
        "type": event["eventType"],
        "subject": event["subject"],
        "time": event["eventTime"],
        **({"dataschema": f"#{version}"} if version else {}),
        "data": event["data"],
    }


def content_type(events: Sequence[Mapping[str, Any]], is_batch: bool) -> str:
    """The media type of a delivery of `events`; one CloudEvent alone travels outside an array."""
    if not is_cloud_event(events[0]):
        return "application/json; charset=utf-8"
    return f"application/cloudevents{'-batch' if is_batch else ''}+json; charset=utf-8"
