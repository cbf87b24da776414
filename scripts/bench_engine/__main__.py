"""`python -m scripts.bench_engine [--quick]`: our engine beside others, in one session. Status 1: a target missed."""

import argparse
import os
import platform
import sqlite3
import sys
import time

from rich.console import Console

from scripts.bench_engine import environment, tables
from scripts.bench_engine.contenders import BENCH_PYTHON, CONTENDERS, REQUIREMENTS, Failure
from scripts.bench_engine.measurements import Results, own_figures, take_turns
from scripts.bench_engine.targets import targets

FULL = {10: 2, 50: 12, 200: 2}  # repetitions by number of circuits, at most
QUICK = {10: 1, 50: 3}
WIDTH = 150


def main() -> int:
    parser = argparse.ArgumentParser(description="Our durable engine beside others on one workload.")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    quick = parser.parse_args().quick
    began = time.monotonic()
    progress = Console(stderr=True, highlight=False)

    def say(line: str) -> None:
        progress.print(f"{time.monotonic() - began:6.0f} s  {line}", soft_wrap=True)

    repetitions = QUICK if quick else FULL
    say("the other engines' environment")
    missing = environment.prepare(REQUIREMENTS, BENCH_PYTHON)
    present = [each for each in CONTENDERS if not (missing and each.python == BENCH_PYTHON)]
    results = take_turns(present, repetitions, say)
    own = own_figures(
        starts=3 if quick else 5,
        chunks=3 if quick else 10,
        size=200 if quick else 1000,
        idle_seconds=3 if quick else 10,
        say=say,
    )
    goals = list(targets(results, own, max(repetitions)))
    out = Console(width=WIDTH, highlight=False)
    out.print(tables.engines(CONTENDERS, results, list(repetitions)))
    out.print(tables.goals(goals))
    out.print(f"Memory after {len(own.chunks)} chunks of orchestrations: {own.rss:.0f} MB.")
    out.print(f"{machine()}.", soft_wrap=True)
    _print_failures(out, results, missing)
    return int(not all(goal.met for goal in goals))


def machine() -> str:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[2]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()} "
        f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"load over the last 15 minutes {load:.1f}"
    )


def _print_failures(out: Console, results: Results, missing: str | None) -> None:
    if missing:
        out.print(f"The other engines could not be installed: {missing}", soft_wrap=True)
    failed: dict[tuple[str, int], Failure] = results.failures
    for (name, circuits), failure in failed.items():
        out.print(f"{name}, N={circuits}: {failure.reason}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
