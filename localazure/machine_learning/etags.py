"""ETags of ARM resources, from their content; writes that state what they expect are refused when it is not so."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.web import Refusal, azure_error

Json = dict[str, Any]

_conditional_writes = threading.Lock()  # two that expect the same state must not both be right


def etag(resource: Json) -> str:
    """The same for the same content."""
    text = json.dumps(resource, sort_keys=True).encode()
    return f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def tagged(answer: Response | Json) -> Response | Json:
    """`answer` with its ETag, where it is a resource."""
    if isinstance(answer, Response) or "id" not in answer:
        return answer
    return JSONResponse(answer, headers={"ETag": etag(answer)})


def unless_changed(
    headers: Mapping[str, str], read: Callable[[], Response | Json], write: Callable[[], Response | Json]
) -> Response | Json:
    """`write`, if what `read` gives is what If-Match and If-None-Match expect; refuses with 412."""
    wanted, unwanted = _tags(headers.get("if-match")), _tags(headers.get("if-none-match"))
    if not wanted and not unwanted:
        return write()
    with _conditional_writes:
        current = _current(read)
        if wanted and (current is None or not wanted & {"*", current}):
            raise _failed("If-Match", current)
        if unwanted and current is not None and unwanted & {"*", current}:
            raise _failed("If-None-Match", current)
        return write()


def _current(read: Callable[[], Response | Json]) -> str | None:
    """The resource's ETag, None where there is no such resource."""
    try:
        found = read()
    except Refusal as refusal:
        if refusal.status == 404:
            return None
        raise
    return found.headers.get("etag") if isinstance(found, Response) else etag(found)


def _tags(header: str | None) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",") if tag.strip()}


def _failed(header: str, current: str | None) -> Refusal:
    state = f"its ETag is {current}" if current else "it does not exist"
    return azure_error(
        412,
        "PreconditionFailed",
        f"The condition in {header} is not met: the resource has changed ({state}).",
    )
