"""Where faults are asked for: an API for programs, a page for people. As open as the rest of /admin: loopback alone."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.faults.asking import PATH, from_form
from localazure.faults.azurite import StorageGate
from localazure.faults.fault import Fault, FaultError
from localazure.faults.kinds import KINDS
from localazure.faults.registry import Faults, Planted
from localazure.service import Runtime
from localazure.web import azure_error, page

_MAX_BYTES = 64 * 1024
_SHOWN = 50


class FaultsAdmin:
    """The routes, and what happens to processes rather than inside an emulator."""

    def __init__(self, runtime: Runtime):
        self._faults: Faults = runtime.faults
        self._gate = StorageGate(runtime.state, runtime.faults)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route(PATH, self._list),
            Route(PATH, self._add, methods=["POST"]),
            Route(PATH, self._clear, methods=["DELETE"]),
            Route(f"{PATH}/log", self._log),
            Route(f"{PATH}/{{id}}", self._clear_one, methods=["DELETE"]),
            Route(f"{PATH}/{{id}}/clear", self._clear_one, methods=["POST"]),
        ]

    async def start(self) -> None:
        await self._gate.start()

    async def stop(self) -> None:
        await self._gate.stop()
        self._faults.close()

    async def _list(self, request: Request) -> Response:
        if _is_browser(request):
            return self._page()
        return JSONResponse({"faults": [self._shown(one) for one in self._faults.all()]})

    async def _log(self, request: Request) -> Response:
        return JSONResponse({"log": self._faults.log()})

    async def _add(self, request: Request) -> Response:
        try:
            fault = Fault.read(await _asked(request))
        except FaultError as error:
            if _is_browser(request):
                return self._page(str(error), 400)
            raise azure_error(400, "BadRequest", str(error)) from None
        planted = self._faults.add(fault)
        return (
            RedirectResponse(PATH, 303) if _is_browser(request) else JSONResponse(self._shown(planted), 201)
        )

    async def _clear(self, request: Request) -> Response:
        return JSONResponse({"cleared": self._faults.clear()})

    async def _clear_one(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        if not self._faults.clear(identifier):
            raise azure_error(404, "NotFound", f"There is no fault {identifier!r}.")
        return RedirectResponse(PATH, 303) if _is_browser(request) else JSONResponse({"cleared": 1})

    def _shown(self, planted: Planted) -> dict[str, Any]:
        return {**planted.document(), "live": self._faults.is_live(planted)}

    def _page(self, complaint: str = "", status: int = 200) -> Response:
        log = [entry | {"at": _clock_time(entry["at"])} for entry in self._faults.log()[:_SHOWN]]
        faults = [self._shown(one) | {"until": _clock_time(one.until)} for one in self._faults.all()]
        answer = page("faults.html", kinds=KINDS, faults=faults[::-1], log=log, complaint=complaint)
        answer.status_code = status
        return answer


async def _asked(request: Request) -> Any:
    """The JSON of a program, or the fields of the page's form. Raises `FaultError`."""
    body = await request.body()
    if len(body) > _MAX_BYTES:
        raise FaultError(f"The body is {len(body)} bytes; the limit is {_MAX_BYTES}.")
    try:
        text = body.decode()
        if "json" in request.headers.get("content-type", "json"):
            return json.loads(text)
    except ValueError as error:
        raise FaultError(f"The body is not JSON: {error}") from None
    return from_form(dict(parse_qsl(text)))


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _clock_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
