"""The Functions host: one app, one process, one event loop."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from durabletask.internal.orchestrator_service_pb2_grpc import add_TaskHubSidecarServiceServicer_to_server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.functions_host import durable_http, event_grid
from localazure.functions_host.access import Access
from localazure.functions_host.determinism import DeterminismGuard, check_determinism
from localazure.functions_host.durable_http import DurableHttp
from localazure.functions_host.durable_rpc import TaskHubService
from localazure.functions_host.durable_triggers import DurableTriggers
from localazure.functions_host.event_grid import EventGridWebhook
from localazure.functions_host.http_triggers import HttpRoute, HttpTriggers, http_routes
from localazure.functions_host.settings import HostSettings
from localazure.functions_host.timers import Timer
from localazure.functions_host.worker import Function, Worker
from localazure.task_hub.client import TaskHub, open_task_hub

LARGEST_MESSAGE = 64 * 1024 * 1024  # bytes, between durable clients and the task hub
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True)
class Host:
    """A running host: the ASGI app to serve, and what it serves."""

    asgi: Starlette
    functions: list[tuple[str, str, str]]  # name, trigger, address or schedule


@asynccontextmanager
async def open_host(app: Path, state: Path, base: str, key: str) -> AsyncGenerator[Host]:
    """Load the app and run its durable functions and timers until the block ends.

    `base` is the host's own address, no trailing slash.
    Raises `AppDoesNotLoad`, `SettingsError`, `TaskHubLocked`.
    """
    settings = HostSettings.read(app)
    _size_thread_pool(settings)
    rpc = grpc.aio.server(options=_message_sizes())
    rpc_port = rpc.add_insecure_port("127.0.0.1:0")
    worker = await Worker.load(app, client_binding(settings, base, rpc_port, key))
    triggers = DurableTriggers(worker)
    routes = http_routes(worker.of_kind("httptrigger"), settings.route_prefix)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(
            open_task_hub(
                state / "task_hub.sqlite",
                DeterminismGuard(triggers) if check_determinism() else triggers,
                turns=settings.max_turns,
                activities=settings.max_activities,
            )
        )
        await stack.enter_async_context(_serving(rpc, TaskHubService(hub, triggers)))
        documents = Documents(state / "timers.sqlite")
        stack.callback(documents.close)
        timers = [Timer(function, worker, documents) for function in worker.of_kind("timertrigger")]
        await stack.enter_async_context(_running(timers))
        asgi = _asgi(worker, hub, triggers, routes, {t.function.name: t for t in timers}, Access(key))
        yield Host(asgi, _listing(worker, routes, timers, base))


def client_binding(settings: HostSettings, base: str, rpc_port: int, key: str) -> str:
    """The configuration that the host hands to every durable client binding."""
    query = f"taskHub={settings.task_hub}&connection=Storage&code={key}"
    return json.dumps(
        {
            "taskHubName": settings.task_hub,
            "connectionName": "Storage",
            "requiredQueryStringParameters": query,
            "rpcBaseUrl": f"http://127.0.0.1:{rpc_port}",
            "httpBaseUrl": base + durable_http.PATH,
            "baseUrl": base + durable_http.PATH,
            "maxGrpcMessageSizeInBytes": LARGEST_MESSAGE,
            "grpcHttpClientTimeout": "00:01:40",
        }
    )


def _size_thread_pool(settings: HostSettings) -> None:
    """Activities may fill their share of the pool; turns and synchronous triggers still find a thread."""
    threads = settings.max_activities + settings.max_turns + 8
    os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", str(threads))


def _message_sizes() -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE),
        ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ]


@asynccontextmanager
async def _serving(rpc: grpc.aio.Server, service: TaskHubService) -> AsyncGenerator[None]:
    add_TaskHubSidecarServiceServicer_to_server(service, rpc)
    await rpc.start()
    try:
        yield
    finally:
        await rpc.stop(grace=1)


@asynccontextmanager
async def _running(timers: list[Timer]) -> AsyncGenerator[None]:
    tasks = [asyncio.create_task(timer.run()) for timer in timers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _asgi(
    worker: Worker,
    hub: TaskHub,
    triggers: DurableTriggers,
    routes: list[HttpRoute],
    timers: dict[str, Timer],
    access: Access,
) -> Starlette:
    async def status(request: Request) -> Response:
        return JSONResponse({"state": "Running", "functions": len(worker.functions)})

    async def functions(request: Request) -> Response:
        return JSONResponse([{"name": f.name, "bindings": f.bindings} for f in worker.functions.values()])

    async def fire(request: Request) -> Response:
        timer = timers.get(request.path_params["name"])
        if timer is None:
            return Response("Only timer functions can be run by hand here.\n", 404)
        await timer.fire(past_due=False)
        return Response(status_code=202)

    webhook = EventGridWebhook(worker)
    own: list[BaseRoute] = [
        Route("/admin/host/status", status),
        Route("/admin/functions", access.guard(functions)),
        Route("/admin/functions/{name}", access.guard(fire), methods=["POST"]),
        Route(event_grid.PATH, access.guard(webhook.serve), methods=["POST", "OPTIONS"]),
        *DurableHttp(hub, triggers, access).routes(),
    ]
    app_functions = Route("/{path:path}", HttpTriggers(routes, worker, access).serve, methods=_METHODS)
    return Starlette(routes=[*own, app_functions])


def _listing(
    worker: Worker, routes: list[HttpRoute], timers: list[Timer], base: str
) -> list[tuple[str, str, str]]:
    addresses = {route.function.name: f"{base}/{route.template.text}" for route in routes}
    addresses |= {timer.function.name: timer.schedule.expression for timer in timers}
    addresses |= {
        function.name: f"{base}{event_grid.PATH}?functionName={function.name}"
        for function in worker.of_kind("eventgridtrigger")
    }
    own = [function for function in worker.functions.values() if not function.name.startswith("BuiltIn__")]
    return [(function.name, _kind(function), addresses.get(function.name, "")) for function in own]


def _kind(function: Function) -> str:
    return str(function.trigger["type"]).removesuffix("Trigger")
