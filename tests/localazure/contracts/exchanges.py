"""Every request that a test server is sent and what it answers, as it goes by."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Exchange:
    """`body` and `answer` are JSON, None where there was none; `route` is the path's template, "" if none served it."""

    method: str
    path: str
    route: str
    api_version: str
    user_agent: str
    body: Any
    status: int
    answer: Any

    @property
    def is_sdks(self) -> bool:
        """Sent by one of Azure's SDKs, not by a test's own hand."""
        return "azsdk-python" in self.user_agent


def recording(application: ASGIApp, into: list[Exchange]) -> ASGIApp:
    """`application`, with each exchange appended to `into` once it is over."""

    async def record(scope: Scope, receive: Receive, send: Send) -> None:
        sent, answered, status = list[bytes](), list[bytes](), 0

        async def receive_and_keep() -> Message:
            message = await receive()
            sent.append(message.get("body", b""))
            return message

        async def send_and_keep(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.append(message.get("body", b""))
            await send(message)

        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        await application(scope, receive_and_keep, send_and_keep)
        into.append(_exchange(scope, b"".join(sent), status, b"".join(answered)))

    return record


def _exchange(scope: Scope, body: bytes, status: int, answer: bytes) -> Exchange:
    route = scope.get("route")
    query = parse_qs(scope["query_string"].decode())
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Exchange(
        method=scope["method"],
        path=scope["path"],
        route=route.path if isinstance(route, Route) else "",
        api_version=query.get("api-version", [""])[0],
        user_agent=headers.get("user-agent", ""),
        body=_json(body),
        status=status,
        answer=_json(answer),
    )


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None
