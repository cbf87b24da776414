"""What only an emulator has: breaches on command, and a clock of schedules that can be moved on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.machine_learning.context import Context
from localazure.machine_learning.routing import Call, Json, anyone, route
from localazure.machine_learning.schedules.routes import ADMIN, Schedules
from localazure.task_hub.clock import Clock
from localazure.web import azure_error, json_body

_LARGEST_BODY = 10_000


class Movable(Clock, Protocol):
    """A clock that can be moved on, on the event loop."""

    def advance(self, seconds: float) -> None: ...


class Admin:
    def __init__(self, context: Context, schedules: Schedules, clock: Movable):
        self._context = context
        self._schedules = schedules
        self._clock = clock

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (
            route("POST", f"{ADMIN}/monitors/{{workspace}}/{{name}}/breach", self.breach, anyone),
            Route(f"{ADMIN}/clock", self.move_clock, methods=["POST"]),
        )

    def breach(self, call: Call) -> Json:
        """`{"signal", "features", "status"}`, all optional: run the monitor now, and have that signal breached."""
        return {"job": self._schedules.breach(call)}

    async def move_clock(self, request: Request) -> Response:
        """`{"advance": seconds}`: what falls due meanwhile fires, each schedule once. Answers with the new time."""
        body = await json_body(request, _LARGEST_BODY)
        try:
            self._clock.advance(float(body["advance"]))
        except (TypeError, KeyError, ValueError) as error:
            raise azure_error(400, "BadRequest", f'{{"advance": seconds}} is expected: {error}') from None
        return JSONResponse({"now": datetime.fromtimestamp(self._clock.now(), UTC).isoformat()})
