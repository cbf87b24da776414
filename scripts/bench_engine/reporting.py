"""How an engine's program reports its run: one line of JSON. Every environment has what this imports."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import psutil

from scripts.bench_engine.workload import expected


@dataclass(frozen=True)
class Run:
    """One run of W. `seconds` is wall time without the start of the process; `rss` MB of all its processes."""

    circuits: int
    seconds: float
    rss: float


def report(run_workload: Callable[[int], int]) -> None:
    """The main of an engine's program: `PROGRAM N` runs W over N circuits and prints one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("circuits", type=int)
    circuits = parser.parse_args().circuits
    began = time.perf_counter()
    total = run_workload(circuits)
    seconds = time.perf_counter() - began
    print_run(circuits, seconds, total, rss_of(psutil.Process()))


def print_run(circuits: int, seconds: float, total: int, rss: float) -> None:
    """Print the run, or end with status 1 when the engine got the sum wrong."""
    if total != expected(circuits):
        sys.exit(f"the sum over {circuits} circuits is {total}, not {expected(circuits)}")
    sys.stdout.write(json.dumps(asdict(Run(circuits, seconds, rss))) + "\n")
    sys.stdout.flush()


def rss_of(process: psutil.Process) -> float:
    """Resident MB of the process and those it started."""
    processes = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in processes) / 2**20
