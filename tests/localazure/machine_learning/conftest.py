"""A real Azurite, the emulator over TLS in this process, and the real SDK pointed at it by environment variables."""

import asyncio
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from localazure import resolver, secrets
from localazure.azurite import Azurite, start_azurite
from localazure.config import Compute, Config, OnlineServing, Ports, Registry, Workspace
from localazure.identity import Identity, Tokens
from localazure.machine_learning import MachineLearning
from localazure.machine_learning.storage import Location, Storage
from localazure.service import Addresses, Runtime
from localazure.tls import ensure_certificates
from localazure.web import Refusal, refuse
from tests.localazure.contracts import record
from tests.localazure.contracts.check import findings
from tests.localazure.contracts.exchanges import Exchange, recording
from tests.localazure.machine_learning.sdk import FINISHED, register

WORKSPACE = "mlops-dev-workspace"
REGISTRY = "mlops-central-registry"
GROUP = "mlops-rg"


@dataclass
class Cloud:
    """The running emulator. `events` are what it emitted, `exchanges` all that it was sent and answered."""

    runtime: Runtime
    azurite: Azurite | None = None
    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def events_of(self, run: str) -> list[tuple[str, Mapping[str, Any]]]:
        """(short event type, data) of one run, in order."""
        found = [event for _, event in self.events if event["data"].get("runId") == run]
        return [(event["eventType"].rpartition(".")[2], event["data"]) for event in found]

    def folder(self, job: str, workspace: str = WORKSPACE) -> Path:
        return self.runtime.state / "jobs" / workspace / job

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve until the block ends; may be entered again (a restart)."""
        service = MachineLearning(self.runtime, lambda source, event: self.events.append((source, event)))
        identity = Identity(self.runtime)
        application = Starlette(
            routes=[*identity.routes, *service.routes], exception_handlers={Refusal: refuse}
        )
        server = _Server(_config(self.runtime, recording(application, self.exchanges)))
        thread = threading.Thread(target=lambda: asyncio.run(_serve(server, service)), daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive(), "the emulator to listen")
        if not server.started:
            raise RuntimeError("the emulator did not start")
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(20)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the test runner keeps its own signal handlers


async def _serve(server: uvicorn.Server, service: MachineLearning) -> None:
    await service.start()
    try:
        await server.serve()
    finally:
        await service.stop()


def _config(runtime: Runtime, application: ASGIApp) -> uvicorn.Config:
    certificates = ensure_certificates(runtime.state)
    return uvicorn.Config(
        application,
        host="127.0.0.1",
        port=int(runtime.addresses.azure.rpartition(":")[2]),
        ssl_certfile=certificates.certificate,
        ssl_keyfile=certificates.key,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )


def wait_until(ready: Callable[[], object], what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


def finish(ml: Any, name: str) -> Any:
    """The job once it has ended."""
    wait_until(lambda: ml.jobs.get(name).status in FINISHED, f"the job {name} to end")
    return ml.jobs.get(name)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    state = tmp_path_factory.mktemp("localazure")
    certificates = ensure_certificates(state)
    azurite = start_azurite(state, Ports(blob=0, queue=0, table=0), certificates)
    config = Config(
        workspaces=(
            Workspace(
                name=WORKSPACE, resource_group=GROUP, computes=(Compute(name="cpu-cluster", max_nodes=2),)
            ),
            Workspace(
                name="mlops-test-workspace",
                resource_group=GROUP,
                computes=(Compute(name="single", max_nodes=1),),
            ),
        ),
        registries=(Registry(name=REGISTRY, resource_group=GROUP, propagation_seconds=1.5),),
        ports=azurite.ports,
        online=OnlineServing(seed=1),
    )
    addresses = Addresses(
        azure=f"https://localhost:{free_port()}",
        functions="http://127.0.0.1:1",
        blob=azurite.blob,
        table=azurite.table,
        storage_ip=azurite.storage_ip,
    )
    runtime = Runtime(config, state, addresses, certificates.bundle, secrets.load_or_create(state))
    try:
        with pytest.MonkeyPatch.context() as patch:
            _point_sdk_at(runtime, patch)
            running = Cloud(runtime, azurite)
            with running.serving():
                yield running
            record.keep(running.exchanges)
    finally:
        azurite.stop()


@pytest.fixture(autouse=True)
def _contract(request: pytest.FixtureRequest) -> Iterator[None]:
    """What an SDK sent and we took in a test, and what we answered, is as Azure's schemas say."""
    if "cloud" not in request.fixturenames:
        yield
        return
    exchanges = request.getfixturevalue("cloud").exchanges
    before = len(exchanges)
    yield
    found = {str(finding) for exchange in exchanges[before:] for finding in findings(exchange)}
    assert not found, "\n".join(["Not as Azure's schemas (or contracts/deviations.py) say:", *sorted(found)])


