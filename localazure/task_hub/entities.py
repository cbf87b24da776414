"""What happens to entities: signals, calls, lock requests, and the outcomes of their operations."""

import logging
import uuid

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.batch import Conclusion
from localazure.task_hub.history import operation_outcome, seconds, signal
from localazure.task_hub.instances import Instances
from localazure.task_hub.model import InstanceExists, entity_id
from localazure.task_hub.store import Active, Batch
from localazure.task_hub.turn import EntityMessage

_log = logging.getLogger(__name__)


class Entities(Instances):
    def signal_entity(
        self, entity: str, operation: str, payload: str | None, *, at: float | None, request_id: str
    ) -> None:
        self._post(entity, signal(entity, operation, payload, request_id), due=at)

    def _message_entity(self, sender: Active, message: EntityMessage) -> None:
        """Send what an orchestrator's turn has for an entity."""
        event = pb.HistoryEvent()
        event.CopyFrom(message.event)
        event.eventId = -1
        match event.WhichOneof("eventType"):
            case "entityOperationCalled":
                called = event.entityOperationCalled
                called.parentInstanceId.value, called.parentExecutionId.value = sender.id, sender.execution
                self._post(message.target, event, due=message.due, sender=sender.id)
            case "entityLockRequested":
                event.entityLockRequested.parentInstanceId.value = sender.id
                self._request_lock(event.entityLockRequested)
            case "entityUnlockSent":
                event.entityUnlockSent.parentInstanceId.value = sender.id
                self._unlock(message.target, event.entityUnlockSent)
            case _:
                self._post(message.target, event, due=message.due)

    def commit_batch(self, batch: Batch, conclusion: Conclusion) -> None:
        """Record what a batch came to: the state, the answers to the callers, and what the entity sent."""
        self._db.execute(
            "INSERT INTO entities(id, state, modified) VALUES(?,?,?) "
            "ON CONFLICT(id) DO UPDATE SET state=excluded.state, modified=excluded.modified",
            (batch.id, conclusion.state, self._now),
        )
        for key, outcome in zip(batch.keys, conclusion.outcomes, strict=False):
            row = self._db.execute("DELETE FROM inbox WHERE n=? RETURNING event", (key,)).fetchone()
            self._answer(batch.id, pb.HistoryEvent.FromString(row[0]), outcome)
        for action in conclusion.actions:
            self._act(batch.id, action)
        self._serve_locks(batch.id)

    def _answer(self, entity: str, operation: pb.HistoryEvent, outcome: pb.OperationResult) -> None:
        if operation.HasField("entityOperationCalled"):
            called = operation.entityOperationCalled
            caller, execution = called.parentInstanceId.value, called.parentExecutionId.value
            if self._listens(caller, execution):
                self._post(caller, operation_outcome(called.requestId, outcome))
        elif outcome.HasField("failure"):
            name, failure = operation.entityOperationSignaled.operation, outcome.failure.failureDetails
            _log.warning(
                "The signal '%s' to %s failed: %s: %s", name, entity, failure.errorType, failure.errorMessage
            )

    def _act(self, entity: str, action: pb.OperationAction) -> None:
        try:
            if action.HasField("sendSignal"):
                self._send_signal(action.sendSignal)
            else:
                self._start_orchestration(action.startNewOrchestration)
        except (InstanceExists, ValueError, OverflowError) as error:
            _log.warning("What %s asked for was left out: %s", entity, error)

    def _send_signal(self, action: pb.SendSignalAction) -> None:
        payload = action.input.value if action.HasField("input") else None
        self.signal_entity(
            entity_id(action.instanceId),
            action.name,
            payload,
            at=seconds(action, "scheduledTime"),
            request_id=uuid.uuid4().hex,
        )

    def _start_orchestration(self, action: pb.StartNewOrchestrationAction) -> None:
        self.start(
            action.instanceId or uuid.uuid4().hex,
            action.name,
            action.input.value if action.HasField("input") else None,
            version=action.version.value if action.HasField("version") else None,
            start_at=seconds(action, "scheduledTime"),
        )

    def clean_entities(self, *, remove_empty: bool, release_orphaned_locks: bool) -> tuple[int, int]:
        """Forget entities that have no state, lock or message; free those whose holder runs no more."""
        released = self._release_orphaned_locks() if release_orphaned_locks else 0
        if not remove_empty:
            return 0, released
        removed = self._db.execute(
            "DELETE FROM entities WHERE state IS NULL AND locked_by IS NULL "
            "AND NOT EXISTS(SELECT 1 FROM inbox WHERE inbox.id=entities.id)"
        )
        return removed.rowcount, released

    def _release_orphaned_locks(self) -> int:
        holders = self._db.execute("SELECT locked_by FROM entities WHERE locked_by IS NOT NULL").fetchall()
        orphaned = [holder for (holder,) in holders if not self._is_active(holder)]
        for holder in set(orphaned):
            self._release_locks(holder)
        return len(orphaned)
