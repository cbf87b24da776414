"""`POST /admin/clock {"advance": seconds}`: moves the time of a host that was started with a manual clock."""

import json
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.functions_host.access import Access, Level
from localazure.functions_host.timers import Timer
from localazure.task_hub.client import TaskHub
from localazure.task_hub.clock import ManualClock

PATH = "/admin/clock"


class ClockControl:
    def __init__(self, clock: ManualClock, hub: TaskHub, timers: Sequence[Timer]):
        self._clock, self._hub, self._timers = clock, hub, timers

    def routes(self, access: Access) -> list[BaseRoute]:
        return [Route(PATH, access.guard(self._advance, Level.ADMIN), methods=["POST"])]

    async def _advance(self, request: Request) -> Response:
        """Answers with the new time once everything that was due has happened."""
        try:
            seconds = float(json.loads(await request.body())["advance"])
            await self._clock.pass_time(seconds, self._settled)
        except (ValueError, TypeError, KeyError) as error:
            return PlainTextResponse(f'The body is not {{"advance": seconds}}: {error}\n', 400)
        return JSONResponse({"now": self._clock.now()})

    async def _settled(self) -> None:
        for timer in self._timers:
            await timer.settled()
        await self._hub.settled()
