"""A real azure server as a process of its own, a real Azurite, and the real SDKs pointed at them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from localazure import resolver
from localazure.azurite import Azurite, start_azurite
from localazure.environment import environment
from localazure.runtime import open_runtime
from localazure.service import Runtime
from localazure.tls import ensure_certificates
from tests.localazure.conftest import Receiver, receiving

WORKSPACE, GROUP, COMPUTE = "faulty-workspace", "faulty-rg", "cpu-cluster"
REGISTRY = "faulty-registry"
_CONFIG = {
    "ports": {"azure": 0, "pages": 0, "functions": 0, "blob": 0, "queue": 0, "table": 0},
    "workspaces": [
        {"name": WORKSPACE, "resource_group": GROUP, "computes": [{"name": COMPUTE, "max_nodes": 2}]}
    ],
    "registries": [{"name": REGISTRY, "resource_group": GROUP}],
    "containers": ["raw"],
    "event_grid": {
        "topics": ["orders"],
        "subscriptions": [{"name": "all-orders", "source": "orders", "function": "receive"}],
    },
    "repositories": [{"name": "plants/fleet"}],
}


@dataclass
class Stack:
    """The running server. `pages` is its plain HTTP side, where faults are asked for."""

    runtime: Runtime
    config: Path
    azurite: Azurite
    receiver: Receiver
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "localazure.server", "--config", str(self.config)]
        with (self.runtime.state / "azure.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--state", str(self.runtime.state)], stdout=log, stderr=log
            )
        until(self._answers, "the server to answer", 60)

    def stop(self, *, kill: bool = False) -> None:
        if self.process:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(20)

    def _answers(self) -> bool:
        if self.process and self.process.poll() is not None:
            raise RuntimeError((self.runtime.state / "azure.log").read_text()[-3000:])
        try:
            socket.create_connection(("127.0.0.1", self.runtime.config.ports.azure), timeout=1).close()
            return self.ask("GET", "/health").is_success
        except (OSError, httpx.TransportError):
            return False

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request to the plain HTTP side."""
        return httpx.request(
            method, f"{self.runtime.addresses.pages}{path}", trust_env=False, timeout=20, **options
        )

    def fault(self, kind: str, **asked: Any) -> str:
        answer = self.ask("POST", "/admin/faults", json={"kind": kind, **asked})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def clear(self) -> None:
        self.ask("DELETE", "/admin/faults").raise_for_status()

    def injected(self, identifier: str) -> list[Mapping[str, str]]:
        """What a fault was injected into, in order."""
        log = self.ask("GET", "/admin/faults/log").raise_for_status().json()["log"]
        return [entry["into"] for entry in reversed(log) if entry["fault"] == identifier]


def until(ready: Callable[[], object], what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    config, state = folder / "local.yaml", folder / "state"
    config.write_text(json.dumps(_CONFIG))  # JSON is YAML
    runtime = open_runtime(config, state)
    azurite = start_azurite(state, runtime.config.ports, ensure_certificates(state))
    try:
        with receiving(runtime.config.ports.functions) as receiver:
            stack = Stack(runtime, config, azurite, receiver)
            try:
                stack.start()
                yield stack
            finally:
                stack.stop()
    finally:
        azurite.stop()


@pytest.fixture(scope="session")
def session_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("faulty")) as stack, pytest.MonkeyPatch.context() as patch:
        resolver.install()
        for name in [name for name in os.environ if name.startswith(("AZURE_", "AZUREML_"))]:
            patch.delenv(name)
        for name, value in environment(stack.runtime).items():
            patch.setenv(name, value)
        yield stack


@pytest.fixture
def stack(session_stack: Stack) -> Iterator[Stack]:
    """The one stack of the session, without faults before and after the test."""
    session_stack.clear()
    session_stack.receiver.received.clear()
    yield session_stack
    session_stack.clear()


def client(stack: Stack, *, registry: bool = False, **options: Any) -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()
    if registry:
        return MLClient(credential, registry_name=REGISTRY, **options)
    return MLClient(credential, stack.runtime.config.subscription_id, GROUP, WORKSPACE, **options)


@pytest.fixture(scope="session")
def ml(session_stack: Stack) -> Any:
    """An `MLClient` of the workspace, which has an environment."""
    from tests.localazure.machine_learning.sdk import environment as sample

    found = client(session_stack)
    found.environments.create_or_update(sample())
    return found
