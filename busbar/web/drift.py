"""The pages of drift, the plot of a circuit's distributions, and the same as JSON."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from busbar import pages
from busbar.codec import to_wire
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import DriftRecord
from busbar.domain.drift_plan import Incident
from busbar.domain.errors import BadRequest
from busbar.domain.policies import Stage
from busbar.web.reply import Reply, unless_known

NO_HEADERS: Mapping[str, str] = {}
SHOWN = 50
# Drawn by a job: it may show its own styles, and nothing else.
PLOT_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "private, max-age=300",
    "X-Content-Type-Options": "nosniff",
}


class DriftReader(Protocol):
    def record(self, stage: Stage, key: CircuitKey) -> DriftRecord | None: ...
    def records(self, stage: Stage | None = None) -> list[DriftRecord]: ...
    def incidents(self, stage: Stage | None = None) -> list[Incident]: ...
    def report(self, stage: Stage, key: CircuitKey, day: str) -> dict[str, Any] | None: ...
    def plot(self, stage: Stage, key: CircuitKey, day: str) -> bytes | None: ...


def page(query: Mapping[str, str], headers: Mapping[str, str] = NO_HEADERS, *, drifts: DriftReader) -> Reply:
    """GET /drift?stage=prod: the fleet."""
    try:
        stage = _stage(query)
    except BadRequest as error:
        return Reply.message(400, "No such stage", str(error))
    records, incidents = tuple(drifts.records(stage)), tuple(drifts.incidents(stage))
    return unless_known(Reply.html(200, pages.drift(records, incidents, stage)), headers)


def circuit_page(
    plant: str,
    circuit: str,
    query: Mapping[str, str],
    headers: Mapping[str, str] = NO_HEADERS,
    *,
    drifts: DriftReader,
) -> Reply:
    """GET /circuits/{plant}/{circuit}/drift?stage=prod: one circuit, with the newest day's report."""
    try:
        key, stage = CircuitKey.parse(f"{plant}/{circuit}"), _stage(query)
    except BadRequest as error:
        return Reply.message(404, "No such circuit", str(error))
    record = drifts.record(stage, key)
    if record is None:
        return Reply.message(404, "Not looked at yet", f"nobody has looked at {key} in {stage} yet.")
    day = record.judged.day
    view = pages.CircuitDriftView(
        record=record,
        report=drifts.report(stage, key, day) or {},
        incidents=tuple(one for one in drifts.incidents(stage) if key in one.circuits),
        plot=drifts.plot(stage, key, day) is not None,
    )
    return unless_known(Reply.html(200, pages.circuit_drift(view)), headers)


def plot(plant: str, circuit: str, query: Mapping[str, str], *, drifts: DriftReader) -> Reply:
    """GET /circuits/{plant}/{circuit}/drift/plot?stage=prod&day=2025-12-09: distributions then and now, an SVG."""
    try:
        key, stage = CircuitKey.parse(f"{plant}/{circuit}"), _stage(query)
        day = date.fromisoformat(query.get("day", "")).isoformat()
    except (BadRequest, ValueError):
        return Reply(404, "there is no such plot")
    drawn = drifts.plot(stage, key, day)
    if drawn is None:
        return Reply(404, f"no plot of {key} was kept for {day} in {stage}")
    return Reply(200, content_type="image/svg+xml", headers=PLOT_HEADERS, content=drawn)


def drift_json(
    query: Mapping[str, str], headers: Mapping[str, str] = NO_HEADERS, *, drifts: DriftReader
) -> Reply:
    """GET /api/drift?stage=prod: what is on record of every circuit, and the newest incidents."""
    stage = _stage(query)
    document = {
        "stage": stage,
        "circuits": [{"circuit": str(one.key)} | to_wire(one) for one in drifts.records(stage)],
        "incidents": [to_wire(one) for one in drifts.incidents(stage)[:SHOWN]],
    }
    return unless_known(Reply.json(200, document), headers)


def _stage(query: Mapping[str, str]) -> Stage:
    wanted = query.get("stage", Stage.PROD)
    if wanted not in set(Stage):
        raise BadRequest("stage", f"{wanted!r} is not one of {', '.join(Stage)}")
    return Stage(wanted)
