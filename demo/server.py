"""The local Azure as a child of the demonstration: started, found again, stopped."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from busbar.api import Api, ApiError

START_SECONDS = 120.0
STOP_SECONDS = 30.0
ENVIRONMENT = "environment"
LOG = "localazure.log"


class ServerError(Exception):
    """The local Azure did not start or has ended; the message says where its log is."""


@dataclass(frozen=True)
class Server:
    """A running local Azure. `environment` is what it hands its clients; without `child` others started it."""

    state: Path
    environment: Mapping[str, str]
    child: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.state / LOG

    @property
    def logs(self) -> Path:
        """The folder of the emulators' own logs."""
        return self.state / "logs"

    @property
    def azure(self) -> str:
        return self.environment["LOCALAZURE_URL"]

    @property
    def pages(self) -> str:
        """Where a browser finds the mailbox: the azure server without TLS."""
        return self.environment["LOCALAZURE_PAGES_URL"]

    @property
    def functions(self) -> str:
        return self.environment["BUSBAR_PUBLIC_URL"]

    @property
    def api(self) -> Api:
        return Api(self.functions, self.environment["LOCALAZURE_FUNCTIONS_KEY"])

    def check(self) -> None:
        """Raises `ServerError` if our child has ended."""
        if self.child and self.child.poll() is not None:
            last = self.log.read_text(errors="replace").strip().splitlines()[-4:]
            raise ServerError(
                f"the local Azure ended with status {self.child.returncode}; its log ({self.log}) ends:\n"
                + "\n".join(last)
            )


@contextmanager
def running(config: Path, state: Path) -> Generator[Server]:
    """The local Azure of `state`: the one that runs already, or a child that ends with the context."""
    server = _answering(state, None)
    if server:
        yield server
        return
    child = _start(config, state)
    try:
        yield _wait_until_answering(state, child)
    finally:
        _stop(child)


def _start(config: Path, state: Path) -> subprocess.Popen[bytes]:
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "localazure", "up", "--config", str(config), "--state", str(state)]
    with (state / LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demonstration, which then ends its child in order
        )


def _wait_until_answering(state: Path, child: subprocess.Popen[bytes]) -> Server:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        Server(state, {}, child).check()
        if server := _answering(state, child):
            return server
        time.sleep(0.3)
    raise ServerError(f"the local Azure did not answer within {START_SECONDS:.0f} s; its log: {state / LOG}")


def _answering(state: Path, child: subprocess.Popen[bytes] | None) -> Server | None:
    """The server whose addresses lie in `state`, if the app on it answers."""
    path = state / ENVIRONMENT
    if not path.exists():
        return None
    server = Server(state, read_environment(path.read_text()), child)
    try:
        server.api.snapshot()
    except (ApiError, KeyError):
        return None
    return server


def read_environment(text: str) -> dict[str, str]:
    """`NAME=value` lines as a shell reads them (`export` and quotes allowed)."""
    words = [word for word in shlex.split(text, comments=True) if "=" in word]
    return dict(word.split("=", 1) for word in words)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask the child to end; what does not within its time is killed with its group."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
