"""The envelope of an event: Event Grid's own schema or CloudEvents 1.0."""

from collections.abc import Mapping
from typing import Any

from busbar.inbound import fields


def event_type(event: Mapping[str, Any]) -> str:
    """`eventType` (Event Grid) or `type` (CloudEvents); raises `BadRequest` where there is neither."""
    checked = fields.mapping("event", event)
    return fields.text(checked, "type" if "specversion" in checked else "eventType")


def event_data(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event's own content; raises `BadRequest` where it is no object."""
    return fields.mapping("data", event.get("data"))
