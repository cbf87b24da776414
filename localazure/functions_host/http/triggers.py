"""Serves the HTTP triggers of an app."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from localazure.functions_host.access import Access, Endpoint, unauthorized
from localazure.functions_host.http.messages import request_message, response
from localazure.functions_host.http.routes import HttpRoute
from localazure.functions_host.http.streaming import StreamedHttp
from localazure.functions_host.http.templates import decoded
from localazure.functions_host.report import report_failure
from localazure.functions_host.settings import Http
from localazure.functions_host.worker import InvocationFailed, Worker

_log = logging.getLogger(__name__)


class TooBusy(Exception):
    """`maxOutstandingRequests` are under way."""


class Throttle:
    """host.json's limits on requests; -1 is none."""

    def __init__(self, settings: Http):
        self._concurrent = asyncio.Semaphore(settings.max_concurrent_requests) if _is_set(settings) else None
        self._most = settings.max_outstanding_requests
        self._outstanding = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a turn, and hold it until the block ends. Raises `TooBusy`."""
        if 0 <= self._most <= self._outstanding:
            raise TooBusy
        self._outstanding += 1
        try:
            async with self._concurrent or contextlib.nullcontext():
                yield
        finally:
            self._outstanding -= 1


def _is_set(settings: Http) -> bool:
    return settings.max_concurrent_requests >= 0


class HttpTriggers:
    """The ASGI app behind all addresses that are not the host's own."""

    def __init__(
        self,
        routes: Sequence[HttpRoute],
        worker: Worker,
        access: Access,
        settings: Http,
        streamed: StreamedHttp | None,
        homepage: Endpoint,
    ):
        self._routes, self._worker, self._access = routes, worker, access
        self._throttle, self._streamed, self._homepage = Throttle(settings), streamed, homepage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await self.serve(request)
        await answer(scope, receive, send)

    async def serve(self, request: Request) -> Response:
        """404 when no route fits path and method (as on Azure), 401 without a key, 500 for a failure."""
        path = decoded(request.scope["raw_path"])
        for route in self._routes:
            parameters = route.template.match(path)
            if parameters is None or not route.serves(request.method):
                continue
            if not self._access.allows(request, route.level, route.function.name):
                return unauthorized(route.level)
            return await self._take(route, request, parameters)
        if path == "/" and request.method in ("GET", "HEAD"):
            return await self._homepage(request)
        return Response(status_code=404)

    async def _take(self, route: HttpRoute, request: Request, parameters: dict[str, str]) -> Response:
        try:
            async with self._throttle.turn():
                return await self._invoke(route, request, parameters)
        except TooBusy:
            return PlainTextResponse("Too busy: maxOutstandingRequests of host.json are under way.\n", 429)
        except InvocationFailed as error:
            report_failure(_log, error)
            return Response(status_code=500)

    async def _invoke(self, route: HttpRoute, request: Request, parameters: dict[str, str]) -> Response:
        if self._streamed is not None:
            return await self._streamed.invoke(route.function, request, parameters)
        message = request_message(request, parameters, await request.body())
        return response(route.function.name, await self._worker.invoke(route.function, message))
