"""The Functions host: one app, one process, one event loop."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.functions_host import event_grid
from localazure.functions_host.access import Access, Endpoint, load_keys
from localazure.functions_host.admin import Admin
from localazure.functions_host.clock_control import ClockControl
from localazure.functions_host.determinism import DeterminismGuard
from localazure.functions_host.durable.management import DurableHttp
from localazure.functions_host.durable.rpc import TaskHubService
from localazure.functions_host.durable.service import RpcServer, client_binding, durable_query
from localazure.functions_host.durable.triggers import DurableTriggers
from localazure.functions_host.durable.versions import Versions
from localazure.functions_host.event_grid import EventGridWebhook
from localazure.functions_host.http.middleware import BodyLimit, CustomHeaders, body_limit
from localazure.functions_host.http.routes import http_routes
from localazure.functions_host.http.streaming import open_streaming
from localazure.functions_host.http.triggers import HttpTriggers
from localazure.functions_host.inventory import Listed, inventory, not_served
from localazure.functions_host.report import unknown_categories
from localazure.functions_host.settings import DurableTask, HostSettings, Http, is_true
from localazure.functions_host.timers import Timer
from localazure.functions_host.worker import Worker
from localazure.task_hub.client import TaskHub, open_task_hub
from localazure.task_hub.clock import Clock, ManualClock, SystemClock
from localazure.web import page

GRACE = 3.0  # seconds that runs of timers, turns and activities under way are given at the end


@dataclass(frozen=True)
class HostOptions:
    """How to run the app in the folder `app`, with its state in the folder `state`."""

    app: Path
    state: Path
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    retention: timedelta | None = None
    manual_clock: bool = False
    check_determinism: bool = False


@dataclass(frozen=True)
class Host:
    """A running host: the ASGI app to serve, what it serves, and what the app's author should know."""

    asgi: Starlette
    functions: Sequence[Listed]
    remarks: Sequence[str]


@asynccontextmanager
async def open_host(options: HostOptions, settings: HostSettings, base: str) -> AsyncGenerator[Host]:
    """Load the app and run its durable functions and timers until the block ends.

    `base` is the host's own address, no trailing slash.
    Raises `AppDoesNotLoad`, `SettingsError`, `TaskHubLocked`.
    """
    durable, rpc = settings.durable, RpcServer()
    _size_thread_pool(durable)
    binding = client_binding(durable, base, rpc.address, load_keys(options.state))
    worker = await Worker.load(options.app, binding, settings.function_timeout)
    http_functions = worker.of_kind("httptrigger")
    routes = http_routes(http_functions, settings.http.route_prefix)
    keys = load_keys(options.state, [function.name for function in http_functions])
    access, triggers = Access(keys), DurableTriggers(worker, _versions(durable))
    clock = ManualClock(SystemClock().now()) if options.manual_clock else SystemClock()
    async with AsyncExitStack() as stack:
        documents = stack.enter_context(_open_documents(options.state))
        timers = [Timer(function, worker, documents, clock) for function in worker.of_kind("timertrigger")]
        hub = await stack.enter_async_context(_open_hub(options, durable, triggers, clock))
        await stack.enter_async_context(rpc.serving(TaskHubService(hub, triggers)))
        await stack.enter_async_context(_running(timers))
        streamed = await stack.enter_async_context(open_streaming(worker))
        listed = inventory(worker.functions.values(), routes, timers, base)
        own: list[BaseRoute] = [
            *Admin(options.app, worker, listed, timers, durable.hub_name, base, lambda: hub.trouble).routes(
                access
            ),
            Route(event_grid.PATH, access.guard(EventGridWebhook(worker).serve), methods=["POST", "OPTIONS"]),
            *DurableHttp(hub, triggers, access, durable_query(durable, keys)).routes(),
        ]
        if isinstance(clock, ManualClock):
            own += ClockControl(clock, hub, timers).routes(access)
        fallback = _homepage(options.app, durable, listed)
        app_functions = HttpTriggers(routes, worker, access, settings.http, streamed, fallback)
        routing = [*own, Route("/{path:path}", app_functions)]
        remarks = [*_remarks(settings), *not_served(worker.functions.values())]
        yield Host(Starlette(routes=routing, middleware=_middleware(settings.http)), listed, remarks)


def _size_thread_pool(settings: DurableTask) -> None:
    """Activities may fill their share of the pool; turns and synchronous triggers still find a thread."""
    durable = settings.max_concurrent_activity_functions + settings.max_concurrent_orchestrator_functions
    os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", str(durable + 8))


def _versions(settings: DurableTask) -> Versions:
    return Versions(
        settings.default_version, settings.version_match_strategy, settings.version_failure_strategy
    )


@asynccontextmanager
async def _open_hub(
    options: HostOptions, settings: DurableTask, triggers: DurableTriggers, clock: Clock
) -> AsyncGenerator[TaskHub]:
    executor = DeterminismGuard(triggers) if options.check_determinism else triggers
    async with open_task_hub(
        options.state / "task_hub.sqlite",
        executor,
        turns=settings.max_concurrent_orchestrator_functions,
        activities=settings.max_concurrent_activity_functions,
        entities=settings.max_concurrent_entity_functions,
        grace=GRACE,
        clock=clock,
        synchronous=options.synchronous,
        retention=options.retention,
    ) as hub:
        yield hub


@contextmanager
def _open_documents(state: Path) -> Generator[Documents]:
    documents = Documents(state / "timers.sqlite")
    try:
        yield documents
    finally:
        documents.close()


@asynccontextmanager
async def _running(timers: Sequence[Timer]) -> AsyncGenerator[None]:
    for timer in timers:
        timer.start()
    try:
        yield
    finally:
        await asyncio.gather(*(timer.stop(GRACE) for timer in timers))


def _middleware(settings: Http) -> list[Middleware]:
    return [
        *([Middleware(CustomHeaders, settings.custom_headers)] if settings.custom_headers else []),
        Middleware(BodyLimit, body_limit()),
    ]


def _homepage(app: Path, settings: DurableTask, listed: Sequence[Listed]) -> Endpoint:
    async def homepage(request: Request) -> Response:
        if is_true("AzureWebJobsDisableHomepage"):
            return Response(status_code=204)
        return page("functions.html", app=app.name, task_hub=settings.hub_name, functions=listed)

    return homepage


def _remarks(settings: HostSettings) -> list[str]:
    levels = [f"logging.logLevel.{name}" for name in unknown_categories(settings.logging.log_level)]
    names = [*settings.not_honoured(), *levels]
    return [f"host.json: not honoured here: {', '.join(names)}."] if names else []
