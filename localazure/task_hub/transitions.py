"""Turns and activities: what the running of the app's code changes in a task hub.

`Transitions` is everything that changes it, in layers of one subject each: transaction, locks, instances,
entities, rewind, and this one.
"""

import logging
import uuid

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.history import Parent, activity_outcome, execution_started
from localazure.task_hub.model import Status
from localazure.task_hub.rewind import Rewinds
from localazure.task_hub.store import FINISHED_SQL, Active, Activity, Work
from localazure.task_hub.transaction import listens
from localazure.task_hub.turn import Completion, Decision

_log = logging.getLogger(__name__)

_OUTLIVE_AN_EXECUTION = frozenset({"eventRaised", "executionSuspended", "executionResumed"})

_TAKE_ACTIVITY = """
DELETE FROM activities WHERE n=?
RETURNING id, task, (SELECT status FROM instances WHERE instances.id=activities.id)
"""
_TURN = f"""
UPDATE instances
SET custom_status=?, updated=?, status=iif(status={Status.SUSPENDED:d}, status, {Status.RUNNING:d})
WHERE id=? AND execution=? AND status NOT IN {FINISHED_SQL}
"""


class Transitions(Rewinds):
    def finish_activity(
        self, activity: int, result: str | None, failure: pb.TaskFailureDetails | None
    ) -> None:
        """Deliver an activity's outcome, unless nobody waits for it any more."""
        row = self._db.execute(_TAKE_ACTIVITY, (activity,)).fetchone()
        if row is not None and listens(row[2]):
            self._post(row[0], activity_outcome(row[1], result, failure))

    def commit_turn(self, work: Work, decision: Decision) -> str | None:
        """Record a turn; gives the execution it belongs to.

        None when the execution ended meanwhile: nothing of the turn happens then.
        """
        instance = work.instance
        values = (decision.custom_status, self._now, instance.id, instance.execution)
        if not self._db.execute(_TURN, values).rowcount:
            return None
        self._db.executemany("DELETE FROM inbox WHERE n=?", [(n,) for n in work.keys])
        if decision.rewound is not None:
            instance = self._rewrite(instance, decision.rewound)
        self._append(instance.id, decision.history)
        self._dispatch(instance, decision)
        if decision.completion is not None:
            self._complete(instance, decision.completion)
        self.effects.changed.append(instance.id)
        return instance.execution

    def _dispatch(self, instance: Active, decision: Decision) -> None:
        self._send(instance, decision)
        for child in decision.children:
            self._start_child(Parent(instance.id, instance.execution, child.task), child)
        status = decision.completion.status if decision.completion else None
        if status != Status.CONTINUED_AS_NEW:
            self._schedule_activities(instance, decision)
        if status in (None, Status.FAILED):  # a failed one may be rewound
            for timer in decision.timers:
                self._post(instance.id, timer.event, due=timer.due)

    def _send(self, instance: Active, decision: Decision) -> None:
        for message in decision.messages:
            if self._is_active(message.target):
                self._post(message.target, message.event)
            else:
                name = message.event.eventRaised.name
                _log.warning(
                    "%s sent the event '%s' to '%s', which is not running: dropped",
                    instance.id,
                    name,
                    message.target,
                )
        for message in decision.entity_messages:
            self._message_entity(instance, message)

    def _schedule_activities(self, instance: Active, decision: Decision) -> None:
        for activity in decision.activities:
            done = self._db.execute(
                "INSERT INTO activities(id, task, name, input) VALUES(?,?,?,?)",
                (instance.id, activity.task, activity.name, activity.payload),
            )
            self.effects.activities.append(Activity(done.lastrowid or 0, activity.name, activity.payload))

    def _complete(self, instance: Active, completion: Completion) -> None:
        if completion.status == Status.CONTINUED_AS_NEW:
            self._continue_as_new(instance, completion)
        else:
            self._finish(instance.id, completion)

    def _continue_as_new(self, instance: Active, completion: Completion) -> None:
        execution, version = uuid.uuid4().hex, completion.version or instance.version
        parent = self._parent(instance.id)
        self._release_locks(instance.id)
        late = self._db.execute(
            "DELETE FROM inbox WHERE id=? AND due IS NULL RETURNING n, event", (instance.id,)
        ).fetchall()
        self._cancel_activities(instance.id)
        for table in ("inbox", "history"):
            self._db.execute(f"DELETE FROM {table} WHERE id=?", (instance.id,))
        self._db.execute(
            "UPDATE instances SET execution=?, input=?, version=?, status=iif(status=?, status, ?) WHERE id=?",
            (execution, completion.output, version, Status.SUSPENDED, Status.PENDING, instance.id),
        )
        started = execution_started(instance.id, execution, instance.name, completion.output, version, parent)
        self._post(instance.id, started)
        for event in completion.carried_over:
            self._post(instance.id, event)
        for _, blob in sorted(late):
            event = pb.HistoryEvent.FromString(blob)
            if event.WhichOneof("eventType") in _OUTLIVE_AN_EXECUTION:
                self._post(instance.id, event)
