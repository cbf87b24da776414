"""The entry script behind Azure ML's own inference server, which is what runs it on Azure."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import SENSORS, signals

SCRIPT = Path(__file__).parents[1] / "src" / "score.py"
SECONDS = 120.0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def uri(trained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server takes requests, the deployment's model loaded."""
    port, folder = _free_port(), tmp_path_factory.mktemp("server")
    command = [Path(sys.executable).parent / "azmlinfsrv", "--entry_script", SCRIPT]
    flags = ["--model_dir", trained_model.parent, "--port", port, "--health_port", port]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            list(map(str, [*command, *flags])), cwd=folder, stdout=log, stderr=log, env=environment
        )
        try:
            _wait(f"http://127.0.0.1:{port}/", server, folder / "log")
            yield f"http://127.0.0.1:{port}/score"
        finally:
            server.terminate()
            server.wait(20)


def _wait(health: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(health, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.3)
    pytest.fail(f"the server did not come up: {log.read_text()[-2000:]}")


def _post(uri: str, document: Any) -> tuple[int, Any]:
    answer = requests.post(uri, json=document, timeout=60)
    return answer.status_code, answer.json()


def test_a_request_is_answered_with_forecasts(uri: str) -> None:
    values = signals(24)
    readings = {sensor: values[:, index].tolist() for index, sensor in enumerate(SENSORS)}
    status, answer = _post(uri, {"readings": readings})
    assert (status, set(answer["sensors"]), answer["skipped_sensors"]) == (200, set(SENSORS), {})
    assert len(answer["sensors"]["flow"]["forecast"]) == 6


def test_a_request_that_cannot_be_used_is_a_400_that_says_why(uri: str) -> None:
    status, answer = _post(uri, {"readings": {"flow": [1.0]}})
    assert (status, answer) == (
        400,
        {"error": "readings lack sensor temperature; the model needs temperature, pressure, flow"},
    )
