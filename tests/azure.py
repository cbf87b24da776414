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
from ruamel.yaml import YAML

from busbar.settings import Settings
from localazure import resolver
from localazure.azurite import create_containers, start_azurite
from localazure.config import Ports
from localazure.environment import environment
from localazure.runtime import open_runtime
from localazure.service import Runtime
from localazure.tls import ensure_certificates

START_SECONDS = 60.0
_ROOT = Path(__file__).parent.parent


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
        return self.state / "git" / f"{self.settings.repository}.git"


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
        variables = environment(runtime)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield LocalAzure(Settings.from_environment(variables), variables, state, runtime.addresses.azure)


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
    config.write_text(json.dumps(_config()))  # JSON is YAML
    runtime = open_runtime(config, state)
    processes = [start_azurite(state, runtime.config.ports, ensure_certificates(state)).pid]
    try:
        create_containers(runtime.addresses.storage_ip, runtime.ca_bundle, runtime.config.containers)
        server = _start_server(config, runtime)
        processes.append(server.pid)
        _wait_until_healthy(server, runtime)
    except BaseException:
        _end(processes)
        raise
    return processes


def _start_server(config: Path, runtime: Runtime) -> subprocess.Popen[bytes]:
    with _log(runtime).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "localazure.server", "--config", config, "--state", runtime.state],
            cwd=_ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment(runtime)},
            start_new_session=True,
        )


def _log(runtime: Runtime) -> Path:
    return runtime.state / "azure.log"


def _end(processes: list[int]) -> None:
    """End the groups of processes that `_start` started, by id."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGTERM)


def _wait_until_healthy(server: subprocess.Popen[bytes], runtime: Runtime) -> None:
    context = ssl.create_default_context(cafile=str(runtime.ca_bundle))
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(verify=context) as client:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                client.get(f"{runtime.addresses.azure}/health").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)
    raise RuntimeError(f"the azure server did not start: {_log(runtime).read_text(errors='replace')[-2000:]}")


def _config() -> dict[str, Any]:
    """`infra/local.yaml` on free ports, without the app: nobody takes events or webhooks."""
    config: dict[str, Any] = YAML(typ="safe").load((_ROOT / "infra" / "local.yaml").read_text())
    config["ports"] = dict.fromkeys(Ports.model_fields, 0)
    config["event_grid"]["subscriptions"] = []
    config["repositories"] = [{"name": repository["name"]} for repository in config["repositories"]]
    del config["functions"]
    return config