def _point_sdk_at(runtime: Runtime, patch: pytest.MonkeyPatch) -> None:
    resolver.install()
    for name in [name for name in os.environ if name.startswith(("AZURE_", "AZUREML_"))]:
        patch.delenv(name)
    for name, value in {
        "ARM_CLOUD_METADATA_URL": f"{runtime.addresses.azure}/metadata/endpoints?api-version=2019-05-01",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{runtime.addresses.azure}/",
        "IDENTITY_ENDPOINT": f"{runtime.addresses.azure}/msi/token",
        "IDENTITY_HEADER": runtime.secrets["identity_header"],
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "REQUESTS_CA_BUNDLE": str(runtime.ca_bundle),
        "SSL_CERT_FILE": str(runtime.ca_bundle),
    }.items():
        patch.setenv(name, value)


@pytest.fixture(scope="session")
def ml(cloud: Cloud) -> Any:
    """An `MLClient` of the development workspace."""
    return client(cloud, workspace=WORKSPACE)


@pytest.fixture(scope="session")
def registry(cloud: Cloud) -> Any:
    """An `MLClient` of the registry."""
    return client(cloud, registry=REGISTRY)


def client(cloud: Cloud, workspace: str | None = None, registry: str | None = None) -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()
    if registry:
        return MLClient(credential, registry_name=registry)
    return MLClient(credential, cloud.runtime.config.subscription_id, GROUP, workspace)


@contextmanager
def workspace_client(runtime: Runtime, prefix: str = "", suffix: str = "") -> Iterator[httpx.Client]:
    """Plain HTTP to the development workspace, with a token; `prefix` and `suffix` go around its ARM id."""
    token, _ = Tokens(runtime.state, runtime.config.tenant_id).issue("https://management.azure.com")
    workspace = (
        f"/subscriptions/{runtime.config.subscription_id}/resourceGroups/{GROUP}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
    )
    with httpx.Client(
        base_url=f"{runtime.addresses.azure}{prefix}{workspace}{suffix}",
        headers={"Authorization": f"Bearer {token}"},
        params={"api-version": "2025-12-01"},
        verify=ssl.create_default_context(cafile=str(runtime.ca_bundle)),
    ) as session:
        yield session


@pytest.fixture
def arm(cloud: Cloud) -> Iterator[httpx.Client]:
    with workspace_client(cloud.runtime) as session:
        yield session


@pytest.fixture(scope="session")
def storage(cloud: Cloud) -> Storage:
    return Storage(cloud.runtime.addresses, cloud.runtime.ca_bundle)


@pytest.fixture(scope="session")
def published(ml: Any, storage: Storage) -> Any:
    """The development workspace with the sample environment, components and texts in it."""
    register(ml)
    for name, text in {"hello": "hi", "fail": "fail", "sleep": "sleep 60"}.items():
        storage.write(Location(f"azureml-{WORKSPACE}", f"texts/{name}.txt"), text.encode())
    return ml
