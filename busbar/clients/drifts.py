"""Drift: what is on record of each circuit, incidents (tables); reports, plots and plans (blobs)."""

import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from busbar.clients.blobs import Blobs
from busbar.clients.records import change_row
from busbar.clients.reports import Reports
from busbar.clients.tables import Tables
from busbar.codec import from_wire, to_wire
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import DriftRecord
from busbar.domain.drift_plan import DriftPlan, Incident
from busbar.domain.errors import Conflict, NotFound
from busbar.domain.policies import Stage
from busbar.settings import Settings

_PLOTS = "drift-plots"
_REPORTS, _PLANS = "drift", "drift-plans"
_AT_ONCE = 8


class Drifts:
    """By stage and circuit; incidents by id. A change is written under the row's entity tag: no writer is lost."""

    def __init__(self, settings: Settings):
        tables = Tables(settings)
        self._records, self._incidents = tables["drifts"], tables["incidents"]
        self._blobs, self._reports = Blobs(settings), Reports(settings)

    def record(self, stage: Stage, key: CircuitKey) -> DriftRecord | None:
        row = self._records.get(stage, str(key))
        return None if row is None else from_wire(DriftRecord, json.loads(row.body))

    def records(self, stage: Stage | None = None) -> list[DriftRecord]:
        return [from_wire(DriftRecord, json.loads(row.body)) for row in self._records.query(stage)]

    def change_record(
        self, stage: Stage, key: CircuitKey, change: Callable[[DriftRecord | None], DriftRecord]
    ) -> DriftRecord:
        """Write what `change` makes of the record as it is now, and return it."""
        return change_row(DriftRecord, self._records, (stage, str(key)), change)

    def add_incident(self, incident: Incident) -> None:
        """Keep an incident; one of the same id stays as it is."""
        try:
            self._incidents.insert("incident", incident.id, json.dumps(to_wire(incident)))
        except Conflict:
            return

    def incident(self, id: str) -> Incident | None:
        row = self._incidents.get("incident", id)
        return None if row is None else from_wire(Incident, json.loads(row.body))

    def incidents(self, stage: Stage | None = None) -> list[Incident]:
        """Newest first."""
        rows = self._incidents.query("incident")
        found = [from_wire(Incident, json.loads(row.body)) for row in rows]
        kept = [one for one in found if stage in (None, one.stage)]
        return sorted(kept, key=lambda one: (one.opened, one.id), reverse=True)

    def change_incident(self, id: str, change: Callable[[Incident], Incident]) -> Incident:
        """Write what `change` makes of the incident as it is now; raises `NotFound`."""

        def changed(incident: Incident | None) -> Incident:
            if incident is None:
                raise NotFound(f"incident {id} is not on record")
            return change(incident)

        return change_row(Incident, self._incidents, ("incident", id), changed)

    def save_report(self, stage: Stage, key: CircuitKey, day: str, report: dict[str, Any]) -> None:
        """What monitor_circuits said of a circuit's day."""
        self._reports.save(_REPORTS, _place(stage, key, day), report)

    def report(self, stage: Stage, key: CircuitKey, day: str) -> dict[str, Any] | None:
        return self._reports.read(_REPORTS, _place(stage, key, day))

    def save_plot(self, stage: Stage, key: CircuitKey, day: str, svg: bytes) -> None:
        self._blobs.write(_PLOTS, f"{_place(stage, key, day)}.svg", svg)

    def plot(self, stage: Stage, key: CircuitKey, day: str) -> bytes | None:
        """Distributions then and now, an SVG; `None` where none was drawn."""
        try:
            return self._blobs.read(_PLOTS, f"{_place(stage, key, day)}.svg")
        except NotFound:
            return None

    def purge(self, stage: Stage, before: date, kept: Collection[tuple[CircuitKey, str]]) -> None:
        """Delete a stage's reports and plots of days before this one; those of a circuit's day in `kept` stay."""
        staying = {_place(stage, key, day) for key, day in kept}
        there = {f"{stage}/{id}" for id in self._reports.ids(f"{_REPORTS}/{stage}")}
        there |= {name.removesuffix(".svg") for name, _ in self._blobs.names(_PLOTS, f"{stage}/")}
        old = {place for place in there if place.rpartition("/")[2] < before.isoformat()}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._delete, old - staying))

    def _delete(self, place: str) -> None:
        self._reports.delete(_REPORTS, place)
        self._blobs.delete(_PLOTS, f"{place}.svg")

    def save_plan(self, run: str, plan: DriftPlan) -> None:
        self._reports.save(_PLANS, run, plan)

    def plan(self, run: str) -> DriftPlan | None:
        """What a monitoring run decided; decided once, it stays so."""
        document = self._reports.read(_PLANS, run)
        return None if document is None else from_wire(DriftPlan, document)


def _place(stage: Stage, key: CircuitKey, day: str) -> str:
    return f"{stage}/{key}/{day}"
