"""A real azure server over TLS in this process, and a receiver in the functions host's place."""

import asyncio
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from localazure import secrets
from localazure.config import Config
from localazure.identity import Tokens
from localazure.server import application
from localazure.service import Addresses, Runtime, Service
from localazure.tls import ensure_certificates

SECONDS = 10.0


@dataclass(frozen=True)
class Received:
    """One request as the receiver saw it; `at` is a monotonic time in seconds."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Stands where the functions host stands: keeps what it gets, answers `statuses` in turn, then 200."""

    url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def wait_for(self, count: int, seconds: float = SECONDS) -> list[Received]:
        wait_until(lambda: len(self.received) >= count, seconds)
        return self.received


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            receiver.received.append(Received(self.path, headers, body, time.monotonic()))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Azure:
    """A running azure server. `http` trusts its certificate; `runtime.addresses.azure` is its base URL."""

    runtime: Runtime
    http: httpx.Client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the keys that are slow to make."""
    state = tmp_path_factory.mktemp("made_once")
    ensure_certificates(state)
    Tokens(state, "any")
    return state


@pytest.fixture
def make_runtime(tmp_path: Path, receiver: Receiver, made_once: Path) -> Callable[[Config], Runtime]:
    """A runtime whose functions host is the receiver; the azure port is free to take."""

    def make(config: Config) -> Runtime:
        state = tmp_path / "state"
        if not state.exists():
            shutil.copytree(made_once, state)
        nowhere = "https://127.0.0.1:1"
        return Runtime(
            config=config,
            state=state,
            addresses=Addresses(_free_address(), receiver.url, nowhere, nowhere, nowhere),
            ca_bundle=ensure_certificates(state).bundle,
            secrets=secrets.load_or_create(state),
        )

    return make


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Runtime, Sequence[Service]], Azure]]:
    """Start a server for a runtime's emulators; SDKs of this process find it through the environment."""
    with ExitStack() as stack:

        def start(runtime: Runtime, emulators: Sequence[Service]) -> Azure:
            stack.enter_context(serving(runtime, emulators))
            for name, value in {
                "IDENTITY_ENDPOINT": f"{runtime.addresses.azure}/msi/token",
                "IDENTITY_HEADER": runtime.secrets["identity_header"],
                "REQUESTS_CA_BUNDLE": str(runtime.ca_bundle),
                "SSL_CERT_FILE": str(runtime.ca_bundle),
                "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            }.items():
                monkeypatch.setenv(name, value)
            http = httpx.Client(base_url=runtime.addresses.azure, verify=_trusting(runtime), trust_env=False)
            return Azure(runtime, stack.enter_context(http))

        yield start


@contextmanager
def serving(runtime: Runtime, emulators: Sequence[Service]) -> Iterator[None]:
    certificates = ensure_certificates(runtime.state)
    server = uvicorn.Server(
        uvicorn.Config(
            application(runtime, emulators),
            host="127.0.0.1",
            port=int(runtime.addresses.azure.rpartition(":")[2]),
            ssl_certfile=certificates.certificate,
            ssl_keyfile=certificates.key,
            log_level="warning",
            timeout_graceful_shutdown=0,  # idle clients do not answer a TLS goodbye
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def serving_again() -> Callable[[Runtime, Sequence[Service]], Any]:
    """`with serving_again(runtime, emulators):` one server's life, for tests about restarts."""
    return serving


@pytest.fixture
def wait() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def elsewhere() -> Callable[[Runtime, str], Runtime]:
    """The same runtime with another address of the functions host."""
    return lambda runtime, functions: replace(
        runtime, addresses=replace(runtime.addresses, functions=functions)
    )


def _trusting(runtime: Runtime) -> Any:
    return ssl.create_default_context(cafile=str(runtime.ca_bundle))


def _free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"https://localhost:{listener.getsockname()[1]}"
