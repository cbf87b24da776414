"""The functions host as a process of its own, serving the small app beside this file."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.durable_functions.client import SyncDurableFunctionsClient

APP = Path(__file__).with_name("app")
SURFACE = Path(__file__).with_name("surface")
ROOT = Path(__file__).parents[3]
KEY = "test-key"


@dataclass
class RunningHost:
    process: subprocess.Popen[bytes]
    folder: Path
    http: httpx.Client

    @property
    def output(self) -> str:
        """What it has said on stderr."""
        return (self.folder / "stderr").read_text()

    def notes(self, kind: str) -> list[Any]:
        """What the app noted under `kind`."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [value for noted, value in map(json.loads, lines) if noted == kind]

    def until[T](self, look: Callable[[], T]) -> T:
        deadline = time.monotonic() + 15
        while not (found := look()):
            assert time.monotonic() < deadline, "waited for 15 s in vain"
            time.sleep(0.01)
        return found

    def run(self, name: str, value: Any, instance_id: str = "") -> dict[str, Any]:
        """Start an orchestration over the app's own route and follow its status address to the end."""
        started = self.http.post(f"/runs/{name}/{instance_id}", json=value)
        assert started.status_code == 202, started.text
        return self.finished(started.json()["statusQueryGetUri"])

    def finished(self, address: str) -> dict[str, Any]:
        return self.until(lambda: (answer := self.http.get(address)).status_code == 200 and answer.json())

    def stop(self, number: int = signal.SIGTERM) -> str:
        self.process.send_signal(number)
        self.process.wait(timeout=10)
        self.http.close()
        return self.output


def start_host(folder: Path, *options: str, app: Path = APP, **settings: str) -> RunningHost:
    command = [sys.executable, "-m", "localazure.functions_host", "start", "--port", "0"]
    command += ["--app", str(app), "--state", str(folder / "state"), *options]
    environment = {"TICKS": "0 0 0 1 1 *"} | os.environ | {"LOCALAZURE_FUNCTIONS_KEY": KEY} | settings
    environment |= {"PYTHONPATH": str(ROOT), "NOTES": str(folder / "notes")}
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(command, stderr=stderr, env=environment)
    while not (found := re.search(r"listens on (\S+)\n", (folder / "stderr").read_text())):
        if process.poll() is not None:
            raise AssertionError(f"exit status {process.returncode}\n{(folder / 'stderr').read_text()}")
        time.sleep(0.01)
    return RunningHost(process, folder, httpx.Client(base_url=found[1], timeout=20))


@pytest.fixture(scope="session")
def launch() -> Callable[..., RunningHost]:
    """`start_host`, for fixtures that outlive a test."""
    return start_host


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    running = start_host(tmp_path_factory.mktemp("host"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def binding(host: RunningHost) -> str:
    """What the host hands to a durable client binding, for a client in this process."""
    return host.http.get("/binding").text


@pytest.fixture(scope="session")
def client(binding: str) -> Iterator[SyncDurableFunctionsClient]:
    """The SDK's own client."""
    with closing(SyncDurableFunctionsClient(binding)) as client:
        yield client


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningHost]]:
    """Starts hosts on the test's own folder; those still running are killed at the end."""
    hosts = list[RunningHost]()

    def started(*options: str, **settings: Any) -> RunningHost:
        hosts.append(start_host(tmp_path, *options, **settings))
        return hosts[-1]

    yield started
    for running in hosts:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


@pytest.fixture
def start_surface(start: Callable[..., RunningHost]) -> Callable[..., RunningHost]:
    """Starts hosts of the app in `surface`, which has no durable functions."""

    def started(*options: str, **settings: str) -> RunningHost:
        return start(*options, app=SURFACE, HUB="Surface", **settings)

    return started


@pytest.fixture(scope="session")
def surface_app() -> Path:
    return SURFACE


@pytest.fixture(scope="session")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    settings = {"HUB": "Surface", "AzureWebJobs.off.Disabled": "true"}
    running = start_host(tmp_path_factory.mktemp("surface"), app=SURFACE, **settings)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def key() -> str:
    return KEY
