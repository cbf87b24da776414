"""The audit log: append-only, each entry chained to the one before it, safe under many writers."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from busbar.clients.tables import Row, Tables
from busbar.codec import from_wire, to_wire
from busbar.domain.audit import EMPTY, Entry, Head, chained
from busbar.domain.errors import BadRequest, Conflict, TemporarilyUnavailable, VersionConflict
from busbar.settings import Settings

_CHAIN = "chain"
_HEAD = "head"
_PATIENCE_SECONDS = 60.0


def _now() -> datetime:
    return datetime.now(UTC)


class Audit:
    """The whole log is one partition, so that an entry, its id and the new head are written in one transaction.

    Of two writers that follow the same head one loses the transaction and follows the other: no gap, no fork.
    """

    def __init__(self, settings: Settings, table: str = "audit", now: Callable[[], datetime] = _now):
        self._log = Tables(settings)[table]
        self._turn = threading.Lock()  # writers of one process queue here rather than at the table
        self._now = now

    def append(
        self,
        *,
        id: str,
        kind: str,
        subject: str,
        actor: str,
        sentence: str,
        details: Mapping[str, Any],
    ) -> Entry:
        """Write an entry and give it back; under an id that is on record the same again changes nothing.

        `details` may hold whatever `to_wire` takes. Raises `VersionConflict` where the id says something else,
        `TemporarilyUnavailable` when too many write at once for a minute.
        """
        said = {"id": id, "kind": kind, "subject": subject, "actor": actor, "sentence": sentence}
        plain = json.loads(json.dumps(to_wire(dict(details))))
        with self._turn:
            return self._follow(said, plain)

    def _follow(self, said: Mapping[str, str], plain: Mapping[str, Any]) -> Entry:
        """Write what follows the head, whatever it has become."""
        id, deadline = said["id"], time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            row, head = self._end()
            entry = chained(head, self._now().isoformat(timespec="seconds"), **said, details=plain)
            if (known := self._entry(id)) is not None:
                return _same(known, entry)
            try:
                self._write(entry, row)
            except Conflict:
                time.sleep(random.uniform(0, 0.05))  # noqa: S311 - somebody else was first: step aside, follow them
                continue
            return entry
        raise TemporarilyUnavailable(
            f"audit entry {id} was not written: the log's end did not hold still for {_PATIENCE_SECONDS:g} s "
            "(if nobody else writes, `busbar audit --verify` says what is wrong with the log)"
        )

    def head(self) -> Head:
        """The end of the chain."""
        return self._end()[1]

    def entries(self, first: int = 1, last: int = 10**12 - 1) -> list[Entry]:
        """The entries from one sequence to another, in the order in which they are kept.

        A row that no longer reads as an entry is an entry without a digest: `verify` then names it.
        """
        return [_read(row) for row in self._log.between(_CHAIN, _key(first), _key(last))]

    def _end(self) -> tuple[Row | None, Head]:
        row = self._log.get(_CHAIN, _HEAD)
        return row, EMPTY if row is None else from_wire(Head, json.loads(row.body))

    def _entry(self, id: str) -> Entry | None:
        row = self._log.get(_CHAIN, _id_key(id))
        found = self._log.get(_CHAIN, _key(json.loads(row.body)["sequence"])) if row else None
        return None if found is None else _read(found)

    def _write(self, entry: Entry, head: Row | None) -> None:
        end = json.dumps(to_wire(Head(entry.sequence, entry.digest)))
        added = {
            _key(entry.sequence): json.dumps(to_wire(entry)),
            _id_key(entry.id): json.dumps({"sequence": entry.sequence}),
        }
        if head is None:
            self._log.write_together(_CHAIN, added | {_HEAD: end})
        else:
            self._log.write_together(_CHAIN, added, (head, end))


def _key(sequence: int) -> str:
    return f"{sequence:012d}"


def _id_key(id: str) -> str:
    """Ids are anybody's text: hashed."""
    return f"id-{hashlib.sha256(id.encode()).hexdigest()}"


def _read(row: Row) -> Entry:
    try:
        return from_wire(Entry, json.loads(row.body))
    except (ValueError, BadRequest) as problem:
        sentence = f"this row cannot be read as an entry: {problem}"
        return Entry(row.key, int(row.key), "", "unreadable", "", "", sentence, {}, "", "")


def _same(known: Entry, entry: Entry) -> Entry:
    if not known.says(entry):
        raise VersionConflict(
            f"audit entry {known.id} says {known.sentence!r} and is never changed; what differs from it needs an id "
            "of its own"
        )
    return known
