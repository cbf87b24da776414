"""Retention: a look at what may go, the purge of what a look showed, and their reports."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from busbar import pages
from busbar.clients.repositories import Repository
from busbar.codec import from_wire, to_wire
from busbar.domain import names
from busbar.domain.circuits import Fleet
from busbar.domain.errors import BadRequest, Conflict, NotFound
from busbar.domain.recovery import Standing
from busbar.domain.retention import PLACES
from busbar.domain.steps import RetentionReport, RetentionRun
from busbar.fleet.repository import default_fleet
from busbar.inbound.fields import json_object, optional_text
from busbar.web.reply import Reply

KIND = "retention"
PRIVATE = {"Cache-Control": "no-store"}


class Orchestrations(Protocol):
    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool: ...
    def standing(self, instance_id: str) -> Standing | None: ...


class ReportReader(Protocol):
    def read(self, kind: str, id: str) -> dict[str, Any] | None: ...
    def ids(self, kind: str) -> list[str]: ...


def start(
    body: bytes, orchestrations: Orchestrations, *, repository: Repository, reports: ReportReader
) -> Reply:
    """POST /api/retention {"stage": "prod"}: look, and report. {"apply": "retention-…"}: purge what that one showed.

    A stage may be left out, or be `registry`. 202 with the run's id; what a report showed is purged once.
    """
    fields = json_object(body or b"{}")
    actor, shown = optional_text(fields, "requester") or "operator", optional_text(fields, "apply")
    run = _purge(shown, actor, repository, reports) if shown else _look(fields, actor, repository)
    orchestrations.start("retention", run.id, run)
    return Reply.json(202, {"id": run.id})


def look_weekly(orchestrations: Orchestrations, *, repository: Repository) -> str:
    """The timer's look at everything; it purges as well where `pipeline.yaml` says so. The run's id."""
    fleet, at = default_fleet(repository), _now()
    id, apply = names.retention_run(at, weekly=True), fleet.policies.retention.apply
    run = replace(_run(id, "timer", at, fleet), apply=apply)
    orchestrations.start("retention", run.id, run)
    return run.id


def report_json(id: str, orchestrations: Orchestrations, *, reports: ReportReader) -> Reply:
    """GET /api/retention/{id}: the report; while it is being made, how far that is. 409 where it broke off."""
    report, standing = _report(id, reports), orchestrations.standing(id)
    if report is None and standing is None:
        return Reply.json(404, {"error": f"there is no report {id[:100]!r}"})
    if (report is None or not report.ended) and standing is not None and standing.ended:
        return Reply.json(409, {"error": f"{id} broke off: look at the host's log, then look again"})
    if report is None:
        said = standing.said if standing else ""
        return Reply.json(200, {"ended": False, "sentence": said}, PRIVATE)
    return Reply.json(200, to_wire(report) | {"sentence": report.sentence}, PRIVATE)


def page(*, reports: ReportReader) -> Reply:
    """GET /retention: the last report."""
    ids = _newest_first(reports)
    return _page(_report(ids[0], reports) if ids else None, ids)


def one(id: str, *, reports: ReportReader) -> Reply:
    """GET /retention/{id}"""
    report = _report(id, reports)
    if report is None:
        return Reply.message(404, "No such report", f"{id[:100]} is not on record, or not written yet.")
    return _page(report, _newest_first(reports))


def _page(report: RetentionReport | None, ids: list[str]) -> Reply:
    return Reply.html(200, pages.retention(report, tuple(ids)), PRIVATE)


def _look(fields: Mapping[str, Any], actor: str, repository: Repository) -> RetentionRun:
    place = optional_text(fields, "stage")
    places = sorted({str(known) for _, known in PLACES})
    if place and place not in places:
        raise BadRequest("stage", f"{place[:100]!r} is not one of {', '.join(places)}")
    at = _now()
    id = names.retention_run(at) + (f"-{place}" if place else "")
    return replace(_run(id, actor, at, default_fleet(repository)), place=place)


def _purge(shown: str, actor: str, repository: Repository, reports: ReportReader) -> RetentionRun:
    """The purge of a report; raises `NotFound`, or `Conflict` for what is itself a purge."""
    report = _report(shown, reports)
    if report is None:
        raise NotFound(f"there is no report {shown[:100]!r}: look first")
    if report.run.apply:
        raise Conflict(f"{shown} purged what it showed: look again")
    run = _run(names.purge_run(shown), actor, _now(), default_fleet(repository))
    return replace(run, place=report.run.place, apply=True, shown=shown)


def _run(id: str, actor: str, at: datetime, fleet: Fleet) -> RetentionRun:
    terms = {stage: policy.retention for stage, policy in fleet.policies.stages.items()}
    return RetentionRun(
        id, actor, at.isoformat(), terms, commit=fleet.commit, training=fleet.policies.training
    )


def _report(id: str, reports: ReportReader) -> RetentionReport | None:
    document = reports.read(KIND, id)
    return None if document is None else from_wire(RetentionReport, document)


def _newest_first(reports: ReportReader) -> list[str]:
    """By their times, a purge after the look that it applied."""

    def place(id: str) -> tuple[str, bool]:
        look = id.removeprefix("purge-")
        return look, look != id

    return sorted(reports.ids(KIND), key=place, reverse=True)


def _now() -> datetime:
    return datetime.now(UTC)
