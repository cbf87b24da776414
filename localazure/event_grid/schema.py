"""The two schemas of a published event, checked field by field as Event Grid does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Event = dict[str, Any]

MAX_BYTES = 1024 * 1024  # of one request, and so of one event


class InvalidEventError(Exception):
    """A published event breaks its schema; the message names the event's index and the field."""


_EVENT_GRID = {"id": str, "subject": str, "eventType": str, "eventTime": str, "dataVersion": str}
_CLOUD = {"id": str, "source": str, "type": str, "specversion": str}


def is_cloud_event(event: Mapping[str, Any]) -> bool:
    return "specversion" in event


def event_type(event: Mapping[str, Any]) -> str:
    return event["type"] if is_cloud_event(event) else event["eventType"]


def published(body: Any, topic_id: str) -> list[Event]:
    """The events of a publish request's `body`, completed for delivery. Raises `InvalidEventError`."""
    events = [body] if isinstance(body, dict) and is_cloud_event(body) else body
    if not isinstance(events, list) or not events:
        raise InvalidEventError("the body: must be a JSON array of at least one event")
    for index, event in enumerate(events):
        _check(index, event)
    return [event if is_cloud_event(event) else _complete(event, topic_id) for event in events]


def _check(index: int, event: Any) -> None:
    if not isinstance(event, dict):
        raise InvalidEventError(f"events[{index}]: must be an object")
    cloud = is_cloud_event(event)
    for field, kind in (_CLOUD if cloud else _EVENT_GRID).items():
        if not isinstance(event.get(field), kind) or (not event[field] and field != "dataVersion"):
            raise InvalidEventError(f"events[{index}].{field}: must be a string that is not empty")
    if cloud and event["specversion"] != "1.0":
        raise InvalidEventError(f"events[{index}].specversion: must be '1.0'")
    if not cloud and "data" not in event:
        raise InvalidEventError(f"events[{index}].data: is required")
    if not cloud and event.get("topic"):
        raise InvalidEventError(f"events[{index}].topic: is set by Event Grid; leave it out")
    _check_time(index, "time" if cloud else "eventTime", event)


def _check_time(index: int, field: str, event: Event) -> None:
    value = event.get(field)
    if value is None and field == "time":
        return
    try:
        datetime.fromisoformat(value)  # type: ignore[arg-type] # anything but a string is what TypeError catches
    except (TypeError, ValueError):
        raise InvalidEventError(f"events[{index}].{field}: {value!r} is not an ISO 8601 time") from None


def _complete(event: Event, topic_id: str) -> Event:
    return {"topic": topic_id, **{k: v for k, v in event.items() if k != "topic"}, "metadataVersion": "1"}


def matches(event: Mapping[str, Any], types: Sequence[str], begins_with: str, ends_with: str) -> bool:
    """Whether a subscription's filter lets `event` through (case-insensitive, as the service's default is)."""
    subject = str(event.get("subject") or "").lower()
    return (
        (not types or event_type(event).lower() in {name.lower() for name in types})
        and subject.startswith(begins_with.lower())
        and subject.endswith(ends_with.lower())
    )
