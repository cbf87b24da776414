"""The `local_azure` fixture: Azurite and the azure server, started once for all workers of a test run."""

import fcntl
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest

from busbar.settings import Settings
from localazure import resolver
from localazure.azurite import create_containers, start_azurite
from localazure.runtime import open_runtime
from localazure.service import STORAGE_ACCOUNT, Runtime
from localazure.tls import ensure_certificates

REPOSITORY = "plants/fleet"
START_SECONDS = 60.0
_ROOT = Path(__file__).parent.parent
_STAGES = ("dev", "test", "prod")
_CONTAINERS = ("raw", "sensors", "predictions", *(f"azureml-mlops-{stage}-workspace" for stage in _STAGES))
_CONFIG: dict[str, Any] = {
    "ports": {"azure": 0, "functions": 0, "blob": 0, "queue": 0, "table": 0},
    "workspaces": [
        {
            "name": f"mlops-{stage}-workspace",
            "resource_group": f"mlops-{stage}-rg",
            "computes": [{"name": "training-cluster"}, {"name": "scoring-cluster"}],
        }
        for stage in _STAGES
    ],
    "registries": [
        {"name": "mlops-central-registry", "resource_group": "mlops-shared-rg", "propagation_seconds": 1.0}
    ],
    "containers": _CONTAINERS,
    "event_grid": {"topics": ["busbar"]},
    "repositories": [{"name": REPOSITORY, "default_branch": "main"}],
}


class _Users(TypedDict):
    """How many workers use the processes, and the processes' ids."""

    count: int
    processes: list[int]


@dataclass(frozen=True)
class LocalAzure:
    """A running local Azure. `environment` is what a process needs to reach it; this one has it already."""

    settings: Settings
    environment: Mapping[str, str]
    state: Path
    url: str

    @property
    def git(self) -> Path:
        """The bare repository behind the git host."""
        return self.state / "git" / f"{REPOSITORY}.git"


@pytest.fixture(scope="session")
def local_azure(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalAzure]:
    """A local Azure shared by all tests of a run, workers included: use names of your own in it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    state = shared / "local-azure"
    resolver.install()
    with _kept_running(state), pytest.MonkeyPatch.context() as patch:
        runtime = open_runtime(state / "config.yaml", state)
        environment = _environment(runtime)
        for name, value in environment.items():
            patch.setenv(name, value)
        yield LocalAzure(Settings.from_environment(environment), environment, state, runtime.addresses.azure)


@contextmanager
def _kept_running(state: Path) -> Generator[None]:
    """The first worker starts the processes, the last one ends them."""
    state.mkdir(parents=True, exist_ok=True)
    with _users(state) as users:
        if not users["count"]:
            users["processes"] = _start(state)
        users["count"] += 1
    try:
        yield
    finally:
        with _users(state) as users:
            users["count"] -= 1
            if not users["count"]:
                _end(users["processes"])


@contextmanager
def _users(state: Path) -> Generator[_Users]:
    with (state / "users.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = json.loads(file.read() or '{"count": 0, "processes": []}')
        yield users
        file.seek(0)
        file.truncate()
        file.write(json.dumps(users))


def _start(state: Path) -> list[int]:
    config = state / "config.yaml"
    config.write_text(json.dumps(_CONFIG))  # JSON is YAML
    runtime = open_runtime(config, state)
    azurite = start_azurite(state, runtime.config.ports, ensure_certificates(state))
    create_containers(runtime.addresses.storage_ip, runtime.ca_bundle, _CONTAINERS)
    with (state / "azure.log").open("ab") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "localazure.server",
                "--config",
                str(config),
                "--state",
                str(state),
            ],
            cwd=_ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_environment(runtime)},
            start_new_session=True,
        )
    processes = [azurite.pid, server.pid]
    try:
        _wait_until_healthy(server, runtime, state / "azure.log")
    except BaseException:
        _end(processes)
        raise
    return processes


def _end(processes: list[int]) -> None:
    """End the groups of processes that `_start` started, by id."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGTERM)


def _wait_until_healthy(server: subprocess.Popen[bytes], runtime: Runtime, log: Path) -> None:
    context = ssl.create_default_context(cafile=str(runtime.ca_bundle))
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(verify=context) as client:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                client.get(f"{runtime.addresses.azure}/health").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)
    raise RuntimeError(f"the azure server did not start: {log.read_text(errors='replace')[-2000:]}")


def _environment(runtime: Runtime) -> dict[str, str]:
    azure, ports = runtime.addresses.azure, runtime.config.ports
    bundle = str(runtime.ca_bundle)
    workspaces = {stage: f"mlops-{stage}-rg/mlops-{stage}-workspace" for stage in _STAGES}
    return {
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "IDENTITY_ENDPOINT": f"{azure}/msi/token",
        "IDENTITY_HEADER": runtime.secrets["identity_header"],
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "ARM_CLOUD_METADATA_URL": f"{azure}/metadata/endpoints?api-version=2019-05-01",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{azure}/",
        "BUSBAR_SUBSCRIPTION_ID": runtime.config.subscription_id,
        "BUSBAR_WORKSPACES": json.dumps(workspaces),
        "BUSBAR_REGISTRY": "mlops-central-registry",
        "BUSBAR_LOCATION": runtime.config.location,
        "BUSBAR_BLOB_URL": f"https://{STORAGE_ACCOUNT}.blob.localhost:{ports.blob}",
        "BUSBAR_TABLE_URL": f"https://127.0.0.1:{ports.table}/{STORAGE_ACCOUNT}",
        "BUSBAR_EVENT_GRID_ENDPOINT": f"{azure}/topics/busbar/api/events",
        "BUSBAR_EMAIL_ENDPOINT": azure,
        "BUSBAR_EMAIL_SENDER": "DoNotReply@example.com",
        "BUSBAR_REPOSITORY_API": f"{azure}/api/v3",
        "BUSBAR_REPOSITORY": REPOSITORY,
        "BUSBAR_REPOSITORY_TOKEN": runtime.secrets["git_token"],
        "BUSBAR_WEBHOOK_SECRET": runtime.secrets["webhook"],
        "BUSBAR_PUBLIC_URL": runtime.addresses.functions,
    }
