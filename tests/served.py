"""The app's own HTTP routes, from `function_app.py`, on a real port, over fakes: what a command line meets."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest
from durabletask.client import OrchestrationStatus

from busbar import bootstrap
from localazure.functions_host.http.templates import Template, decoded

KEY = "function-key"


@dataclass(frozen=True)
class State:
    """An orchestration that goes on, as the durable client tells it."""

    instance_id: str
    name: str
    runtime_status: OrchestrationStatus = OrchestrationStatus.RUNNING
    serialized_custom_status: str | None = None
    created_at: datetime = datetime(2025, 12, 9, 12, tzinfo=UTC)


@dataclass
class DurableClient:
    """The durable client: what was started, by instance id, what is `running` beside that, and what was woken."""

    started: dict[str, tuple[str, Any]] = field(default_factory=dict[str, tuple[str, Any]])
    running: set[str] = field(default_factory=set[str])
    woken: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def get_orchestration_state(self, instance_id: str) -> Any:
        if instance_id in self.running:
            return State(instance_id, "")
        known = self.started.get(instance_id)
        return State(instance_id, known[0]) if known else None

    def raise_orchestration_event(self, instance_id: str, event: str, *, data: Any = None) -> None:
        self.woken.append((instance_id, event))

    def schedule_new_orchestration(self, orchestrator: str, *, input: Any, instance_id: str) -> None:
        self.started[instance_id] = (orchestrator, input)


@dataclass(frozen=True)
class Served:
    url: str
    durable: DurableClient


@contextmanager
def served(patch: pytest.MonkeyPatch, clients: Mapping[str, Any]) -> Generator[Served]:
    """The app over `clients` by keyword, until the block ends. A function key is asked for where Azure asks it."""
    patch.setattr(bootstrap, "client", clients.__getitem__)
    durable = DurableClient()
    server = _Server(("127.0.0.1", 0), _handler(durable))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_port}", durable)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # many may come at once


@dataclass(frozen=True)
class _Route:
    template: Template
    methods: tuple[str, ...]
    keyed: bool
    function: Any


@cache
def _routes() -> list[_Route]:
    """Asked for once: an app names its functions a single time."""
    import function_app

    found: list[_Route] = []
    for one in function_app.app.get_functions():
        trigger: dict[str, Any] = one.get_trigger().get_dict_repr()  # pyright: ignore[reportOptionalMemberAccess]
        if "route" in trigger:
            methods = tuple(method.value for method in trigger["methods"])
            keyed = trigger["authLevel"] is func.AuthLevel.FUNCTION
            found.append(_Route(Template.compile(trigger["route"]), methods, keyed, one.get_user_function()))
    return sorted(found, key=lambda route: route.template.precedence)


def _handler(durable: DurableClient) -> type[BaseHTTPRequestHandler]:
    routes = _routes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def log_message(self, format: str, *args: Any) -> None: ...

        def _answer(self, body: bytes) -> None:
            response = _call(routes, durable, self.command, self.path, dict(self.headers), body)
            self.send_response(response.status_code)
            content = response.get_body()
            self.send_header("Content-Length", str(len(content)))
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    return Handler


def _call(
    routes: list[_Route],
    durable: DurableClient,
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
) -> func.HttpResponse:
    address = urlsplit(target)
    for route in routes:
        values = route.template.match(decoded(address.path.encode()))
        if values is None or method not in route.methods:
            continue
        if route.keyed and headers.get("x-functions-key") != KEY:
            return func.HttpResponse(status_code=401)
        query = dict(parse_qsl(address.query))
        request = func.HttpRequest(
            method, target, headers=headers, params=query, route_params=values, body=body
        )
        if "client" in signature(route.function).parameters:
            return route.function.__wrapped__(request, durable)
        return route.function(request)
    return func.HttpResponse(status_code=404)
