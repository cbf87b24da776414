"""Handled events, and the last commit handled per branch: what stops late duplicates."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from busbar.clients.tables import Tables
from busbar.domain.errors import Conflict, TemporarilyUnavailable
from busbar.settings import Settings


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """Claim an event, handle it, mark it done. A claim expires, so that a crash in between loses nothing."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = _now):
        tables = Tables(settings)
        self._events = tables["ledger"]
        self._heads = tables["heads"]
        self._now = now

    def claim(self, event_id: str, *, seconds: float = 120) -> bool:
        """True: it is yours to handle, for `seconds`. False: it is done.

        Raises `TemporarilyUnavailable` while somebody else holds it: refuse the delivery, so that it comes
        again should that somebody die.
        """
        partition, key = _event_key(event_id)
        claim = json.dumps(
            {"event": event_id, "until": (self._now() + timedelta(seconds=seconds)).isoformat()}
        )
        try:
            self._events.insert(partition, key, claim)
            return True
        except Conflict:
            row = self._events.get(partition, key)
        entry = json.loads(row.body) if row else {}
        if entry.get("done"):
            return False
        if row is None or self._now() < datetime.fromisoformat(entry["until"]):
            raise _busy(event_id)
        try:
            self._events.replace(row, claim)
        except Conflict:
            raise _busy(event_id) from None
        return True

    def release(self, event_id: str) -> None:
        """Give up a claim after a failure, so that the next delivery need not wait for its end."""
        self._events.delete(*_event_key(event_id))

    def done(self, event_id: str) -> None:
        """It was handled: every later delivery is a duplicate."""
        self._events.upsert(
            *_event_key(event_id), json.dumps({"event": event_id, "done": self._now().isoformat()})
        )

    def head(self, branch: str) -> str | None:
        """The last commit of `branch` that was handled."""
        row = self._heads.get("branch", branch)
        return json.loads(row.body)["commit"] if row else None

    def set_head(self, branch: str, commit: str) -> None:
        self._heads.upsert("branch", branch, json.dumps({"commit": commit}))


def _event_key(event_id: str) -> tuple[str, str]:
    """Event ids are anybody's text: hashed, and spread over 256 partitions."""
    digest = hashlib.sha256(event_id.encode()).hexdigest()
    return digest[:2], digest


def _busy(event_id: str) -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        f"event {event_id} is being handled by somebody else: deliver it again later"
    )
