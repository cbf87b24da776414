"""DBOS on SQLite, as installed: a workflow per circuit on a queue of five at once, a step per activity, send and recv.

It asks once a second for messages and queued work. Asking ten times a second gave longer times, not shorter ones:
its readers and writers then wait for SQLite's lock, up to 30 s at a time.
"""

import sqlite3
import sys
import tempfile
from pathlib import Path

if sqlite3.sqlite_version_info < (3, 42):  # what DBOS needs
    import pysqlite3

    sys.modules["sqlite3"] = pysqlite3

from dbos import DBOS, DBOSConfig

from scripts.bench_engine import workload
from scripts.bench_engine.reporting import report

QUEUE = "circuits"


@DBOS.step()
def step(value: int, number: int) -> int:
    return workload.step(value, number)


@DBOS.workflow()
def circuit(value: int) -> int:
    for number in workload.BEFORE:
        value = step(value, number)
    value = step(value, workload.SUBMIT)
    DBOS.send(DBOS.workflow_id, workload.EVENT, workload.EVENT_NAME)  # the job ends at once, and says so
    value += DBOS.recv(workload.EVENT_NAME)
    for number in workload.AFTER:
        value = step(value, number)
    return value


@DBOS.workflow()
def fleet(circuits: int) -> int:
    handles = [DBOS.enqueue_workflow(QUEUE, circuit, value) for value in range(circuits)]
    return sum(handle.get_result() for handle in handles)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = DBOSConfig(
            name="bench",
            system_database_url=f"sqlite:///{Path(folder, 'dbos.sqlite')}",
            log_level="ERROR",
            run_admin_server=False,
        )
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(QUEUE, concurrency=workload.WINDOW)
        report(fleet)
        DBOS.destroy()


if __name__ == "__main__":
    main()
