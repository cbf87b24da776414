"""Streamed bodies, for apps that import an HTTP extension such as azurefunctions-extensions-http-fastapi.

The worker library then runs an HTTP server of its own: the request goes there under the id of an invocation.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from localazure.functions_host.http.messages import request_message, target
from localazure.functions_host.worker import Function, InvocationFailed, Worker

if TYPE_CHECKING:
    import httpx

INVOCATION_HEADER = "x-ms-invocation-id"
_OF_THE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"date", b"server"}


class StreamedHttp:
    """Passes requests on to the worker library's server, and its answers back, piece by piece."""

    def __init__(self, worker: Worker, client: "httpx.AsyncClient"):
        self._worker, self._client = worker, client

    async def invoke(self, function: Function, request: Request, parameters: dict[str, str]) -> Response:
        """Raises `InvocationFailed`."""
        number = self._worker.new_id()
        passed_on = self._client.build_request(
            request.method,
            target(request),
            headers=[*_end_to_end(request.headers.raw), (INVOCATION_HEADER.encode(), number.encode())],
            content=_body(request),
        )
        sending = asyncio.create_task(self._client.send(passed_on, stream=True))
        try:
            await self._worker.invoke(function, request_message(request, parameters, b""), number)
        except InvocationFailed:
            sending.cancel()
            raise
        answer = await sending
        streamed = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        streamed.raw_headers = _end_to_end(answer.headers.raw)
        return streamed


@asynccontextmanager
async def open_streaming(worker: Worker) -> AsyncGenerator[StreamedHttp | None]:
    """None for an app whose HTTP functions take whole bodies."""
    if worker.http_address is None:
        yield None
        return
    import httpx  # most apps do without

    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)  # the library's server has turned them up
    async with httpx.AsyncClient(base_url=worker.http_address, timeout=None) as client:  # noqa: S113 - functionTimeout rules
        yield StreamedHttp(worker, client)


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(n, v) for n, v in headers if n.lower() not in _OF_THE_CONNECTION]


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece
