"""Faults of requests: throttled, failed, slow, without an answer, answered by a clock that is off."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Protocol

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localazure.faults import refusals
from localazure.faults.fault import Injection
from localazure.faults.registry import Faults

# Who injects faults, looks or cleans up meets none; nor who finds out that this is Azure: clients of the public cloud
# know that without asking, and the SDK takes no answer for the public cloud.
_SPARED = ("/", "/health", "/mailbox", "/git", "/metadata/endpoints")


class _Cycle(Protocol):
    """One request as uvicorn handles it; its method `send` is what the application is given."""

    transport: asyncio.Transport
    default_headers: list[tuple[bytes, bytes]]


class FaultyHttp:
    """The outermost application. `services` are the routes by the name of the service that answers there."""

    def __init__(self, app: ASGIApp, faults: Faults, services: Mapping[str, Sequence[BaseRoute]]):
        self._app, self._faults, self._services = app, faults, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._faults.any() or _is_spared(scope["path"]):
            await self._app(scope, receive, send)
            return
        if skew := self._faults.in_force("clock-skew"):
            _set_date(send, time.time() + skew.number("seconds"))
        await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        service, path = self._service(scope), scope["path"]
        place = {"service": service, "method": scope["method"], "path": path}
        if slow := await self._meet("slow", place):
            await asyncio.sleep(slow.number("seconds"))
        if busy := await self._meet("throttle", place):
            answer = refusals.throttled(service, path, busy.number("retry_after"))
            await answer(scope, receive, send)
        elif broken := await self._meet("error", place):
            await refusals.failed(service, path, int(broken.number("status")))(scope, receive, send)
        elif dropped := await self._meet("drop", place):
            if dropped.text("when") == "after":
                await self._app(scope, receive, _unheard)
            await _hang_up(receive, send)
        else:
            await self._app(scope, receive, send)

    async def _meet(self, kind: str, place: Mapping[str, str]) -> Injection | None:
        return await asyncio.to_thread(self._faults.meet, kind, **place) if self._faults.has(kind) else None

    def _service(self, scope: Scope) -> str:
        for service, routes in self._services.items():
            if any(route.matches(scope)[0] is Match.FULL for route in routes):
                return service
        return ""


def _is_spared(path: str) -> bool:
    return path in _SPARED or path.startswith(("/admin/", "/mailbox/"))


async def _unheard(message: Message) -> None:
    """The `send` of an answer that nobody gets."""


async def _hang_up(receive: Receive, send: Send) -> None:
    """Close the connection and wait until uvicorn knows, or it would answer 500 itself."""
    _cycle(send).transport.abort()
    while (await receive())["type"] != "http.disconnect":
        continue


def _set_date(send: Send, at: float) -> None:
    cycle = _cycle(send)
    others = [pair for pair in cycle.default_headers if pair[0] != b"date"]
    cycle.default_headers = [*others, (b"date", formatdate(at, usegmt=True).encode())]


def _cycle(send: Send) -> _Cycle:
    """ASGI knows no way to close a connection unanswered, nor uvicorn one to change its Date."""
    cycle: _Cycle = getattr(send, "__self__")  # noqa: B009 - `send` is typed as a plain callable
    return cycle
