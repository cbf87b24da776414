"""The server's own pages: what runs and where to look, whether it is well, and what it does not implement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.overview import overview
from localazure.service import Runtime, Service
from localazure.unimplemented import Unimplemented, wrong_method
from localazure.web import page


@dataclass(frozen=True)
class Link:
    path: str
    name: str
    what: str


# Shown where an emulator serves them.
LINKS = (
    Link("/machine_learning", "Azure ML", "jobs, models, endpoints, schedules, registries"),
    Link("/mlflow-runs", "MLflow runs", "parameters and metrics of jobs"),
    Link("/mailbox", "Mailbox", "every mail that was sent"),
    Link("/admin/event_grid", "Events", "subscriptions, deliveries, dead letters"),
    Link("/git", "Git host", "repositories, branches, pull requests"),
    Link("/admin/git/deliveries", "Webhooks", "what was delivered, and again"),
    Link("/admin/faults", "Faults", "let things go wrong, on purpose"),
)


class StartPage:
    """Its `handlers` answer for what no route of the application serves."""

    def __init__(self, runtime: Runtime, emulators: Sequence[Service]):
        self._runtime = runtime
        self._unimplemented = Unimplemented()
        paths = {getattr(route, "path", "") for emulator in emulators for route in emulator.routes}
        self._links = [link for link in LINKS if link.path in paths]

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (Route("/", self._index), Route("/health", self._health), *self._unimplemented.routes)

    @property
    def handlers(self) -> Mapping[Any, Callable[[Request, Exception], Any]]:
        return {404: self._unimplemented.no_route, 405: wrong_method}

    async def _index(self, _: Request) -> Response:
        running = await run_in_threadpool(overview, self._runtime.state)
        parts = running.parts if running else ()
        return page(
            "index.html",
            runtime=self._runtime,
            links=self._links,
            parts=parts,
            has_app=any(part.name == "functions" for part in parts),
            missing=self._unimplemented.requests,
        )

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})
