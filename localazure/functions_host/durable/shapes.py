"""Requests and answers of the management API: bodies, query parameters, and the JSON of instances and entities."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request

from localazure.task_hub.model import Entity, EntityQuery, Instance, Query, Status

LARGEST_BODY = 32 * 1024 * 1024  # bytes; a payload must still fit into a gRPC message beside others
LARGEST_PAGE = 1000

_CONTINUATION = "x-ms-continuation-token"  # percent-encoded: ids may hold what headers may not

STATUS_NAMES = {
    Status.PENDING: "Pending",
    Status.RUNNING: "Running",
    Status.COMPLETED: "Completed",
    Status.CONTINUED_AS_NEW: "ContinuedAsNew",
    Status.FAILED: "Failed",
    Status.CANCELED: "Canceled",
    Status.TERMINATED: "Terminated",
    Status.SUSPENDED: "Suspended",
}
_STATUSES = {name.lower(): status for status, name in STATUS_NAMES.items()}


class BodyTooLarge(Exception):
    def __init__(self) -> None:
        super().__init__(
            f"The body is larger than {LARGEST_BODY} bytes. Pass a reference to the data instead."
        )


async def read_body(request: Request) -> bytes:
    """Raises `BodyTooLarge`, before it is read where the request says its length."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise BodyTooLarge
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge
    return bytes(body)


async def read_json(request: Request) -> str | None:
    """The body as a JSON text; None for an empty one. Raises ValueError that says where it is not JSON."""
    body = await read_body(request)
    if not body.strip():
        return None
    try:
        text = body.decode()
        json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    return text


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    given = request.query_params.get(name)
    return default if given is None else given.lower() in ("", "true", "1")


def number(request: Request, name: str) -> float | None:
    """A query parameter that is a number of at least 0. Raises ValueError that names it."""
    given = request.query_params.get(name)
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name}: '{given}' is not a number of at least 0.")
    return value


def moment(request: Request, name: str) -> float | None:
    """A time in ISO 8601, UTC unless it says otherwise, as seconds since the epoch. Raises ValueError."""
    given = request.query_params.get(name)
    if not given:
        return None
    try:
        time = datetime.fromisoformat(given.replace(" ", "+"))  # a plus sign that was not encoded
    except ValueError:
        raise ValueError(f"{name}: '{given}' is not a time such as 2026-01-31T12:00:00Z.") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def page_size(request: Request) -> int:
    return min(int(number(request, "top") or LARGEST_PAGE), LARGEST_PAGE)


def instance_query(request: Request, limit: int | None) -> Query:
    return Query(
        statuses=_statuses(request.query_params),
        id_prefix=request.query_params.get("instanceIdPrefix", ""),
        created_from=moment(request, "createdTimeFrom"),
        created_to=moment(request, "createdTimeTo"),
        limit=limit,
        after=_continued(request),
    )


def entity_query(request: Request, name: str, limit: int) -> EntityQuery:
    return EntityQuery(
        id_prefix=f"@{name.lower()}@" if name else "",
        modified_from=moment(request, "lastOperationTimeFrom"),
        modified_to=moment(request, "lastOperationTimeTo"),
        limit=limit,
        after=_continued(request),
    )


def more(ids: Sequence[str], size: int) -> dict[str, str]:
    """The header that says where the page after the first `size` of `ids` begins, if there is one."""
    return {_CONTINUATION: quote(ids[size - 1], safe="@ ")} if len(ids) > size else {}


def _continued(request: Request) -> str:
    return unquote(request.headers.get(_CONTINUATION, ""))


def _statuses(given: Mapping[str, str]) -> tuple[Status, ...]:
    names = [name.strip() for name in given.get("runtimeStatus", "").split(",") if name.strip()]
    if unknown := [name for name in names if name.lower() not in _STATUSES]:
        raise ValueError(
            f"runtimeStatus: {', '.join(unknown)} is none of {', '.join(STATUS_NAMES.values())}."
        )
    return tuple(_STATUSES[name.lower()] for name in names)


def summary(instance: Instance, with_input: bool) -> dict[str, Any]:
    """An instance as Azure shows it."""
    failure = instance.failure
    output = f"{failure.errorType}: {failure.errorMessage}" if failure else value(instance.output)
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": STATUS_NAMES[instance.status],
        "input": value(instance.input) if with_input else None,
        "customStatus": value(instance.custom_status),
        "output": output,
        "createdTime": iso(instance.created),
        "lastUpdatedTime": iso(instance.updated),
    }


def entity_summary(entity: Entity, with_state: bool) -> dict[str, Any]:
    """An entity as Azure lists it."""
    name, _, key = entity.id.removeprefix("@").partition("@")
    return {
        "entityId": {"name": name, "key": key},
        "lastOperationTime": iso(entity.modified),
        "state": value(entity.state) if with_state else None,
    }


def value(text: str | None) -> Any:
    """A payload as JSON; a text that is none (an SDK may send one) as it is."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
