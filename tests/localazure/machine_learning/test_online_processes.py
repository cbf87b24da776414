"""When scoring processes start and end: on request, when idle, when hung, with the server, and after its death."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from localazure.config import OnlineServing, Quotas
from localazure.machine_learning.storage import Location, Storage
from localazure.service import Runtime
from tests.localazure.machine_learning.conftest import (
    WORKSPACE,
    Cloud,
    free_port,
    wait_until,
    workspace_client,
)
from tests.localazure.machine_learning.sdk import DATASTORE, PARTS

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).parents[3]
HANGING = {"period": "PT0.3S", "timeout": "PT0.2S", "initialDelay": "PT0.1S", "failureThreshold": 2}


def serve_until_killed(pickled: str) -> None:
    """What the process that dies does."""
    runtime = Runtime(*pickle.loads(Path(pickled).read_bytes()))  # noqa: S301 - written by this test
    with Cloud(runtime).serving():
        print("serving", flush=True)
        time.sleep(120)


@contextmanager
def dying_server(runtime: Runtime, folder: Path) -> Generator[subprocess.Popen[str]]:
    parts = (runtime.config, runtime.state, runtime.addresses, runtime.ca_bundle, runtime.secrets)
    (folder / "runtime").write_bytes(pickle.dumps(parts))
    code = f"from {__name__} import serve_until_killed; serve_until_killed({str(folder / 'runtime')!r})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "serving\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def own(cloud: Cloud, tmp_path: Path) -> Runtime:
    """A runtime with a state and a port of its own, on the session's Azurite; idle processes end at once."""
    addresses = replace(cloud.runtime.addresses, azure=f"https://localhost:{free_port()}")
    state = tmp_path / "state"
    state.mkdir()
    for shared in ("tls", "environments"):
        (cloud.runtime.state / shared).mkdir(exist_ok=True)
        (state / shared).symlink_to(cloud.runtime.state / shared)
    config = cloud.runtime.config.model_copy(
        update={"online": OnlineServing(max_idle=1, idle_seconds=60, seed=1)}
    )
    return replace(cloud.runtime, state=state, addresses=addresses, config=config)


@pytest.fixture
def arm(own: Runtime) -> Iterator[httpx.Client]:
    with workspace_client(own) as session:
        yield session


def _put(arm: httpx.Client, path: str, properties: dict[str, Any], **more: Any) -> httpx.Response:
    body = {"properties": properties, "location": "eastus", **more}
    return arm.put(path, params={"api-version": "2023-10-01"}, json=body)


def _get(arm: httpx.Client, path: str) -> dict[str, Any]:
    return arm.get(path, params={"api-version": "2023-10-01"}).raise_for_status().json()


def _endpoint(arm: httpx.Client, storage: Storage, name: str = "single", **traffic: int) -> None:
    """An endpoint with what its deployments need."""
    storage.write(Location(f"azureml-{WORKSPACE}", "words/model.txt"), b"hello")
    storage.upload(PARTS / "scoring", Location(f"azureml-{WORKSPACE}", "scoring"))
    code = f"{storage.url(Location(f'azureml-{WORKSPACE}', 'scoring'))}"
    model = {"modelUri": f"{DATASTORE}/words/model.txt", "modelType": "custom_model"}
    _put(arm, "/models/words/versions/1", model).raise_for_status()
    _put(arm, "/codes/scoring/versions/1", {"codeUri": code}).raise_for_status()
    _put(arm, "/environments/plain/versions/1", {"image": "ubuntu:24.04"}).raise_for_status()
    _put(arm, f"/onlineEndpoints/{name}", {"authMode": "Key", "traffic": traffic}).raise_for_status()


def _begin(arm: httpx.Client, name: str, endpoint: str = "single", **properties: Any) -> httpx.Response:
    asked: dict[str, Any] = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_DS3_v2",
        "model": "azureml:words:1",
        "environmentId": "azureml:plain:1",
        "codeConfiguration": {"codeId": "azureml:scoring:1", "scoringScript": "score.py"},
        "environmentVariables": {"COLOUR": name},
    }
    return _put(arm, f"/onlineEndpoints/{endpoint}/deployments/{name}", {**asked, **properties})


def _deploy(arm: httpx.Client, name: str, **properties: Any) -> None:
    _begin(arm, name, **properties).raise_for_status()
    wait_until(lambda: _state(arm, name) != "Creating", f"{name} to be deployed")
    assert _state(arm, name) == "Succeeded"


def _state(arm: httpx.Client, name: str) -> str:
    return _get(arm, f"/onlineEndpoints/single/deployments/{name}")["properties"]["provisioningState"]


