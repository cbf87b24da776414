"""What can be read from the tables of a task hub."""

import itertools
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub import queries
from localazure.task_hub.model import (
    FINISHED,
    Entity,
    EntityQuery,
    FinishedQuery,
    Instance,
    Query,
    Status,
)
from localazure.task_hub.queries import Conditions

_COLUMNS = (
    "id, execution, name, status, input, output, custom_status, failure, "
    "parent_id, created, updated, completed, version"
)

LARGEST_BATCH = 500  # operations

FINISHED_SQL = f"({','.join(str(int(status)) for status in sorted(FINISHED))})"

# Events by their arrival, then timers by their due times.
_ARRIVED = """
SELECT due, n, event FROM inbox WHERE id=:id AND due IS NULL
UNION ALL SELECT due, n, event FROM inbox WHERE id=:id AND due<=:now ORDER BY due, n LIMIT :limit
"""
# One statement: an instance is not given its suspension before it is resumed.
_WORK = f"""
SELECT instances.id, execution, name, status, version, n, event FROM instances, inbox
WHERE instances.id=:id AND inbox.id=:id AND (due IS NULL OR due<=:now)
AND status NOT IN {FINISHED_SQL} AND status<>{Status.SUSPENDED:d} ORDER BY due, n
"""
_ARRIVED_FROM = """
SELECT due, n, event FROM inbox WHERE sender=:sender AND id=:id AND (due IS NULL OR due<=:now)
ORDER BY n LIMIT :limit
"""


@dataclass(frozen=True)
class Activity:
    """An outstanding activity; `n` names this very scheduling of it."""

    n: int
    name: str
    payload: str | None


@dataclass(frozen=True)
class Batch:
    """What an entity can take up: its state and its operations' events, with their keys in the inbox."""

    id: str
    state: str | None
    keys: tuple[int, ...]
    events: tuple[pb.HistoryEvent, ...]


@dataclass(frozen=True)
class Active:
    """What a turn needs to know of its instance, which is neither finished nor suspended."""

    id: str
    execution: str
    name: str
    status: Status
    version: str | None


@dataclass(frozen=True)
class Work:
    """What a turn needs: the instance and the events to deliver, with their keys in the inbox."""

    instance: Active
    keys: tuple[int, ...]
    events: tuple[pb.HistoryEvent, ...]


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
        return self._instances(queries.instances(query), "id", query.limit)

    def finished(self, query: FinishedQuery) -> list[Instance]:
        """The matching instances by the time of their end, then by id, at most `query.limit` of them."""
        return self._instances(queries.finished(query), "completed, id", query.limit)

    def _instances(self, where: Conditions, order: str, limit: int | None) -> list[Instance]:
        sql = f"SELECT {_COLUMNS} FROM instances WHERE {where.sql} ORDER BY {order} LIMIT ?"
        return [_instance(row) for row in self._db.execute(sql, [*where.values, limit or -1])]

    def entity(self, entity_id: str) -> Entity | None:
        return next(iter(self._entities(Conditions(["id=?"], [entity_id]), 1)), None)

    def entities(self, query: EntityQuery) -> list[Entity]:
        """The matching entities by id, at most `query.limit` of them."""
        return self._entities(queries.entities(query), query.limit)

    def _entities(self, where: Conditions, limit: int | None) -> list[Entity]:
        sql = (
            "SELECT id, state, modified, "
            "(SELECT count(*) FROM inbox WHERE inbox.id=entities.id AND due IS NULL), locked_by "
            f"FROM entities WHERE {where.sql} ORDER BY id LIMIT ?"
        )
        return [Entity(*row) for row in self._db.execute(sql, [*where.values, limit or -1])]

    def work(self, instance_id: str, now: float) -> Work | None:
        """The events an instance can be given at `now`; None when there are none, or it takes none."""
        rows = self._db.execute(_WORK, {"id": instance_id, "now": now}).fetchall()
        if not rows:
            return None
        own_id, execution, name, status, version = rows[0][:5]
        instance = Active(own_id, execution, name, Status(status), version)
        arrived = [(n, pb.HistoryEvent.FromString(blob)) for *_, n, blob in rows]
        if instance.status == Status.PENDING:
            arrived = _started_first(arrived)
        arrived = _rewound_alone(arrived)
        if not arrived:
            return None
        return Work(instance, tuple(n for n, _ in arrived), tuple(event for _, event in arrived))

    def batch(self, entity_id: str, now: float) -> Batch | None:
        """The operations an entity can be given at `now`; None when there are none."""
        with self._one_moment():
            row = self._db.execute("SELECT state FROM entities WHERE id=?", (entity_id,)).fetchone()
            first = first_messages(self._db, entity_id, now, LARGEST_BATCH)
        operations = list(itertools.takewhile(lambda message: is_operation(message[1]), first))
        if not operations:
            return None
        keys, found = zip(*operations, strict=True)
        return Batch(entity_id, row[0] if row else None, keys, found)

    @contextmanager
    def _one_moment(self) -> Generator[None]:
        """All that is read in the block is of one commit."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

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


def _rewound_alone(arrived: list[tuple[int, pb.HistoryEvent]]) -> list[tuple[int, pb.HistoryEvent]]:
    """The SDK takes a rewind as a turn of its own; everything else waits for the next."""
    return [item for item in arrived if item[1].HasField("executionRewound")][:1] or arrived


def first_messages(
    db: sqlite3.Connection, entity_id: str, now: float, limit: int
) -> list[tuple[int, pb.HistoryEvent]]:
    """What an entity takes up next, in order; while it is locked, only what its holder sent."""
    row = db.execute("SELECT locked_by FROM entities WHERE id=?", (entity_id,)).fetchone()
    holder = row[0] if row else None
    values = {"id": entity_id, "now": now, "limit": limit, "sender": holder}
    rows = db.execute(_ARRIVED if holder is None else _ARRIVED_FROM, values)
    return [(n, pb.HistoryEvent.FromString(blob)) for _, n, blob in rows]


def is_operation(event: pb.HistoryEvent) -> bool:
    return event.HasField("entityOperationSignaled") or event.HasField("entityOperationCalled")


def _started_first(arrived: list[tuple[int, pb.HistoryEvent]]) -> list[tuple[int, pb.HistoryEvent]]:
    """Events may arrive before a scheduled start: nothing is delivered before the start itself."""
    start = next((item for item in arrived if item[1].HasField("executionStarted")), None)
    return [] if start is None else [start, *(item for item in arrived if item is not start)]


def _instance(row: tuple[Any, ...]) -> Instance:
    fields = list(row)
    fields[3] = Status(fields[3])
    fields[7] = pb.TaskFailureDetails.FromString(fields[7]) if fields[7] else None
    return Instance(*fields)
