"""What callers do to orchestration instances: start, message, suspend, terminate, restart, forget."""

import uuid
from collections.abc import Iterable

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.history import Parent, child_outcome, execution_started
from localazure.task_hub.locks import Locks
from localazure.task_hub.model import InstanceExists, NoSuchInstance, Status, failure_details
from localazure.task_hub.store import FINISHED_SQL
from localazure.task_hub.turn import Child, Completion

_EXPIRED = f"""
SELECT id FROM instances AS old WHERE completed<? AND status IN {FINISHED_SQL}
AND NOT EXISTS (SELECT 1 FROM instances WHERE id=old.parent_id AND execution=old.parent_execution)
ORDER BY completed LIMIT ?
"""


class Instances(Locks):
    def start(
        self,
        instance_id: str,
        name: str,
        payload: str | None,
        *,
        version: str | None = None,
        start_at: float | None = None,
        replaceable: Iterable[Status] | None = None,
        parent: Parent | None = None,
    ) -> None:
        """Create an instance, in place of a finished (or `replaceable`) one.

        Raises `InstanceExists`, ValueError (an id that entities have).
        """
        if not instance_id or instance_id.startswith("@"):
            raise ValueError(f"Instance id {instance_id!r}: it must not be empty or begin with @.")
        existing = self._status(instance_id)
        if existing is not None:
            may_replace = existing.finished if replaceable is None else existing in set(replaceable)
            if not may_replace:
                raise InstanceExists(instance_id, existing)
            if not existing.finished:
                self.terminate(instance_id, None)
            self._remove(instance_id)
        execution = uuid.uuid4().hex
        self._db.execute(
            "INSERT INTO instances(id, execution, name, status, input, version, "
            "parent_id, parent_execution, parent_task, created, updated) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
            (
                instance_id,
                execution,
                name,
                Status.PENDING,
                payload,
                version,
                *_parent_values(parent),
                self._now,
                self._now,
            ),
        )
        started = execution_started(instance_id, execution, name, payload, version, parent)
        self._post(instance_id, started, due=start_at)

    def restart(self, instance_id: str, chosen: str) -> None:
        """Start an instance's orchestrator again, with its input and version, under the id `chosen`."""
        row = self._db.execute(
            "SELECT name, input, version FROM instances WHERE id=?", (instance_id,)
        ).fetchone()
        if row is None:
            raise NoSuchInstance(instance_id)
        name, payload, version = row
        self.start(chosen, name, payload, version=version)

    def raise_event(self, instance_id: str, name: str, payload: str | None) -> None:
        self._require_active(instance_id)
        self._post(instance_id, events.new_event_raised_event(name, payload), soon=True)

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
        self._cancel_activities(instance_id)
        self._finish(instance_id, Completion(Status.TERMINATED, output))
        for child in children:
            self.terminate(child, output)

    def purge(self, instance_id: str, *, recursive: bool = False) -> int:
        """Forget a finished instance; gives the number forgotten. Raises for one that runs or is unknown."""
        status = self._require(instance_id)
        if not status.finished:
            raise InstanceExists(instance_id, status)
        children = self._finished_children(instance_id) if recursive else []
        self._remove(instance_id)
        return 1 + sum(self.purge(child, recursive=True) for child in children)

    def expire(self, completed_before: float, limit: int) -> int:
        """Forget up to `limit` instances that finished before; gives the number forgotten.

        Those whose parent's execution is still known stay: parents go first, children in the next batches.
        """
        rows = self._db.execute(_EXPIRED, (completed_before, limit)).fetchall()
        for (instance_id,) in rows:
            self._remove(instance_id)
        return len(rows)

    def release_space(self, pages: int) -> int:
        """Give up to `pages` free pages of the database back to the file system; gives how many are left."""
        self._db.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
        (left,) = self._db.execute("PRAGMA freelist_count").fetchone()
        return left

    def _finish(self, instance_id: str, completion: Completion) -> None:
        failure = completion.failure.SerializeToString() if completion.failure else None
        self._db.execute(
            "UPDATE instances SET status=?, output=?, failure=?, updated=?, completed=? WHERE id=?",
            (completion.status, completion.output, failure, self._now, self._now, instance_id),
        )
        if completion.status != Status.FAILED:  # a failed one may be rewound
            self._db.execute("DELETE FROM inbox WHERE id=?", (instance_id,))
        self._release_locks(instance_id)
        self.effects.changed.append(instance_id)
        parent = self._parent(instance_id)
        if parent is not None and self._listens(parent.id, parent.execution):
            self._tell_parent(instance_id, parent, completion)

    def _tell_parent(self, instance_id: str, parent: Parent, completion: Completion) -> None:
        failure = completion.failure
        if completion.status == Status.TERMINATED:
            message = f"The orchestration '{instance_id}' was terminated."
            failure = failure_details("OrchestrationTerminated", message)
        self._post(parent.id, child_outcome(parent.task, completion.output, failure))

    def _start_child(self, parent: Parent, child: Child) -> None:
        try:
            self.start(child.id, child.name, child.payload, version=child.version, parent=parent)
        except (InstanceExists, ValueError) as error:
            failure = failure_details(type(error).__name__, str(error))
            self._post(parent.id, child_outcome(parent.task, None, failure))

    def _active_children(self, instance_id: str) -> list[str]:
        return [child for child, status in self._children(instance_id) if not status.finished]

    def _finished_children(self, instance_id: str) -> list[str]:
        return [child for child, status in self._children(instance_id) if status.finished]

    def _children(self, instance_id: str) -> list[tuple[str, Status]]:
        """The children of the instance's current execution."""
        rows = self._db.execute(
            "SELECT id, status FROM instances WHERE parent_id=:id "
            "AND parent_execution=(SELECT execution FROM instances WHERE id=:id)",
            {"id": instance_id},
        )
        return [(child, Status(status)) for child, status in rows.fetchall()]


def _parent_values(parent: Parent | None) -> tuple[str | None, str | None, int | None]:
    return (parent.id, parent.execution, parent.task) if parent else (None, None, None)
