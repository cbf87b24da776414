"""The tables of a task hub, and what can be read from them."""

import fcntl
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.model import FINISHED, Instance, Query, Status, TaskHubLocked

SCHEMA = """
CREATE TABLE IF NOT EXISTS instances(
  id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, status INT NOT NULL,
  input TEXT, output TEXT, custom_status TEXT, failure BLOB,
  parent_id TEXT, parent_execution TEXT, parent_task INT,
  created REAL NOT NULL, updated REAL NOT NULL, completed REAL);
CREATE INDEX IF NOT EXISTS instances_by_parent ON instances(parent_id);
CREATE TABLE IF NOT EXISTS history(
  id TEXT, seq INT, event BLOB NOT NULL, PRIMARY KEY(id, seq)) WITHOUT ROWID;
-- Events to deliver, in the order of n; those with a due time are timers.
CREATE TABLE IF NOT EXISTS inbox(
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, due REAL, event BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS inbox_by_id ON inbox(id);
-- Activities that were scheduled and have not reported back; they go with their execution.
CREATE TABLE IF NOT EXISTS activities(
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, task INT NOT NULL, name TEXT NOT NULL, input TEXT);
CREATE INDEX IF NOT EXISTS activities_by_id ON activities(id);
"""

_COLUMNS = (
    "id, execution, name, status, input, output, custom_status, failure, "
    "parent_id, created, updated, completed"
)


@dataclass(frozen=True)
class Activity:
    """An outstanding activity; `n` names this very scheduling of it."""

    n: int
    name: str
    payload: str | None


@dataclass(frozen=True)
class Work:
    """What a turn needs: the instance and the events to deliver, with their keys in the inbox."""

    instance: Instance
    keys: tuple[int, ...]
    events: tuple[pb.HistoryEvent, ...]


def connect(path: Path) -> sqlite3.Connection:
    """Open the database at `path`. What is committed survives the process, though not a power cut."""
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {SCHEMA}")
    return db


def lock(path: Path) -> TextIO:
    """Claim the database for this process until the returned file is closed. Raises `TaskHubLocked`."""
    file = open(path.with_name(path.name + ".lock"), "a+")  # noqa: SIM115 - the caller keeps it open
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise TaskHubLocked(
            f"The task hub {path} is in use by process {holder}. "
            "Stop that process, or choose another state folder."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


class Reader:
    """Reads committed state. For one thread."""

    def __init__(self, db: sqlite3.Connection):
        self._db = db

    def instance(self, instance_id: str) -> Instance | None:
        row = self._db.execute(f"SELECT {_COLUMNS} FROM instances WHERE id=?", (instance_id,)).fetchone()
        return _instance(row) if row else None

    def history(self, instance_id: str) -> list[pb.HistoryEvent]:
        rows = self._db.execute("SELECT event FROM history WHERE id=? ORDER BY seq", (instance_id,))
        return [pb.HistoryEvent.FromString(blob) for (blob,) in rows]

    def query(self, query: Query) -> list[Instance]:
        """The matching instances by id, at most `query.limit` of them."""
        where, values = _conditions(query)
        sql = f"SELECT {_COLUMNS} FROM instances WHERE {where} ORDER BY id LIMIT ?"
        return [_instance(row) for row in self._db.execute(sql, [*values, query.limit or -1])]

    def work(self, instance_id: str, now: float) -> Work | None:
        """The events an instance can be given at `now`; None when there are none, or it takes none."""
        instance = self.instance(instance_id)
        if instance is None or instance.status.finished or instance.status == Status.SUSPENDED:
            return None
        rows = self._db.execute(
            "SELECT n, event FROM inbox WHERE id=? AND (due IS NULL OR due<=?) ORDER BY n", (instance_id, now)
        )
        arrived = [(n, pb.HistoryEvent.FromString(blob)) for n, blob in rows]
        if instance.status == Status.PENDING:
            arrived = _started_first(arrived)
        if not arrived:
            return None
        return Work(instance, tuple(n for n, _ in arrived), tuple(event for _, event in arrived))

    def is_outstanding(self, activity: int) -> bool:
        return self._db.execute("SELECT 1 FROM activities WHERE n=?", (activity,)).fetchone() is not None

    def activities(self) -> list[Activity]:
        """All outstanding activities, oldest first."""
        return [
            Activity(*row) for row in self._db.execute("SELECT n, name, input FROM activities ORDER BY n")
        ]

    def timers(self) -> list[tuple[float, str]]:
        """The due times in the inbox, with the instances they are for."""
        return self._db.execute("SELECT due, id FROM inbox WHERE due IS NOT NULL").fetchall()

    def with_events(self) -> list[str]:
        """Ids of the instances that have something waiting in the inbox."""
        return [
            instance_id
            for (instance_id,) in self._db.execute("SELECT DISTINCT id FROM inbox WHERE due IS NULL")
        ]


def _started_first(arrived: list[tuple[int, pb.HistoryEvent]]) -> list[tuple[int, pb.HistoryEvent]]:
    """Events may arrive before a scheduled start: nothing is delivered before the start itself."""
    start = next((item for item in arrived if item[1].HasField("executionStarted")), None)
    return [] if start is None else [start, *(item for item in arrived if item is not start)]


def _conditions(query: Query) -> tuple[str, list[Any]]:
    parts: list[tuple[str, Iterable[Any]]] = [("1", ())]
    if query.statuses:
        parts.append((f"status IN ({','.join('?' * len(query.statuses))})", map(int, query.statuses)))
    if query.id_prefix:
        parts.append(("substr(id, 1, ?)=?", (len(query.id_prefix), query.id_prefix)))
    if query.created_from is not None:
        parts.append(("created>=?", (query.created_from,)))
    if query.created_to is not None:
        parts.append(("created<=?", (query.created_to,)))
    if query.after:
        parts.append(("id>?", (query.after,)))
    return " AND ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]


def _instance(row: tuple[Any, ...]) -> Instance:
    fields = list(row)
    fields[3] = Status(fields[3])
    fields[7] = pb.TaskFailureDetails.FromString(fields[7]) if fields[7] else None
    return Instance(*fields)


FINISHED_SQL = f"({','.join(str(int(status)) for status in sorted(FINISHED))})"
