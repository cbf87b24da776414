"""One transaction on a task hub: what transitions are made of, and what is to follow their commit."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.history import Parent, stamp
from localazure.task_hub.model import InstanceFinished, NoSuchInstance, Status
from localazure.task_hub.store import FINISHED_SQL, Activity


@dataclass
class Effects:
    """Side effects of a transition, to be carried out only after its commit."""

    ready: list[str] = field(default_factory=list[str])
    ready_soon: list[str] = field(default_factory=list[str])  # more may be on its way to them
    timers: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    activities: list[Activity] = field(default_factory=list[Activity])
    changed: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    cancelled: list[int] = field(default_factory=list[int])  # activities


class Transaction:
    """Writes to `db` within the caller's transaction and collects `effects`; `now` is its time."""

    def __init__(self, db: sqlite3.Connection, now: float):
        self._db, self._now, self.effects = db, now, Effects()

    def _post(
        self,
        target: str,
        event: pb.HistoryEvent,
        *,
        due: float | None = None,
        sender: str | None = None,
        soon: bool = False,
    ) -> None:
        """Put an event into the inbox of an instance or an entity; `sender` for what goes with its sender.

        It is taken up at once, at its due time, or `soon`.
        """
        if due is not None and due <= self._now:
            due = None
        self._db.execute(
            "INSERT INTO inbox(id, due, sender, event) VALUES(?,?,?,?)",
            (target, due, sender, event.SerializeToString()),
        )
        if due is not None:
            self.effects.timers.append((due, target))
        else:
            (self.effects.ready_soon if soon else self.effects.ready).append(target)

    def _append(self, instance_id: str, history: Sequence[pb.HistoryEvent]) -> None:
        (count,) = self._db.execute(
            "SELECT coalesce(max(seq) + 1, 0) FROM history WHERE id=?", (instance_id,)
        ).fetchone()
        stamp(history, self._now)
        self._db.executemany(
            "INSERT INTO history VALUES(?,?,?)",
            [(instance_id, count + i, event.SerializeToString()) for i, event in enumerate(history)],
        )

    def _remove(self, instance_id: str) -> None:
        self._cancel_activities(instance_id)
        for table in ("instances", "history", "inbox"):
            self._db.execute(f"DELETE FROM {table} WHERE id=?", (instance_id,))
        self.effects.removed.append(instance_id)

    def _cancel_activities(self, instance_id: str) -> None:
        """Have nobody wait for the instance's activities any more."""
        rows = self._db.execute("DELETE FROM activities WHERE id=? RETURNING n", (instance_id,))
        self.effects.cancelled += [n for (n,) in rows]

    def _set_status(self, instance_id: str, status: Status) -> None:
        self._db.execute(
            "UPDATE instances SET status=?, updated=? WHERE id=?", (status, self._now, instance_id)
        )
        self.effects.changed.append(instance_id)

    def _status(self, instance_id: str) -> Status | None:
        row = self._db.execute("SELECT status FROM instances WHERE id=?", (instance_id,)).fetchone()
        return Status(row[0]) if row else None

    def _require(self, instance_id: str) -> Status:
        status = self._status(instance_id)
        if status is None:
            raise NoSuchInstance(instance_id)
        return status

    def _require_active(self, instance_id: str) -> Status:
        status = self._require(instance_id)
        if status.finished:
            raise InstanceFinished(instance_id, status)
        return status

    def _is_active(self, instance_id: str, execution: str | None = None) -> bool:
        sql = f"SELECT execution FROM instances WHERE id=? AND status NOT IN {FINISHED_SQL}"
        row = self._db.execute(sql, (instance_id,)).fetchone()
        return row is not None and execution in (None, row[0])

    def _listens(self, instance_id: str, execution: str) -> bool:
        """Whether outcomes are kept for that execution of the instance."""
        row = self._db.execute(
            "SELECT execution, status FROM instances WHERE id=?", (instance_id,)
        ).fetchone()
        return row is not None and execution == row[0] and listens(row[1])

    def _parent(self, instance_id: str) -> Parent | None:
        row = self._db.execute(
            "SELECT parent_id, parent_execution, parent_task FROM instances WHERE id=?", (instance_id,)
        ).fetchone()
        return Parent(*row) if row and row[0] is not None else None


def listens(status: int | None) -> bool:
    """Whether outcomes are kept for an instance of that status: a failed one gets them should it be rewound."""
    return status is not None and (status == Status.FAILED or not Status(status).finished)
