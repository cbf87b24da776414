"""Who holds which entities. Requests and releases wait in an entity's inbox, in order with its operations."""

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.store import first_messages
from localazure.task_hub.transaction import Transaction

_HOLDS_OR_ASKS = """
SELECT EXISTS(SELECT 1 FROM entities WHERE locked_by=:id) OR EXISTS(SELECT 1 FROM inbox WHERE sender=:id)
"""


class Locks(Transaction):
    """A lock request goes from entity to entity of its lock set; the last grants it to its instance."""

    def _request_lock(self, request: pb.EntityLockRequestedEvent) -> None:
        entity = request.lockSet[request.position]
        event = pb.HistoryEvent(eventId=-1, entityLockRequested=request)
        self._post(entity, event, sender=request.parentInstanceId.value)
        self._serve_locks(entity)

    def _unlock(self, entity: str, release: pb.EntityUnlockSentEvent) -> None:
        """Release after the calls that the holder made before; a request still waiting is withdrawn."""
        sender, section = release.parentInstanceId.value, release.criticalSectionId
        held = self._db.execute(
            "SELECT 1 FROM entities WHERE id=? AND locked_by=? AND section=?", (entity, sender, section)
        ).fetchone()
        if held:
            self._post(entity, pb.HistoryEvent(eventId=-1, entityUnlockSent=release), sender=sender)
        else:
            self._withdraw(sender, entity, section)
        self._serve_locks(entity)

    def _release_locks(self, instance_id: str) -> None:
        """Free what an instance holds and withdraw what it asked for; its calls are served all the same."""
        (concerned,) = self._db.execute(_HOLDS_OR_ASKS, {"id": instance_id}).fetchone()
        if concerned:  # few instances lock anything
            self._free(instance_id)

    def _free(self, instance_id: str) -> None:
        freed = self._db.execute(
            "UPDATE entities SET locked_by=NULL, section=NULL WHERE locked_by=? RETURNING id", (instance_id,)
        ).fetchall()
        asked = self._db.execute("SELECT DISTINCT id FROM inbox WHERE sender=?", (instance_id,)).fetchall()
        for (entity,) in asked:
            self._withdraw(instance_id, entity)
        for (entity,) in {*freed, *asked}:
            self._serve_locks(entity)

    def _withdraw(self, sender: str, entity: str, section: str | None = None) -> None:
        """Take back a sender's lock requests and releases, those of one section or all."""
        rows = self._db.execute("SELECT n, event FROM inbox WHERE sender=? AND id=?", (sender, entity))
        for n, blob in rows.fetchall():
            found = _section(pb.HistoryEvent.FromString(blob))
            if found is not None and section in (None, found):
                self._db.execute("DELETE FROM inbox WHERE n=?", (n,))

    def _serve_locks(self, entity: str) -> None:
        """Grant and release what is next in an entity's inbox, up to an operation."""
        while (first := self._first_message(entity)) is not None:
            n, event = first
            if event.HasField("entityLockRequested"):
                self._db.execute("DELETE FROM inbox WHERE n=?", (n,))
                self._grant(entity, event.entityLockRequested)
            elif event.HasField("entityUnlockSent"):
                self._db.execute("DELETE FROM inbox WHERE n=?", (n,))
                self._db.execute("UPDATE entities SET locked_by=NULL, section=NULL WHERE id=?", (entity,))
            else:
                self.effects.ready.append(entity)
                return

    def _grant(self, entity: str, request: pb.EntityLockRequestedEvent) -> None:
        holder, section = request.parentInstanceId.value, request.criticalSectionId
        self._db.execute(
            "INSERT INTO entities(id, modified, locked_by, section) VALUES(?,?,?,?) "
            "ON CONFLICT(id) DO UPDATE SET locked_by=excluded.locked_by, section=excluded.section",
            (entity, self._now, holder, section),
        )
        if request.position + 1 < len(request.lockSet):
            request.position += 1
            self._request_lock(request)
        elif self._is_active(holder):
            granted = pb.EntityLockGrantedEvent(criticalSectionId=section)
            self._post(holder, pb.HistoryEvent(eventId=-1, entityLockGranted=granted))

    def _first_message(self, entity: str) -> tuple[int, pb.HistoryEvent] | None:
        return next(iter(first_messages(self._db, entity, self._now, 1)), None)


def _section(event: pb.HistoryEvent) -> str | None:
    """The critical section of a lock request or a release; None for another event."""
    if event.HasField("entityLockRequested"):
        return event.entityLockRequested.criticalSectionId
    return event.entityUnlockSent.criticalSectionId if event.HasField("entityUnlockSent") else None
