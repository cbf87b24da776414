"""The index of release sets, newest first, and the pins of all models that were ever registered."""

import json
from collections.abc import Callable
from datetime import datetime

from busbar.clients.tables import Row, Tables
from busbar.codec import from_wire, to_wire
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import Conflict, NotFound, TemporarilyUnavailable
from busbar.domain.release import Pin
from busbar.domain.release_record import ReleaseRecord
from busbar.settings import Settings

_PARTITION = "release"
_ATTEMPTS = 20
_FAR = 10**13  # milliseconds: what is later than a time has a smaller key


class Releases:
    """A record lies under its time, so that the newest come first; `id-…` leads to it, `open-…` says it is open."""

    def __init__(self, settings: Settings):
        tables = Tables(settings)
        self._index = tables["releases"]
        self._pins = tables["pins"]

    def add(self, record: ReleaseRecord) -> ReleaseRecord:
        """Put a release set into the index; one that is there already is given back as it is by now."""
        key = _key(record)
        rows = {
            key: json.dumps(to_wire(record)),
            _id(record.id): json.dumps({"key": key}),
            _open(record.id): json.dumps({"id": record.id}),
        }
        if (known := self.get(record.id)) is not None:
            return known
        try:
            self._index.write_together(_PARTITION, rows)
        except Conflict:
            return self.get(record.id) or record
        return record

    def get(self, id: str) -> ReleaseRecord | None:
        row = self._row(id)
        return None if row is None else _record(row)

    def newest(self, limit: int, after: str = "") -> list[ReleaseRecord]:
        """At most `limit`, newest first; those that follow the one with the id `after`, which `NotFound` misses."""
        first = self._row(after) if after else None
        if after and first is None:
            raise NotFound(f"there is no release {after}")
        start = first.key if first else "at-"
        found = self._index.between(_PARTITION, start, "at-~", limit + 1)
        return [_record(row) for row in found if row.key != (first and first.key)][:limit]

    def open(self) -> list[ReleaseRecord]:
        """Those that are on their way, the oldest first."""
        ids = [json.loads(row.body)["id"] for row in self._index.between(_PARTITION, "open-", "open-~")]
        found = [record for id in ids if (record := self.get(id)) is not None and record.open]
        return sorted(found, key=lambda record: (record.composed_at, record.id))

    def update(self, id: str, change: Callable[[ReleaseRecord], ReleaseRecord]) -> ReleaseRecord:
        """Change a record as it is now; raises `NotFound`, or `TemporarilyUnavailable` when others keep changing it."""
        for _ in range(_ATTEMPTS):
            row = self._row(id)
            if row is None:
                raise NotFound(f"there is no release {id}")
            known = _record(row)
            changed = change(known)
            try:
                if changed != known:
                    self._index.replace(row, json.dumps(to_wire(changed)))
            except Conflict:
                continue  # somebody changed it between our read and our write: read again
            if changed.open and not known.open:
                self._index.upsert(_PARTITION, _open(id), json.dumps({"id": id}))
            elif not changed.open:
                self._index.delete(_PARTITION, _open(id))
            return changed
        raise TemporarilyUnavailable(f"release {id} changed {_ATTEMPTS} times while we tried to update it")

    def keep_pin(self, pin: Pin) -> None:
        """Remember what made a model, for whoever composes a release set with it."""
        self._pins.upsert(str(pin.key), pin.model_version, json.dumps(to_wire(pin)))

    def pin(self, key: CircuitKey, version: str) -> Pin | None:
        row = self._pins.get(str(key), version)
        return None if row is None else from_wire(Pin, json.loads(row.body))

    def pins(self) -> list[Pin]:
        """What made every model that was ever registered."""
        return [from_wire(Pin, json.loads(row.body)) for row in self._pins.query()]

    def _row(self, id: str) -> Row | None:
        found = self._index.get(_PARTITION, _id(id))
        return self._index.get(_PARTITION, json.loads(found.body)["key"]) if found else None


def _key(record: ReleaseRecord) -> str:
    milliseconds = int(datetime.fromisoformat(record.composed_at).timestamp() * 1000)
    return f"at-{_FAR - milliseconds:014d}-{record.id}"


def _id(id: str) -> str:
    return f"id-{id}"


def _open(id: str) -> str:
    return f"open-{id}"


def _record(row: Row) -> ReleaseRecord:
    return from_wire(ReleaseRecord, json.loads(row.body))
