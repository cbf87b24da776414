"""Microsoft's sample apps and end-to-end suite, unchanged, on the host; scripts/durabletask-conformance runs it."""

import contextlib
import io
import os
import re
import shlex
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = os.environ.get("DURABLETASK_PYTHON")
SAMPLES = "azure-functions-durable/samples"
SUITE = "tests/azure-functions-durable/e2e"
STORAGE_PORT = 10000  # where the suite looks for a storage emulator; it never speaks to it
ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.skipif(
        not CHECKOUT, reason="DURABLETASK_PYTHON names no clone of microsoft/durabletask-python"
    ),
    pytest.mark.timeout(900),
]

# The suite leaves out what the storage emulator gets wrong. Nothing of it is involved here.
UNSKIP = """
def pytest_collection_modifyitems(items):
    for item in items:
        for node in item.listchain():
            node.own_markers[:] = [m for m in node.own_markers if "Azurite" not in str(m.kwargs.get("reason"))]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The committed samples and suite, as they are."""
    folder = tmp_path_factory.mktemp("durabletask-python")
    package = str(Path(SUITE).parent / "__init__.py")
    archive = ["git", "-C", str(CHECKOUT), "archive", "HEAD", SAMPLES, SUITE, package]
    exported = subprocess.run(archive, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(exported.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize(
    ("sample", "route", "body", "output"),
    [
        (
            "function-chaining",
            "/orchestrators/hello_cities",
            None,
            ["Hello " + c for c in ("Tokyo!", "Seattle!", "London!")],
        ),
        ("fan-out-fan-in", "/fan-out-fan-in", [1, 2, 3, 4, 5], 55),
        ("durable-entities", "/counters/my-counter", {"amount": 5}, 5),
    ],
)
def test_samples(start, folder, sample, route, body, output):
    host = start(app=folder / SAMPLES / sample)
    started = host.http.post("/api" + route, json=body)
    status = host.finished(started.json()["statusQueryGetUri"])
    assert (status["runtimeStatus"], status["output"]) == ("Completed", output)


def test_the_sample_that_waits_for_a_human(start, folder):
    host = start(app=folder / SAMPLES / "human-interaction")
    started = host.http.post("/api/approvals").json()
    decided = host.http.post(f"/api/approvals/{started['id']}", json={"approved": True})
    assert decided.status_code == 202
    assert host.finished(started["statusQueryGetUri"])["output"] == {"approved": True}


def test_end_to_end_suite(folder):
    for app in (folder / SUITE / "apps").iterdir():
        (app / ".venv").symlink_to(sys.prefix)
    tools = _tools(folder)
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tools}",
    }
    options = shlex.split("-p unskip -p no:cacheprovider -p no:xdist -W ignore -q -rs")
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), SUITE]
    with _something_at(STORAGE_PORT):
        finished = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    print(finished.stdout)
    assert finished.returncode == 0, finished.stdout
    assert re.search(r"\d+ passed", finished.stdout)


def _tools(folder: Path) -> Path:
    """A folder with the `func` that the suite calls, and a plugin for it."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "unskip.py").write_text(UNSKIP)
    func = tools / "func"
    func.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m localazure.functions_host "$@"\n')
    func.chmod(0o755)
    return tools


@contextlib.contextmanager
def _something_at(port: int) -> Iterator[None]:
    """Accept connections, unless somebody does already."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            listener.listen()
            threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        yield


def _accept(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed at the end
        while True:
            listener.accept()[0].close()
