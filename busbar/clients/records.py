"""What Busbar remembers: circuits, deployments, scorings, runs (tables), release sets (immutable blobs)."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from busbar.clients.blobs import Blobs
from busbar.clients.tables import Row, Table, Tables
from busbar.codec import from_wire, to_wire
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import Conflict, NotFound, TemporarilyUnavailable
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, Offer, RunRecord, ScoringRecord
from busbar.domain.release import ReleaseSet
from busbar.settings import Settings

_RELEASES = "releases"
_ATTEMPTS = 20


class Records:
    """The rows behind the board. A save replaces a row; `update_circuit` and `change_deployment` change it as it is."""

    def __init__(self, settings: Settings):
        tables = Tables(settings)
        self._blobs = Blobs(settings)
        self._circuits = tables["circuits"]
        self._deployments = tables["deployments"]
        self._scorings = tables["scorings"]
        self._runs = tables["runs"]
        self._offers = tables["offers"]
        self._merges = tables["merges"]
        self._schedules = tables["schedules"]

    def circuit(self, key: CircuitKey) -> CircuitRecord | None:
        return _read(CircuitRecord, self._circuits.get(key.plant_id, key.circuit_id))

    def circuits(self) -> list[CircuitRecord]:
        """All of them, by plant and circuit."""
        return _read_all(CircuitRecord, self._circuits)

    def save_circuit(self, record: CircuitRecord) -> None:
        self._circuits.upsert(record.key.plant_id, record.key.circuit_id, _text(record))

    def update_circuit(self, key: CircuitKey, **changes: Any) -> CircuitRecord:
        """Change fields of a circuit's record as it is now; `updated_at` is set unless given.

        Raises `NotFound` for a circuit without a record, `TypeError` for a field that a record does not have,
        `TemporarilyUnavailable` when others keep changing it.
        """
        changes.setdefault("updated_at", datetime.now(UTC).isoformat(timespec="seconds"))

        def changed(record: CircuitRecord | None) -> CircuitRecord:
            if record is None:
                raise NotFound(f"circuit {key} has no record: it was never planned")
            return replace(record, **changes)

        return change_row(CircuitRecord, self._circuits, (key.plant_id, key.circuit_id), changed)

    def deployments(self, stage: Stage | None = None) -> list[DeploymentRecord]:
        return _read_all(DeploymentRecord, self._deployments, stage)

    def deployment(self, stage: Stage, key: CircuitKey) -> DeploymentRecord | None:
        return _read(DeploymentRecord, self._deployments.get(stage, str(key)))

    def change_deployment(
        self,
        stage: Stage,
        key: CircuitKey,
        change: Callable[[DeploymentRecord | None], DeploymentRecord | None],
    ) -> DeploymentRecord | None:
        """Write what `change` makes of the record as it is now (None: remove it), and return it; no writer is lost.

        `change` is called again where somebody else was faster. What it raises leaves the record as it is; raises
        `TemporarilyUnavailable` when others keep changing it.
        """
        return change_row(DeploymentRecord, self._deployments, (stage, str(key)), change)

    def scorings(self, stage: Stage | None = None) -> list[ScoringRecord]:
        return _read_all(ScoringRecord, self._scorings, stage)

    def save_scoring(self, record: ScoringRecord) -> None:
        self._scorings.upsert(record.stage, str(record.key), _text(record))

    def runs(self) -> list[RunRecord]:
        """Newest first."""
        return sorted(_read_all(RunRecord, self._runs), key=lambda run: run.updated_at, reverse=True)

    def run(self, id: str) -> RunRecord | None:
        return _read(RunRecord, self._runs.get("run", id))

    def save_run(self, record: RunRecord) -> None:
        self._runs.upsert("run", record.id, _text(record))

    def merges(self) -> list[MergeRecord]:
        """Newest first."""
        return sorted(_read_all(MergeRecord, self._merges), key=lambda merge: merge.at, reverse=True)

    def merge(self, id: str) -> MergeRecord | None:
        return _read(MergeRecord, self._merges.get("merge", id))

    def save_merge(self, record: MergeRecord) -> None:
        self._merges.upsert("merge", record.id, _text(record))

    def schedule(self, stage: Stage) -> str | None:
        """Until when a stage's schedule was seen to (ISO 8601); `None` before the first time."""
        row = self._schedules.get("schedule", stage)
        return None if row is None else json.loads(row.body)

    def save_schedule(self, stage: Stage, due: str) -> None:
        self._schedules.upsert("schedule", stage, json.dumps(due))

    def scored_until(self, stage: Stage) -> str | None:
        """The newest day (ISO 8601) whose daily scoring was started; `None` before the first time."""
        row = self._schedules.get("scoring", stage)
        return None if row is None else json.loads(row.body)

    def save_scored_until(self, stage: Stage, day: str) -> None:
        self._schedules.upsert("scoring", stage, json.dumps(day))

    def save_release(self, release: ReleaseSet) -> None:
        """Keep a release set for good; the same one again is fine."""
        self._blobs.write_once(_RELEASES, f"{release.id}.json", _text(release).encode())

    def release(self, id: str) -> ReleaseSet | None:
        try:
            content = self._blobs.read(_RELEASES, f"{id}.json")
        except NotFound:
            return None
        return from_wire(ReleaseSet, json.loads(content))

    def releases(self) -> list[str]:
        """The ids of all release sets, by id."""
        files = (name for name, _ in self._blobs.names(_RELEASES) if name.endswith(".json"))
        return [name.removesuffix(".json") for name in files]

    def save_offer(self, stage: Stage, offer: Offer) -> None:
        """A release set is ready for `stage`; the first offer's time counts, a repeat changes nothing."""
        body = {"offer": to_wire(offer), "at": datetime.now(UTC).isoformat()}
        try:
            self._offers.insert(stage, offer.release_id, json.dumps(body))
        except Conflict:
            return

    def latest_offer(self, stage: Stage) -> Offer | None:
        """The release set that was offered to `stage` last."""
        offers = [json.loads(row.body) for row in self._offers.query(stage)]
        latest = max(offers, key=lambda offer: offer["at"], default=None)
        return from_wire(Offer, latest["offer"]) if latest else None


def change_row[T, R](
    type_: type[T], table: Table, place: tuple[str, str], change: Callable[[T | None], R]
) -> R:
    """Read, change, write under the entity tag; again where somebody changed the row in between."""
    for _ in range(_ATTEMPTS):
        row = table.get(*place)
        before = _read(type_, row)
        record = change(before)
        if record == before:
            return record
        try:
            _write(table, place, row, record)
        except (Conflict, NotFound):
            continue
        return record
    raise TemporarilyUnavailable(f"{place[1]} changed {_ATTEMPTS} times while we tried to update it")


def _write(table: Table, place: tuple[str, str], row: Row | None, record: object | None) -> None:
    if record is None and row is not None:
        table.remove(row)
    elif row is None:
        table.insert(*place, _text(record))
    else:
        table.replace(row, _text(record))


def _text(record: object) -> str:
    return json.dumps(to_wire(record))


def _read[T](type_: type[T], row: Row | None) -> T | None:
    return None if row is None else from_wire(type_, json.loads(row.body))


def _read_all[T](type_: type[T], table: Table, partition: str | None = None) -> list[T]:
    return [from_wire(type_, json.loads(row.body)) for row in table.query(partition)]
