"""Scoring through what is deployed, shared with a candidate while it ramps up."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from activities.clock import now
from activities.invoking import asking, invoke, run, summary_path, uncancelled
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain import names
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord, LiveRun, ScoringRecord
from busbar.domain.steps import (
    CircuitScoring,
    JobRef,
    JobState,
    PartScoring,
    ScoredPart,
    ScoringOutcome,
    ScoringPart,
    ScoringResult,
)
from busbar.settings import Settings


def list_deployed(request: Stage, *, records: Records) -> tuple[CircuitKey, ...]:
    """The circuits that a stage serves."""
    return tuple(sorted(deployment.key for deployment in records.deployments(request)))


def share_scoring(request: CircuitScoring, *, records: Records) -> tuple[ScoringPart, ...]:
    """Who scores which part of the windows in this run: parts that do not overlap and leave nothing out.

    Decided once a run, so that a share that rises meanwhile neither doubles a window nor drops one.
    """
    record = records.deployment(request.stage, request.key)
    if record is None:
        raise NotFound(f"{request.key} has no deployment in {request.stage}")
    job, active, candidate = request.orchestration_id, record.active, record.candidate
    if candidate is None or not candidate.share:
        return (ScoringPart(job, record.endpoint, active),)
    share, windows, there = candidate.share, candidate.windows, record.endpoint_of(candidate)
    ramping = ScoringPart(
        names.invoked_job(job, "candidate"), there, candidate.plain, 0, share, windows, active
    )
    return (ScoringPart(job, record.endpoint, active, share, 100 - share, windows), ramping)


def submit_scoring(request: PartScoring, *, ml: MachineLearning, settings: Settings) -> JobRef:
    """Ask a part's deployment by name, under a job name of our own, unless this run did already.

    A batch deployment is invoked. An online one is asked by a job, by name as well: the windows are split by the same
    rule, a repeat replaces what it wrote, and what each deployment forecast is on record. A run that was cancelled and
    is retried scores anew.
    """
    scoring, part = request.scoring, request.part
    slices = {
        "score_date": scoring.day.isoformat(),
        "windows": part.windows,
        "window_offset": part.offset / 100,
        "window_share": part.share / 100,
    }
    stage, served = scoring.stage, part.served
    job, there = uncancelled(stage, part.job, ml)
    if there:
        return JobRef(stage, job)
    if served.kind is Serving.ONLINE:
        asks = asking(stage, part.endpoint, served.deployment, ml)
        run(stage, served, served, job, slices | asks, ml=ml, settings=settings)
    else:
        through = served.deployment
        invoke(stage, part.endpoint, through, served, job, slices, ml=ml, settings=settings)
    return JobRef(stage, job)


def record_scored(request: ScoringResult, *, ml: MachineLearning, records: Records) -> ScoringOutcome:
    """Put the run's result on record: rows written, or the reason why not; and what it says of a candidate."""
    scoring = request.scoring
    summaries = {one.part.job: _summary(scoring.stage, one.state, ml) for one in request.parts}
    for one in request.parts:
        if one.part.instead is not None:
            _note_candidate(scoring, one, summaries[one.part.job], records)
    rows = sum(int(summary["rows"]) for summary in summaries.values() if summary)
    failed = next((one.state for one in request.parts if not one.done and one.part.instead is None), None)
    reason = failed.error or f"job {failed.name} {failed.status}" if failed else ""
    record = ScoringRecord(
        key=scoring.key,
        stage=scoring.stage,
        day=scoring.day.isoformat(),
        job=request.parts[0].state.name,
        status=failed.status if failed else JobStatus.COMPLETED,
        rows=rows,
        updated_at=now(),
        reason=reason,
    )
    if scoring.missed:
        save_missed(scoring.stage, [record], records)
    else:
        records.save_scoring(record)
    return ScoringOutcome(scoring.key, failed is None, reason or f"{rows} rows")


def save_missed(stage: Stage, missed: Iterable[ScoringRecord], records: Records) -> None:
    """Put days that were made up for on record, but where a newer day is: that one stays the circuit's latest."""
    known = {one.key: one.day for one in records.scorings(stage)}
    for record in missed:
        if known.get(record.key, "") <= record.day:
            records.save_scoring(record)


def _summary(stage: Stage, state: JobState, ml: MachineLearning) -> Mapping[str, Any] | None:
    if state.status is not JobStatus.COMPLETED:
        return None
    return json.loads(ml.read_file(stage, summary_path(state.name)))


def _note_candidate(
    scoring: CircuitScoring, scored: ScoredPart, summary: Mapping[str, Any] | None, records: Records
) -> None:
    """What the candidate's part of a run came to: a live bake is judged by it."""
    run = _live_run(scored, summary)

    def noted(record: DeploymentRecord | None) -> DeploymentRecord | None:
        candidate = record.ramping(scored.part.served.deployment) if record else None
        return replace(record, candidate=candidate.with_run(run)) if record and candidate else record

    records.change_deployment(scoring.stage, scoring.key, noted)


def _live_run(scored: ScoredPart, summary: Mapping[str, Any] | None) -> LiveRun:
    job, share = scored.part.job, scored.part.share
    if summary is None:
        return LiveRun(job, share, 0, 0, 0, failed=True)
    requests = summary.get("requests") or {}
    return LiveRun(
        job=job,
        share=share,
        windows=int(summary["windows"]["scored"]),
        rows=int(summary["rows"]),
        failed_rows=int(summary.get("failed_rows", 0)),
        latency_ms=summary.get("latency_ms", {}).get("p95"),
        requests=int(requests.get("sent", 0)),
        failed_requests=int(requests.get("failed", 0)),
    )