def _score(arm: httpx.Client, name: str, payload: dict[str, Any] | None = None) -> httpx.Response:
    uri = _get(arm, "/onlineEndpoints/single")["properties"]["scoringUri"]
    keys = arm.post("/onlineEndpoints/single/listKeys", params={"api-version": "2023-10-01"}).json()
    headers = {"Authorization": f"Bearer {keys['primaryKey']}", "azureml-model-deployment": name}
    return arm.post(uri, json=payload or {}, headers=headers, timeout=60)


def _pid(arm: httpx.Client, name: str) -> int:
    return _score(arm, name).raise_for_status().json()["pid"]


def _alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")


def test_of_idle_processes_only_some_live_and_others_start_when_asked(
    own: Runtime, arm: httpx.Client, storage: Storage
) -> None:
    with Cloud(own).serving():
        _endpoint(arm, storage)
        for name in ("one", "two"):
            _deploy(arm, name)
        first, second = _pid(arm, "one"), _pid(arm, "two")
        wait_until(lambda: not _alive(first), "the process that was used least recently to end")
        assert _alive(second)
        again = _pid(arm, "one")
        assert again != first
    assert not _alive(again)  # nothing outlives the server


def test_a_process_that_nobody_asks_ends(own: Runtime, arm: httpx.Client, storage: Storage) -> None:
    own = replace(own, config=own.config.model_copy(update={"online": OnlineServing(idle_seconds=0.5)}))
    with Cloud(own).serving():
        _endpoint(arm, storage)
        _deploy(arm, "one")
        pid = _pid(arm, "one")
        wait_until(lambda: not _alive(pid), "the idle process to end")
        assert _pid(arm, "one") != pid


def test_a_process_that_hangs_fails_its_liveness_probe(
    own: Runtime, arm: httpx.Client, storage: Storage
) -> None:
    with Cloud(own).serving():
        _endpoint(arm, storage)
        _deploy(arm, "one", livenessProbe=HANGING, requestSettings={"requestTimeout": "PT0.5S"})
        pid = _pid(arm, "one")
        assert _score(arm, "one", {"sleep": 60}).status_code == 408
        wait_until(lambda: not _alive(pid), "the process that hangs to be ended")
        assert _score(arm, "one").status_code == 200


def test_a_killed_servers_processes_end_and_its_deployments_answer_after_the_restart(
    own: Runtime, arm: httpx.Client, storage: Storage, tmp_path: Path
) -> None:
    with dying_server(own, tmp_path) as server:
        _endpoint(arm, storage)
        _deploy(arm, "one")
        pid = _pid(arm, "one")
        server.send_signal(signal.SIGKILL)
        server.wait()
        wait_until(lambda: not _alive(pid), "the process to notice")
    with Cloud(own).serving():
        assert _score(arm, "one").json()["colour"] == "one"


def test_a_leftover_that_does_not_notice_is_ended_at_the_next_start(
    own: Runtime, arm: httpx.Client, storage: Storage, tmp_path: Path
) -> None:
    with dying_server(own, tmp_path) as server:
        _endpoint(arm, storage)
        _deploy(arm, "one")
        pid = _pid(arm, "one")
        os.kill(pid, signal.SIGSTOP)
        server.send_signal(signal.SIGKILL)
        server.wait()
        assert _alive(pid)
    with Cloud(own).serving():
        assert not _alive(pid)


def test_a_deployment_that_a_killed_server_was_creating_is_created_after_the_restart(
    own: Runtime, arm: httpx.Client, storage: Storage, tmp_path: Path
) -> None:
    operations = own.config.operations.model_copy(update={"deployments": 60.0})
    slow = replace(own, config=own.config.model_copy(update={"operations": operations}))
    with dying_server(slow, tmp_path) as server:
        _endpoint(arm, storage)
        _begin(arm, "one").raise_for_status()
        assert _state(arm, "one") == "Creating"
        server.send_signal(signal.SIGKILL)
        server.wait()
    with Cloud(own).serving():
        wait_until(lambda: _state(arm, "one") == "Succeeded", "the deployment to be created after all")
        assert _score(arm, "one").status_code == 200


def test_quotas_of_the_region_are_errors(own: Runtime, arm: httpx.Client, storage: Storage) -> None:
    quotas = Quotas(endpoints=2, deployments=3, deployments_per_endpoint=2)
    own = replace(own, config=own.config.model_copy(update={"quotas": quotas}))
    with Cloud(own).serving():
        _endpoint(arm, storage)
        _put(arm, "/batchEndpoints/batch", {"authMode": "AADToken"}).raise_for_status()
        for kind in ("online", "batch"):
            refused = _put(arm, f"/{kind}Endpoints/third", {"authMode": "AADToken"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "QuotaExceeded")
        assert [_begin(arm, name).status_code for name in ("one", "two", "three")] == [201, 201, 400]
        for name in ("one", "two"):
            wait_until(lambda name=name: _state(arm, name) == "Succeeded", f"{name} to be deployed")
