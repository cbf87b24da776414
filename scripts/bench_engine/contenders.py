"""The engines, and how one run of W is made in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.bench_engine.host_process import ROOT
from scripts.bench_engine.reporting import Run

BENCH_PYTHON = ROOT / ".localazure" / "bench" / "bin" / "python"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


@dataclass(frozen=True)
class Contender:
    """An engine's program; `keeps` says what outlives its process."""

    name: str
    module: str
    keeps: str
    options: tuple[str, ...] = ()
    python: Path = BENCH_PYTHON


@dataclass(frozen=True)
class Failure:
    """A run that gave no figure. `longer_than` is set when it was stopped after that many seconds."""

    reason: str
    longer_than: float | None = None


OURS = Contender("localazure", "localazure_engine", "everything", python=Path(sys.executable))
FLAT = Contender("localazure, one flat parent", OURS.module, OURS.keeps, ("--shape", "window"), OURS.python)
IN_MEMORY = Contender("localazure, :memory:", OURS.module, "nothing", ("--in-memory",), OURS.python)
DURABLETASK = Contender("durabletask in-memory, gRPC", "durabletask_engine", "nothing")
DBOS = Contender("DBOS (SQLite)", "dbos_engine", "everything")
PREFECT = Contender("Prefect", "prefect_engine", "states of tasks")
WARM_PREFECT = Contender("Prefect, its server up", PREFECT.module, PREFECT.keeps, ("--warm",))
LUIGI = Contender("Luigi, 1 worker", "luigi_engine", "targets")

# Those that are compared closely stand beside each other, so that the noise of the machine meets them alike.
CONTENDERS = (OURS, IN_MEMORY, DURABLETASK, LUIGI, FLAT, DBOS, WARM_PREFECT, PREFECT)


def run_once(contender: Contender, circuits: int, limit: float) -> Run | Failure:
    """Run W once in a fresh process; it and all it started are ended after `limit` seconds."""
    program = f"scripts.bench_engine.{contender.module}"
    command = [str(contender.python), "-m", program, str(circuits), *contender.options]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaints = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return Failure(f"> {limit:.0f} s", limit)
    finally:
        _end_group(process)
    return parse(said) or Failure(_last_line(complaints) or f"exit status {process.returncode}")


def parse(said: str) -> Run | None:
    """The run in a program's output; it may have said other things before."""
    lines = [line for line in said.splitlines() if line.startswith('{"circuits"')]
    return Run(**json.loads(lines[-1])) if lines else None


def _end_group(process: subprocess.Popen[str]) -> None:
    """End what the program left behind, such as Prefect's server."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
