"""Everything that changes a task hub; each change says what to do once it is committed."""

import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.history import Parent, activity_outcome, child_outcome, execution_started
from localazure.task_hub.model import (
    InstanceExists,
    InstanceFinished,
    NoSuchInstance,
    Status,
    failure_details,
)
from localazure.task_hub.store import FINISHED_SQL, Activity, Work
from localazure.task_hub.turn import Child, Completion, Decision


@dataclass
class Effects:
    """Side effects of a transition, to be carried out only after its commit."""

    ready: list[str] = field(default_factory=list[str])
    timers: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    activities: list[Activity] = field(default_factory=list[Activity])
    changed: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])


class Transitions:
    """Writes to `db` within the caller's transaction and collects `effects`; `now` is its time."""

    def __init__(self, db: sqlite3.Connection, now: float):
        self._db, self._now, self.effects = db, now, Effects()

    def start(
        self,
        instance_id: str,
        name: str,
        payload: str | None,
        *,
        start_at: float | None = None,
        replaceable: Iterable[Status] | None = None,
        parent: Parent | None = None,
    ) -> None:
        """Create an instance, in place of a finished (or `replaceable`) one. Raises `InstanceExists`."""
        existing = self._status(instance_id)
        if existing is not None:
            may_replace = existing.finished if replaceable is None else existing in set(replaceable)
            if not may_replace:
                raise InstanceExists(instance_id, existing)
            self._remove(instance_id)
        execution = uuid.uuid4().hex
        self._db.execute(
            "INSERT INTO instances(id, execution, name, status, input, "
            "parent_id, parent_execution, parent_task, created, updated) VALUES(?,?,?,?,?,?,?,?,?,?)",
            (
                instance_id,
                execution,
                name,
                Status.PENDING,
                payload,
                *_parent_values(parent),
                self._now,
                self._now,
            ),
        )
        self._post(instance_id, execution_started(instance_id, execution, name, payload, parent), start_at)

    def raise_event(self, instance_id: str, name: str, payload: str | None) -> None:
        self._require_active(instance_id)
        self._post(instance_id, events.new_event_raised_event(name, payload))

    def suspend(self, instance_id: str, reason: str | None) -> None:
        if self._require_active(instance_id) != Status.SUSPENDED:
            self._post(instance_id, events.new_suspend_event(encoded_input=reason))
            self._set_status(instance_id, Status.SUSPENDED)

    def resume(self, instance_id: str, reason: str | None) -> None:
        if self._require_active(instance_id) == Status.SUSPENDED:
            self._post(instance_id, events.new_resume_event(encoded_input=reason))
            started = self._db.execute("SELECT 1 FROM history WHERE id=? LIMIT 1", (instance_id,)).fetchone()
            self._set_status(instance_id, Status.RUNNING if started else Status.PENDING)

    def terminate(self, instance_id: str, output: str | None, *, recursive: bool = True) -> None:
        """End an instance at once; with `recursive`, its running children too."""
        self._require_active(instance_id)
        children = self._active_children(instance_id) if recursive else []
        self._append(
            instance_id,
            [
                events.new_terminated_event(encoded_output=output),
                events.new_execution_completed_event(pb.ORCHESTRATION_STATUS_TERMINATED, output),
            ],
        )
        self._db.execute("DELETE FROM activities WHERE id=?", (instance_id,))
        failure = failure_details(
            "OrchestrationTerminated", f"The orchestration '{instance_id}' was terminated."
        )
        self._finish(instance_id, Completion(Status.TERMINATED, output, failure))
        self._db.execute("UPDATE instances SET failure=NULL WHERE id=?", (instance_id,))
        for child in children:
            self.terminate(child, output)

    def purge(self, instance_id: str, *, recursive: bool = False) -> int:
        """Forget a finished instance; gives the number forgotten. Raises for one that runs or is unknown."""
        status = self._status(instance_id)
        if status is None:
            raise NoSuchInstance(instance_id)
        if not status.finished:
            raise InstanceExists(instance_id, status)
        children = self._finished_children(instance_id) if recursive else []
        self._remove(instance_id)
        return 1 + sum(self.purge(child, recursive=True) for child in children)

    def finish_activity(
        self, activity: int, result: str | None, failure: pb.TaskFailureDetails | None
    ) -> None:
        """Deliver an activity's outcome, unless nobody waits for it any more."""
        row = self._db.execute("DELETE FROM activities WHERE n=? RETURNING id, task", (activity,)).fetchone()
        if row is not None and self._is_active(row[0]):
            self._post(row[0], activity_outcome(row[1], result, failure))

    def commit_turn(self, work: Work, decision: Decision) -> bool:
        """Record a turn. False when the execution ended meanwhile: nothing of the turn happens then."""
        instance = work.instance
        if not self._is_active(instance.id, instance.execution):
            return False
        self._db.executemany("DELETE FROM inbox WHERE n=?", [(n,) for n in work.keys])
        self._append(instance.id, decision.history)
        self._db.execute(
            "UPDATE instances SET custom_status=?, updated=?, status=iif(status=?, status, ?) WHERE id=?",
            (decision.custom_status, self._now, Status.SUSPENDED, Status.RUNNING, instance.id),
        )
        for message in decision.messages:
            if self._is_active(message.target):
                self._post(message.target, message.event)
        if decision.completion is None or decision.completion.status != Status.CONTINUED_AS_NEW:
            self._dispatch(work, decision)
        if decision.completion is not None:
            self._complete(work, decision.completion)
        self.effects.changed.append(instance.id)
        return True

    def _dispatch(self, work: Work, decision: Decision) -> None:
        instance = work.instance
        for timer in decision.timers if decision.completion is None else ():
            self._post(instance.id, timer.event, timer.due)
        for activity in decision.activities:
            done = self._db.execute(
                "INSERT INTO activities(id, task, name, input) VALUES(?,?,?,?)",
                (instance.id, activity.task, activity.name, activity.payload),
            )
            self.effects.activities.append(Activity(done.lastrowid or 0, activity.name, activity.payload))
        for child in decision.children:
            self._start_child(Parent(instance.id, instance.execution, child.task), child)

    def _start_child(self, parent: Parent, child: Child) -> None:
        try:
            self.start(child.id, child.name, child.payload, parent=parent)
        except InstanceExists as error:
            failure = failure_details("InstanceExists", str(error))
            self._post(parent.id, child_outcome(parent.task, None, failure))

    def _complete(self, work: Work, completion: Completion) -> None:
        if completion.status == Status.CONTINUED_AS_NEW:
            self._continue_as_new(work, completion)
        else:
            self._finish(work.instance.id, completion)

    def _continue_as_new(self, work: Work, completion: Completion) -> None:
        instance = work.instance
        execution = uuid.uuid4().hex
        parent = self._parent(instance.id)
        late = self._db.execute(
            "DELETE FROM inbox WHERE id=? AND due IS NULL RETURNING n, event", (instance.id,)
        ).fetchall()
        for table in ("inbox", "history", "activities"):
            self._db.execute(f"DELETE FROM {table} WHERE id=?", (instance.id,))
        self._db.execute(
            "UPDATE instances SET execution=?, input=?, status=iif(status=?, status, ?) WHERE id=?",
            (execution, completion.output, Status.SUSPENDED, Status.PENDING, instance.id),
        )
        self._post(
            instance.id, execution_started(instance.id, execution, instance.name, completion.output, parent)
        )
        for event in completion.carried_over:
            self._post(instance.id, event)
        for _, blob in sorted(late):
            event = pb.HistoryEvent.FromString(blob)
            if event.WhichOneof("eventType") in _OUTLIVE_AN_EXECUTION:
                self._post(instance.id, event)

    def _finish(self, instance_id: str, completion: Completion) -> None:
        failure = completion.failure.SerializeToString() if completion.failure else None
        self._db.execute(
            "UPDATE instances SET status=?, output=?, failure=?, updated=?, completed=? WHERE id=?",
            (completion.status, completion.output, failure, self._now, self._now, instance_id),
        )
        self._db.execute("DELETE FROM inbox WHERE id=?", (instance_id,))
        self.effects.changed.append(instance_id)
        parent = self._parent(instance_id)
        if parent is not None and self._is_active(parent.id, parent.execution):
            self._post(parent.id, child_outcome(parent.task, completion.output, completion.failure))

    def _post(self, instance_id: str, event: pb.HistoryEvent, due: float | None = None) -> None:
        self._db.execute(
            "INSERT INTO inbox(id, due, event) VALUES(?,?,?)", (instance_id, due, event.SerializeToString())
        )
        if due is None:
            self.effects.ready.append(instance_id)
        else:
            self.effects.timers.append((due, instance_id))

    def _append(self, instance_id: str, history: Sequence[pb.HistoryEvent]) -> None:
        (count,) = self._db.execute(
            "SELECT coalesce(max(seq) + 1, 0) FROM history WHERE id=?", (instance_id,)
        ).fetchone()
        for event in history:
            if not event.timestamp.seconds:
                event.timestamp.FromDatetime(datetime.fromtimestamp(self._now, UTC))
        self._db.executemany(
            "INSERT INTO history VALUES(?,?,?)",
            [(instance_id, count + i, event.SerializeToString()) for i, event in enumerate(history)],
        )

    def _remove(self, instance_id: str) -> None:
        for table in ("instances", "history", "inbox", "activities"):
            self._db.execute(f"DELETE FROM {table} WHERE id=?", (instance_id,))
        self.effects.removed.append(instance_id)

    def _set_status(self, instance_id: str, status: Status) -> None:
        self._db.execute(
            "UPDATE instances SET status=?, updated=? WHERE id=?", (status, self._now, instance_id)
        )
        self.effects.changed.append(instance_id)

    def _status(self, instance_id: str) -> Status | None:
        row = self._db.execute("SELECT status FROM instances WHERE id=?", (instance_id,)).fetchone()
        return Status(row[0]) if row else None

    def _require_active(self, instance_id: str) -> Status:
        status = self._status(instance_id)
        if status is None:
            raise NoSuchInstance(instance_id)
        if status.finished:
            raise InstanceFinished(instance_id, status)
        return status

    def _is_active(self, instance_id: str, execution: str | None = None) -> bool:
        sql = f"SELECT execution FROM instances WHERE id=? AND status NOT IN {FINISHED_SQL}"
        row = self._db.execute(sql, (instance_id,)).fetchone()
        return row is not None and execution in (None, row[0])

    def _parent(self, instance_id: str) -> Parent | None:
        row = self._db.execute(
            "SELECT parent_id, parent_execution, parent_task FROM instances WHERE id=?", (instance_id,)
        ).fetchone()
        return Parent(*row) if row and row[0] is not None else None

    def _active_children(self, instance_id: str) -> list[str]:
        sql = f"SELECT id FROM instances WHERE parent_id=? AND status NOT IN {FINISHED_SQL}"
        return [child for (child,) in self._db.execute(sql, (instance_id,)).fetchall()]

    def _finished_children(self, instance_id: str) -> list[str]:
        sql = f"SELECT id FROM instances WHERE parent_id=? AND status IN {FINISHED_SQL}"
        return [child for (child,) in self._db.execute(sql, (instance_id,)).fetchall()]


_OUTLIVE_AN_EXECUTION = frozenset({"eventRaised", "executionSuspended", "executionResumed"})


def _parent_values(parent: Parent | None) -> tuple[str | None, str | None, int | None]:
    return (parent.id, parent.execution, parent.task) if parent else (None, None, None)
