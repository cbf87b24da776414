"""What holds for every request: the limit of its body and the headers of its answer."""

import os
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localazure.functions_host.settings import SettingsError

LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
DEFAULT_LIMIT = 100 * 1024 * 1024  # bytes, Azure's own


def body_limit() -> int:
    """The limit of a body in bytes. Raises `SettingsError`."""
    text = os.environ.get(LIMIT_SETTING) or str(DEFAULT_LIMIT)
    if not text.isdecimal():
        raise SettingsError(f"{LIMIT_SETTING}: {text!r} is not a number of bytes.")
    return int(text)


class _TooLarge(Exception):
    pass


class BodyLimit:
    """Answers 413 to a request whose body has more than `limit` bytes, without reading all of it."""

    def __init__(self, app: ASGIApp, limit: int):
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _announced(scope) > self._limit:
            return await self._refuse(scope, receive, send)
        read, answering = 0, False

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise _TooLarge
            return message

        async def noting(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self._app(scope, counting, noting)
        except _TooLarge:
            if answering:
                raise
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"The body is larger than {self._limit} bytes, the limit of this host ({LIMIT_SETTING}).\n"
        await PlainTextResponse(text, 413, {"connection": "close"})(scope, receive, send)


def _announced(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths else 0


class CustomHeaders:
    """Adds host.json's `extensions.http.customHeaders` to every answer."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]):
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, adding)
