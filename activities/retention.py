"""Retention: what there is, what of it may go, and its going. Nothing that anything refers to is ever purged."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched, groupby

from activities.assets import register
from activities.references import references
from activities.sources import PREDICTION_PURGE
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.drifts import Drifts
from busbar.clients.machine_learning import Kept, MachineLearning
from busbar.clients.machine_learning.assets import DELTA_VERSION
from busbar.clients.machine_learning.jobs import job_output
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.reports import Reports
from busbar.clients.repositories import Repository
from busbar.codec import from_wire
from busbar.domain import names
from busbar.domain.errors import AccessDenied, NotFound, Rejected
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.references import roots
from busbar.domain.release import Pin
from busbar.domain.retention import (
    PLACES,
    REGISTRY,
    Holding,
    Item,
    Kind,
    RetentionPlan,
    agreed,
    data_asset,
    days,
    job,
    model,
    plan,
)
from busbar.domain.steps import (
    Fate,
    JobRef,
    PredictionPurge,
    PurgeBatch,
    RetentionReport,
    RetentionRun,
    RetentionSummary,
    Survey,
)
from busbar.domain.wording import counted, gist
from busbar.settings import Settings

REPORTS, SURVEYS, FATES = "retention", "retention-surveys", "retention-fates"
PREDICTIONS = "retention-predictions"
BATCH = 25
_AT_ONCE = 8


@dataclass(frozen=True)
class Surveyed:
    """What there is of a kind in a place."""

    holdings: tuple[Holding, ...]


@dataclass(frozen=True)
class Told:
    """A sentence on record."""

    sentence: str


@dataclass(frozen=True)
class Fates:
    """What became of a batch."""

    fates: tuple[Fate, ...]


def survey_holdings(
    request: Survey, *, ml: MachineLearning, records: Records, releases: Releases, reports: Reports
) -> None:
    """Write down what there is; what Busbar did not make is none of its business."""
    match request.kind:
        case Kind.MODEL:
            found = _models(request, ml, releases)
        case Kind.DATA_ASSET:
            found = _data(request, ml, records, releases)
        case Kind.JOB:
            found = _jobs(request, ml)
    reports.save(SURVEYS, _survey_id(request.run, request.kind, request.place), Surveyed(tuple(found)))


def plan_retention(
    request: RetentionRun,
    *,
    records: Records,
    releases: Releases,
    approvals: Approvals,
    repository: Repository,
    reports: Reports,
) -> RetentionSummary:
    """What may go, as a report; of a purge what it begins with: a repeat does not change what was begun."""
    known = reports.read(REPORTS, request.id)
    if known is not None and request.apply:
        report = from_wire(RetentionReport, known)
    else:
        found = _plan(request, records, releases, approvals, repository, reports)
        if request.shown:
            found = agreed(found, _report(request.shown, reports).plan)
        report = RetentionReport(request, found, ended=not request.apply, predictions=_predictions(request))
        reports.save(REPORTS, request.id, report)
    return RetentionSummary(report.plan.sentence, len(_batches(report)) if request.apply else 0)


def purge_batch(
    request: PurgeBatch,
    *,
    ml: MachineLearning,
    records: Records,
    releases: Releases,
    approvals: Approvals,
    repository: Repository,
    reports: Reports,
) -> None:
    """Put away what of a batch nothing refers to by now either; what became of each is written down."""
    run = request.run
    batch = _batches(_report(run.id, reports))[request.number]
    fresh = _plan(run, records, releases, approvals, repository, reports)
    kept = {ruling.item: ruling.reason for ruling in fresh.kept}
    fates: list[Fate] = []
    for _, alike in groupby(batch, lambda item: item.kind):  # a model has gone before its job loses its files
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            fates += pool.map(partial(_fate, kept=kept, ml=ml), alike)
    reports.save(FATES, f"{run.id}-{request.number}", Fates(tuple(fates)))


def submit_prediction_purge(
    request: RetentionRun, *, ml: MachineLearning, repository: Repository, settings: Settings
) -> JobRef | None:
    """Start the job that deletes old forecasts, unless it is there; None where a place is purged by itself."""
    if request.predictions_before is None:
        return None
    name = names.prediction_purge(request.id)
    ml.submit_prediction_purge(
        name,
        component=register((PREDICTION_PURGE,), request.commit, repository, ml)[0],
        forecasts=settings.forecast_table,
        before=request.predictions_before.isoformat(),
        compute=request.training.compute,
        tags={"orchestration_id": request.id},
    )
    return JobRef(Stage.DEV, name)


def note_prediction_purge(request: PredictionPurge, *, ml: MachineLearning, reports: Reports) -> None:
    """Write down what became of the old forecasts."""
    run, state = request.run, request.state
    said = f"forecasts were not purged: {request.problem}" if request.problem else ""
    if state is not None and state.status is JobStatus.COMPLETED:
        done = json.loads(ml.read_file(Stage.DEV, job_output(state.name, "report.json")))
        said = f"{counted(int(done['rows']), 'row')} of forecasts issued before {done['before']} deleted"
    elif state is not None:
        said = f"forecasts were not purged: {gist(state.error) or f'job {state.name} {state.status}'}"
    reports.save(PREDICTIONS, run.id, Told(said))


def close_retention(request: RetentionRun, *, reports: Reports, audit: Audit, drifts: Drifts) -> str:
    """Delete old drift reports, put the end on record, with each item's fate; the sentence of it.

    What an incident that is still open rests on stays.
    """
    report = _report(request.id, reports)
    if request.apply:
        _purge_drift_reports(request, drifts)
        said = from_wire(Told, _read(PREDICTIONS, request.id, reports)).sentence
        gone = "; ".join(filter(None, (said, _drift_reports(request, "deleted"))))
        report = replace(report, fates=_fates(report, reports), predictions=gone, ended=True)
        reports.save(REPORTS, request.id, report)
    audit.append(
        id=f"{request.id}/ended",
        kind="purge" if request.apply else "retention",
        subject=request.place or "fleet",
        actor=request.actor,
        sentence="; ".join(filter(None, (f"{request.id}: {report.sentence}", report.predictions))),
        details={
            "report": f"/retention/{request.id}",
            "purged": sum(fate.purged for fate in report.fates),
            "stayed": sum(not fate.purged for fate in report.fates),
        },
    )
    return report.sentence


def _plan(
    run: RetentionRun,
    records: Records,
    releases: Releases,
    approvals: Approvals,
    repository: Repository,
    reports: Reports,
) -> RetentionPlan:
    """What was surveyed, ruled on by what refers to it now."""
    holdings = [one for kind, place in PLACES for one in _surveyed(run, kind, place, reports)]
    now = references(records, releases, approvals, repository)
    return plan(holdings, roots(now, holdings), run.now, run.place)


def _predictions(run: RetentionRun) -> str:
    forecasts = f"forecasts issued before {run.predictions_before} go, too" if run.predictions_before else ""
    return "; ".join(filter(None, (forecasts, _drift_reports(run, "go, too"))))


def _purge_drift_reports(run: RetentionRun, drifts: Drifts) -> None:
    open_ = [one for one in drifts.incidents() if not one.status.ended] if run.drift_reports_before else []
    for stage, before in run.drift_reports_before.items():
        kept = {(key, one.day) for one in open_ if one.stage is stage for key in one.circuits}
        drifts.purge(stage, before, kept)


def _drift_reports(run: RetentionRun, fate: str) -> str:
    """`drift reports of dev before 2025-09-10, of prod before 2024-12-09 go, too`."""
    told = ", ".join(f"of {stage} before {day}" for stage, day in run.drift_reports_before.items())
    return f"drift reports {told} {fate}" if told else ""


def _models(request: Survey, ml: MachineLearning, releases: Releases) -> Iterable[Holding]:
    """A model of dev needs its job, whose files are its own, and its data; a copy in the registry stands by itself."""
    pins = {(pin.model_name, pin.model_version): pin for pin in releases.pins()}
    for one in ml.kept_models(request.place, sorted({name for name, _ in pins})):
        if (pin := pins.get((one.name, one.version))) is not None:
            needs = _made_from(pin) if request.place != REGISTRY else ()
            owner = names.training_run(one.tags["build_id"]) if "build_id" in one.tags else ""
            item = model(request.place, one.name, one.version)
            yield _holding(request, item, one, needs, owner)


def _made_from(pin: Pin) -> tuple[Item, ...]:
    return (job(Stage.DEV, pin.job), data_asset(names.data_asset(pin.key), pin.data_asset_version))


def _data(request: Survey, ml: MachineLearning, records: Records, releases: Releases) -> Iterable[Holding]:
    keys = {record.key for record in records.circuits()} | {pin.key for pin in releases.pins()}
    for one in ml.kept_data(sorted(names.data_asset(key) for key in keys)):
        if DELTA_VERSION in one.tags:
            yield _holding(request, data_asset(one.name, one.version), one)


def _jobs(request: Survey, ml: MachineLearning) -> Iterable[Holding]:
    """A job needs the data that it trains on; one that has not ended is new, however long it waits."""
    for one in ml.kept_jobs(Stage(request.place)):
        if names.own_job(one.name):
            asset, version = (one.tags.get(f"data_asset_{part}") for part in ("name", "version"))
            needs = (data_asset(asset, version),) if asset and version else ()
            owner = one.tags.get("orchestration_id") or names.waiting_for(one.name) or ""
            kept = one if one.status.finished else replace(one, since=request.run.now)
            yield _holding(request, job(request.place, one.name), kept, needs, owner)


def _holding(
    request: Survey, item: Item, kept: Kept, needs: tuple[Item, ...] = (), owner: str = ""
) -> Holding:
    return Holding(item, kept.since, days(request.run.terms, item.kind, item.place), needs, owner)


def _fate(item: Item, kept: dict[Item, str], ml: MachineLearning) -> Fate:
    if item in kept:
        return Fate(item, False, f"stays: it {kept[item]}")
    try:
        _put_away(item, ml)
    except (AccessDenied, Rejected) as refusal:
        return Fate(item, False, f"stays: {refusal}")
    return Fate(item, True, "archived" if item.kind is Kind.MODEL else "its files deleted, archived")


def _put_away(item: Item, ml: MachineLearning) -> None:
    """Its files first: what is still listed is put away again, should this end in between."""
    match item.kind:
        case Kind.MODEL:
            ml.archive_model(item.place, item.name, item.version)
        case Kind.JOB:
            for folder in names.job_folders(item.name):
                ml.delete_files(Stage(item.place), folder)
            ml.archive_job(Stage(item.place), item.name)
        case Kind.DATA_ASSET:
            ml.delete_files(Stage.DEV, names.data_folder(item.name, item.version))
            ml.archive_data(item.name, item.version)


def _batches(report: RetentionReport) -> list[tuple[Item, ...]]:
    return list(batched((ruling.item for ruling in report.plan.purge), BATCH))


def _fates(report: RetentionReport, reports: Reports) -> tuple[Fate, ...]:
    """Of every item that was shown to go: those that a fresh plan kept, then batch after batch."""
    stayed = [Fate(ruling.item, False, f"stays: it {ruling.reason}") for ruling in report.plan.kept]
    ids = (f"{report.run.id}-{number}" for number in range(len(_batches(report))))
    done = [fate for id in ids for fate in from_wire(Fates, _read(FATES, id, reports)).fates]
    return (*(stayed if report.run.shown else ()), *done)


def _report(id: str, reports: Reports) -> RetentionReport:
    return from_wire(RetentionReport, _read(REPORTS, id, reports))


def _surveyed(run: RetentionRun, kind: Kind, place: str, reports: Reports) -> tuple[Holding, ...]:
    return from_wire(Surveyed, _read(SURVEYS, _survey_id(run, kind, place), reports)).holdings


def _survey_id(run: RetentionRun, kind: Kind, place: str) -> str:
    return f"{run.id}-{kind.replace(' ', '-')}-{place}"


def _read(kind: str, id: str, reports: Reports) -> dict[str, object]:
    found = reports.read(kind, id)
    if found is None:
        raise NotFound(f"the report {kind}/{id} is gone")
    return found
