"""A server that is killed forgets nothing: its jobs' processes are ended and its unfinished jobs run again."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from localazure.service import Runtime
from tests.localazure.machine_learning.conftest import Cloud, free_port, wait_until, workspace_client

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).parents[3]

# Runs once for good, and at its first start for as long as it is let.
COMMAND = 'echo $$ >> "$STARTS"; test $(wc -l < "$STARTS") -gt 1 || sleep 60'


def serve_until_killed(pickled: str) -> None:
    """What the process that dies does."""
    parts = pickle.loads(Path(pickled).read_bytes())  # noqa: S301 - written by this test
    with Cloud(Runtime(**parts)).serving():
        print("serving", flush=True)
        time.sleep(120)


@pytest.fixture
def own(cloud: Cloud, tmp_path: Path) -> Runtime:
    """A runtime with a state and a port of its own, on the session's Azurite."""
    addresses = replace(cloud.runtime.addresses, azure=f"https://localhost:{free_port()}")
    state = tmp_path / "state"
    state.mkdir()
    (state / "tls").symlink_to(cloud.runtime.state / "tls")
    environments = cloud.runtime.state / "environments"
    environments.mkdir(exist_ok=True)
    (state / "environments").symlink_to(environments)
    return replace(cloud.runtime, state=state, addresses=addresses)


@pytest.fixture
def arm(own: Runtime) -> Iterator[httpx.Client]:
    with workspace_client(own) as session:
        yield session


@pytest.fixture
def doomed(own: Runtime, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own."""
    parts = {name: value for name, value in vars(own).items() if name != "faults"}
    (tmp_path / "runtime").write_bytes(pickle.dumps(parts))
    code = f"from {__name__} import serve_until_killed; serve_until_killed({str(tmp_path / 'runtime')!r})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "serving\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def _put(arm: httpx.Client, path: str, **properties: Any) -> None:
    arm.put(path, json={"properties": properties}).raise_for_status()


def _status(arm: httpx.Client, job: str) -> str:
    return arm.get(f"/jobs/{job}").raise_for_status().json()["properties"]["status"]


def _component(arm: httpx.Client, name: str, command: str, starts: Path) -> None:
    spec = {
        "type": "command",
        "name": name,
        "version": "1",
        "command": f'export STARTS="{starts}"; {command}',
        "environment": "azureml:plain:1",
        "outputs": {"done": {"type": "uri_folder"}},
        "inputs": {"after": {"type": "uri_folder", "optional": True}},
    }
    _put(arm, f"/components/{name}/versions/1", componentSpec=spec)


def _submit(arm: httpx.Client, tmp_path: Path) -> None:
    """A pipeline whose first step completes and whose second sleeps at its first start."""
    _put(arm, "/environments/plain/versions/1", image="ubuntu:24.04")
    _component(arm, "quick", 'echo $$ >> "$STARTS"; echo hi > ${{outputs.done}}/hi', tmp_path / "quick")
    _component(arm, "slow", COMMAND, tmp_path / "slow")
    steps = {
        "first": {"componentId": "azureml:quick:1"},
        "second": {
            "componentId": "azureml:slow:1",
            "inputs": {"after": {"jobInputType": "literal", "value": "${{parent.jobs.first.outputs.done}}"}},
        },
    }
    settings = {"default_compute": "cpu-cluster"}
    _put(arm, "/jobs/survivor", jobType="Pipeline", experimentName="x", jobs=steps, settings=settings)


def test_a_killed_servers_job_is_ended_and_runs_again(
    own: Runtime, arm: httpx.Client, doomed: subprocess.Popen[str], tmp_path: Path
) -> None:
    _submit(arm, tmp_path)
    slow = tmp_path / "slow"
    wait_until(lambda: slow.exists() and slow.read_text(), "the second step to start")
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    leftover = int(slow.read_text())
    os.kill(leftover, 0)  # it outlived its server

    with Cloud(own).serving():
        wait_until(lambda: _status(arm, "survivor") == "Completed", "the job to run again")
    assert len(slow.read_text().split()) == 2
    assert len((tmp_path / "quick").read_text().split()) == 1  # what was complete was not repeated
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(leftover)], capture_output=True, text=True, check=False
    )
    assert state.stdout.strip()[:1] in ("", "Z")


def test_what_was_registered_is_there_after_a_restart(own: Runtime, arm: httpx.Client) -> None:
    with Cloud(own).serving():
        _put(arm, "/environments/kept/versions/1", image="ubuntu:24.04")
    with Cloud(own).serving():
        found = arm.get("/environments/kept/versions/1").raise_for_status().json()
    assert found["properties"]["image"] == "ubuntu:24.04"
