"""Prefect with the server it starts for itself, on SQLite: a task per circuit on five threads, a task per step in it.

The server starts with the first flow; `--warm` runs one circuit before the clock starts.
Prefect has no cheap event for a task to wait for: the job writes a file, and the waiting task looks every 10 ms.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from scripts.bench_engine import workload
from scripts.bench_engine.reporting import report

HOME = tempfile.TemporaryDirectory()
os.environ |= {  # read when prefect is imported
    "PREFECT_HOME": HOME.name,
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}

from prefect import flow, task  # noqa: E402 - it reads its settings when it is imported
from prefect.task_runners import ThreadPoolTaskRunner  # noqa: E402


def event_file(circuit: int) -> Path:
    return Path(HOME.name, f"{workload.EVENT_NAME}-{circuit}")


@task
def step(value: int, number: int) -> int:
    return workload.step(value, number)


@task
def submit(value: int, circuit: int) -> int:
    event_file(circuit).write_text("finished")  # the job ends at once, and says so
    return workload.step(value, workload.SUBMIT)


@task
def job_finished(circuit: int) -> int:
    while not event_file(circuit).exists():
        time.sleep(0.01)
    return workload.EVENT


@task
def circuit(number: int) -> int:
    value = number
    for before in workload.BEFORE:
        value = step(value, before)
    value = submit(value, number)
    value += job_finished(number)
    for after in workload.AFTER:
        value = step(value, after)
    return value


@flow(task_runner=ThreadPoolTaskRunner(max_workers=workload.WINDOW))
def fleet(circuits: int) -> int:
    return sum(circuit.map(range(circuits)).result())


if __name__ == "__main__":
    if "--warm" in sys.argv:
        sys.argv.remove("--warm")
        fleet(1)
    report(fleet)
