"""The host's own addresses below `/admin`, in the shapes of Azure's host."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.functions_host.access import Access, Level
from localazure.functions_host.inventory import SERVED, Listed
from localazure.functions_host.messages import TypedData
from localazure.functions_host.report import report_failure
from localazure.functions_host.timers import Timer
from localazure.functions_host.worker import Function, InvocationFailed, Worker

_log = logging.getLogger(__name__)

VERSION = "4.0.0"  # of the Functions runtime that this host stands in for

_STARTED_OTHERWISE = {
    "httptrigger": "call it at its address",
    "orchestrationtrigger": "start it at /runtime/webhooks/durabletask/orchestrators/{name}",
    "entitytrigger": "signal it at /runtime/webhooks/durabletask/entities/{name}/{key}",
}


class Admin:
    """`trouble` gives what keeps the task hub from working, if anything does."""

    def __init__(
        self,
        app: Path,
        worker: Worker,
        listed: Sequence[Listed],
        timers: Sequence[Timer],
        task_hub: str,
        base: str,
        trouble: Callable[[], str | None],
    ):
        self._app, self._worker, self._task_hub, self._base = app, worker, task_hub, base
        self._trouble = trouble
        self._listed = {one.name.lower(): one for one in listed}
        self._timers = {timer.function.name: timer for timer in timers}
        self._started = time.monotonic()

    def routes(self, access: Access) -> list[BaseRoute]:
        function = "/admin/functions/{name}"
        return [
            Route("/admin/host/status", self._status),
            Route("/admin/host/ping", self._ping, methods=["GET", "POST"]),
            Route("/admin/functions", access.guard(self._list, Level.ADMIN)),
            Route(function, access.guard(self._get, Level.ADMIN)),
            Route(function + "/status", access.guard(self._function_status, Level.ADMIN)),
            Route(function, access.guard(self._run, Level.ADMIN), methods=["POST"]),
        ]

    async def _status(self, request: Request) -> Response:
        trouble = self._trouble()
        body = {
            "id": self._task_hub.lower(),
            "state": "Error" if trouble else "Running",
            "version": VERSION,
            "processUptime": int(1000 * (time.monotonic() - self._started)),
            "functions": len(self._listed),
            "taskHub": self._task_hub,
            "errors": [trouble] if trouble else [],
        }
        return JSONResponse(body)

    async def _ping(self, request: Request) -> Response:
        return Response(status_code=200)

    async def _list(self, request: Request) -> Response:
        return JSONResponse([self._described(one) for one in self._listed.values()])

    async def _get(self, request: Request) -> Response:
        one = self._find(request)
        return self._unknown(request) if one is None else JSONResponse(self._described(one))

    async def _function_status(self, request: Request) -> Response:
        return self._unknown(request) if self._find(request) is None else JSONResponse({})

    async def _run(self, request: Request) -> Response:
        """Run a function by hand with the body's `input`; 202 once it has run, whatever came of it."""
        one = self._find(request)
        if one is None:
            return self._unknown(request)
        if one.state:
            return PlainTextResponse(f"The function {one.name} is {one.state}.\n", 400)
        if how := _STARTED_OTHERWISE.get(one.function.kind):
            return PlainTextResponse(
                f"{one.name} cannot be run by hand: {how.format(name=one.name, key='…')}.\n", 400
            )
        try:
            given = _input(await request.body())
        except ValueError as error:
            return PlainTextResponse(f'The body is not {{"input": "…"}}: {error}.\n', 400)
        await self._invoke(one.function, given)
        return Response(status_code=202)

    async def _invoke(self, function: Function, given: str) -> None:
        if timer := self._timers.get(function.name):
            return await timer.fire(past_due=False)
        kind = "json" if function.kind == "eventgridtrigger" else "string"
        try:
            await self._worker.invoke(function, TypedData(**{kind: given}))
        except InvocationFailed as error:
            report_failure(_log, error)

    def _find(self, request: Request) -> Listed | None:
        return self._listed.get(request.path_params["name"].lower())

    def _unknown(self, request: Request) -> Response:
        known = ", ".join(one.name for one in self._listed.values()) or "none"
        name = request.path_params["name"]
        return PlainTextResponse(f"The app has no function named {name!r}; its functions: {known}.\n", 404)

    def _described(self, one: Listed) -> dict[str, Any]:
        href = f"{self._base}/admin/functions/{one.name}"
        config = {"name": one.name, "language": "python", "bindings": one.function.bindings}
        return {
            "name": one.name,
            "href": href,
            "config_href": href,
            "script_href": (self._app / "function_app.py").as_uri(),
            "invoke_url_template": one.address if one.trigger == "http" else None,
            "language": "python",
            "config": config,
            "isDisabled": one.function.disabled,
            "isDirect": False,
            "isProxy": False,
            "isServed": one.function.kind in SERVED,
        }


def _input(body: bytes) -> str:
    """The text to hand to the function. Raises ValueError."""
    content = json.loads(body or b"{}")
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    given = content.get("input") or ""
    return given if isinstance(given, str) else json.dumps(given)
