"""An Event Grid whose functions host is the receiver, and a small real webhook."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.identity import DefaultAzureCredential

from localazure.config import Config
from localazure.event_grid import EventGrid
from localazure.identity import Identity

WORKSPACE = "ws"
GROUP = "rg"
QUICK = 0.005  # of Azure's schedule: 10 s become 50 ms


def config(
    subscriptions: list[dict[str, Any]] | None = None, *, time_scale: float = QUICK, **section: Any
) -> Config:
    """A workspace, a topic of each schema, and by default one subscription that takes everything of `busbar`."""
    given = [everything()] if subscriptions is None else subscriptions
    return Config.model_validate(
        {
            "workspaces": [{"name": WORKSPACE, "resource_group": GROUP}],
            "event_grid": {
                "topics": ["busbar", {"name": "clouds", "input_schema": "CloudEventSchemaV1_0"}],
                "time_scale": time_scale,
                "subscriptions": given,
                **section,
            },
        }
    )


def everything(**fields: Any) -> dict[str, Any]:
    settings = {"name": "all", "source": "busbar", "max_delivery_attempts": 3}
    return settings | ({} if "webhook" in fields else {"function": "receive_event"}) | fields


def emulators(runtime: Any) -> list[Any]:
    identity = Identity(runtime)
    return [identity, EventGrid(runtime, identity.tokens)]


def topic(azure: Any, name: str = "busbar") -> str:
    return f"{azure.runtime.addresses.azure}/topics/{name}/api/events"


def publisher(azure: Any, name: str = "busbar", credential: Any = None) -> EventGridPublisherClient:
    return EventGridPublisherClient(topic(azure, name), credential or DefaultAzureCredential())


def an_event(**fields: Any) -> EventGridEvent:
    settings: dict[str, Any] = {
        "subject": "plants/fleet",
        "event_type": "Pushed",
        "data": {"n": 1},
        "data_version": "1",
    }
    return EventGridEvent(**(settings | fields))


def admin(azure: Any) -> dict[str, Any]:
    return azure.http.get("/admin/event_grid").json()


def metrics(azure: Any, name: str = "all") -> dict[str, int]:
    return next(one for one in admin(azure)["subscriptions"] if one["name"] == name)["metrics"]


def resource(azure: Any, path: str) -> str:
    """The path of a resource in ARM; `path` begins after the resource groups' names."""
    return f"/subscriptions/{azure.runtime.config.subscription_id}/resourceGroups/{path}"


@pytest.fixture
def start(make_runtime: Any, serve: Any) -> Callable[..., Any]:
    """Serve an Event Grid of `config(...)`; the emulator itself is `start(...).grid`."""

    def start(subscriptions: list[dict[str, Any]] | None = None, **section: Any) -> Any:
        runtime = make_runtime(config(subscriptions, **section))
        return serve(runtime, emulators(runtime))

    return start


@pytest.fixture
def arm(serve: Any) -> Callable[..., httpx.Response]:
    """Call Azure Resource Manager with the identity's token for it."""

    def call(azure: Any, method: str, path: str, body: Any = None, version: str = "2022-06-15") -> Any:
        token = DefaultAzureCredential().get_token(f"{azure.runtime.addresses.azure}/.default").token
        return azure.http.request(
            method,
            path,
            params={"api-version": version} if version else {},
            json=body,
            headers={"authorization": f"Bearer {token}"},
        )

    return call


@dataclass
class Webhook:
    """A subscriber of somebody else: answers validation as `agrees` says ("code", "silently", "no"), events with
    `statuses` in turn, then 200."""

    url: str
    agrees: str = "code"
    statuses: list[int] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)  # the headers and body of each validation
    received: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    close: Callable[[], None] = lambda: None


class _Subscriber(BaseHTTPRequestHandler):
    hook: Webhook

    def do_OPTIONS(self) -> None:
        self.hook.asked.append({"headers": self._lowered()})
        allowed = {"webhook-allowed-origin": self.headers["webhook-request-origin"]}
        status = 403 if self.hook.agrees == "no" else 200
        self._answer(status, headers=allowed if self.hook.agrees == "code" else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["aeg-event-type"] == "SubscriptionValidation":
            return self._validate(body)
        self.hook.received.append(body)
        self.hook.headers.append(self._lowered())
        return self._answer(self.hook.statuses.pop(0) if self.hook.statuses else 200)

    def _validate(self, body: Any) -> None:
        self.hook.asked.append({"headers": self._lowered(), "body": body})
        code = {"validationResponse": body[0]["data"]["validationCode"]}
        said = json.dumps(code).encode() if self.hook.agrees == "code" else b""
        self._answer(403 if self.hook.agrees == "no" else 200, said)

    def _lowered(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    handler = type("Subscriber", (_Subscriber,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def close() -> None:
        server.shutdown()
        server.server_close()

    hook = Webhook(f"http://127.0.0.1:{server.server_port}/hooks?code=secret", close=close)
    handler.hook = hook
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield hook
    close()
