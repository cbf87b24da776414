"""Our engine as its users run it: the Functions host as a process, serving the app beside this file."""

import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from scripts.bench_engine.reporting import rss_of

ROOT = Path(__file__).resolve().parents[2]
APP = Path(__file__).with_name("app")
HOST = "localazure.functions_host"
IN_MEMORY = "scripts.bench_engine.in_memory_host"  # the same, its task hub without a file
PATIENCE = 120  # seconds for one request, which may be a whole run of the workload


@dataclass(frozen=True)
class HostProcess:
    """A running host. `log` is what it says, `started` the `perf_counter` of its start."""

    process: psutil.Process
    http: httpx.Client
    log: Path
    started: float

    def workload(self, circuits: int, shape: str = "chunks") -> int:
        """Run W to its end; gives the sum over the circuits."""
        return self._sum(f"/api/workload/{shape}", circuits=circuits)

    def singles(self, count: int) -> int:
        """Run `count` orchestrations of one activity to their ends; gives the sum of their results."""
        return self._sum("/api/singles", count=count)

    def timed_singles(self, count: int) -> float:
        """The seconds that `singles` takes."""
        began = time.perf_counter()
        self.singles(count)
        return time.perf_counter() - began

    @property
    def age(self) -> float:
        """Seconds since the start of the process."""
        return time.perf_counter() - self.started

    def _sum(self, path: str, **query: int) -> int:
        answer = self.http.post(path, params=query)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}\n{self.log.read_text()}")
        return int(answer.text)

    @property
    def rss(self) -> float:
        """Resident MB."""
        return rss_of(self.process)

    def idle_cpu(self, seconds: float) -> float:
        """The share of one core, in percent, that it uses while nothing is asked of it."""
        self.process.cpu_percent()
        time.sleep(seconds)
        return self.process.cpu_percent()


def command(state: Path, module: str = HOST) -> list[str]:
    """The one place that knows how the host is started."""
    return [sys.executable, "-m", module, "start", "--port", "0", "--app", str(APP), "--state", str(state)]


@contextlib.contextmanager
def running_host(module: str = HOST) -> Iterator[HostProcess]:
    """A host on a free port with an empty state folder, until the block ends."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "host.log"
        began = time.perf_counter()
        with log.open("w") as stderr:
            process = psutil.Popen(command(folder, module), cwd=ROOT, env=environment, stderr=stderr)
        try:
            with httpx.Client(base_url=_address(process, log), timeout=PATIENCE) as http:
                yield HostProcess(process, http, log, began)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
            process.wait(timeout=30)


def _address(process: psutil.Popen, log: Path) -> str:
    """The address the host says it listens on."""
    while not (found := re.search(r"listens on (\S+)\n", log.read_text())):
        if process.poll() is not None:
            raise RuntimeError(f"the host ended with status {process.returncode}:\n{log.read_text()}")
        time.sleep(0.005)
    return found[1]
