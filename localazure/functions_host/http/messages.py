"""HTTP requests and responses as the worker library's messages."""

import re
from collections.abc import Iterable
from datetime import UTC
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from localazure.functions_host.messages import TypedData
from localazure.functions_host.worker import InvocationFailed

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def request_message(request: Request, parameters: dict[str, str], body: bytes) -> TypedData:
    """A request as Azure's host hands it over; `parameters` are those of the route."""
    return TypedData(
        http=SimpleNamespace(
            method=request.method,
            url=f"{request.url.scheme}://{request.url.netloc}{target(request)}",
            headers=_joined(request.headers.items()),
            params=parameters,
            query=_joined(request.query_params.multi_items()),
            body=TypedData(bytes=body),
        )
    )


def target(request: Request) -> str:
    """Path and query of a request as they were sent."""
    raw: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (raw + b"?" + query if query else raw).decode("latin-1")


def _joined(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names as one value with commas, as Azure's host hands them over."""
    joined: dict[str, str] = {}
    for name, value in items:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def response(function: str, returned: TypedData | None) -> Response:
    """What a function returned, as a response; nothing is 204. Raises `InvocationFailed` for a bad header."""
    if returned is None:
        return Response(status_code=204)
    if returned.kind != "http":
        return PlainTextResponse(returned.value)
    http = returned.value
    body = http.body.value if http.body is not None else b""
    headers = {name: value for name, value in http.headers.items() if name.lower() != "content-length"}
    if bad := [name for name, value in headers.items() if _CONTROL.search(name + value)]:
        message = f"The response's header {bad[0]!r} has a line break or another control character"
        raise InvocationFailed(function, "ValueError", message, "")
    answer = Response(body, int(http.status_code), headers)
    for cookie in http.cookies or ():
        _set_cookie(answer, cookie)
    return answer


_SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


def _set_cookie(answer: Response, cookie: Any) -> None:
    def value_of(field: str) -> Any:
        nullable = getattr(cookie, field)
        return nullable.value if nullable is not None else None

    age, expires = value_of("max_age"), value_of("expires")
    answer.set_cookie(
        cookie.name,
        cookie.value,
        max_age=int(age) if age is not None else None,
        expires=expires.ToDatetime(UTC) if expires is not None else None,
        path=value_of("path") or "/",
        domain=value_of("domain") or None,
        secure=bool(value_of("secure")),
        httponly=bool(value_of("http_only")),
        samesite=_SAME_SITE.get(cookie.same_site),  # pyright: ignore[reportArgumentType] - the table's own words
    )
