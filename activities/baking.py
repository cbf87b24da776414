"""Baking a ramp's step: recent windows scored again by candidate and champion, measured, judged."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from activities.clock import now
from activities.invoking import Literals, asking, invoke, run, summary_path, uncancelled
from activities.serving import names_of, served
from busbar.clients.audit import Audit
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain import names
from busbar.domain.audit import fingerprint
from busbar.domain.circuits import Serving
from busbar.domain.events import JobStatus
from busbar.domain.policies import Bake as Bakes
from busbar.domain.ramp import ForecastError, Measured, Ruling, Verdict, decide, decide_fleet, rule_of
from busbar.domain.records import DeploymentRecord, LiveRun, Served
from busbar.domain.steps import (
    Bake,
    CircuitDeployment,
    FleetCheck,
    JobRef,
    JobState,
    Judging,
    Measurement,
    Replay,
)
from busbar.settings import Settings

CANDIDATE, CHAMPION = "candidate", "champion"


def submit_replay(request: Replay, *, ml: MachineLearning, settings: Settings) -> tuple[JobRef, ...]:
    """Score the step's part of the recent windows again, with the candidate's model and with the champion's.

    Both go through the candidate's scoring component, so that only the model differs, and a champion whose own is
    older than replays can be compared. An online deployment is asked over its endpoint, request by request. A job that
    is there is not submitted again, unless it was cancelled.
    """
    asked = request.deployment
    candidate = served(asked, *names_of(asked, settings))
    models = {CANDIDATE: candidate} | ({CHAMPION: request.champion} if request.champion else {})
    slices = {
        "mode": "replay",
        "score_date": request.day.isoformat(),
        "windows": request.step.look_back,
        "window_offset": request.step.offset / 100,
        "window_share": request.step.added / 100,
    }
    jobs = {role: uncancelled(asked.stage, replay_job(request, role), ml) for role in models}
    for role, (job, there) in jobs.items():
        if not there:
            _replay(request, candidate, models[role], job, slices, ml, settings)
    return tuple(JobRef(asked.stage, job) for job, _ in jobs.values())


def _replay(
    request: Replay,
    candidate: Served,
    model: Served,
    job: str,
    slices: Literals,
    ml: MachineLearning,
    settings: Settings,
) -> None:
    """One model's job: by the candidate's deployment where that is a batch one, else in a job of its own."""
    stage = request.deployment.stage
    if candidate.kind is Serving.BATCH:
        through = candidate.deployment
        invoke(stage, candidate.endpoint, through, model, job, slices, ml=ml, settings=settings)
        return
    asks = _asks(request, candidate, model, ml) if model.kind is Serving.ONLINE else {}
    run(stage, candidate, model, job, dict(slices) | asks, ml=ml, settings=settings)


def _asks(request: Replay, candidate: Served, model: Served, ml: MachineLearning) -> dict[str, str]:
    """Whom a job asks. What serves is asked as everybody asks it while requests are mirrored: copies go to the
    candidate then, though nobody else should ask anything."""
    mirrored = model is not candidate and request.step.mirrored
    endpoint = model.endpoint or candidate.endpoint
    return asking(request.deployment.stage, endpoint, "" if mirrored else model.deployment, ml)


def measure_step(request: Bake, *, ml: MachineLearning, records: Records, settings: Settings) -> Measurement:
    """What a step's bake left: the replays of all steps so far, and what was scored live at this share."""
    asked, share = request.replay.deployment, request.replay.step.share
    _, deployment = names_of(asked, settings)
    record = records.deployment(asked.stage, asked.pin.key)
    live = _scored_live(record, deployment, share) if _is_live(request.replay) else Measured()
    return Measurement(request.before.plus(_replayed(request, ml)), live)


def judge_step(request: Judging, *, records: Records, audit: Audit, settings: Settings) -> Ruling:
    """Rule on what was measured, and put the ruling where pages and the audit log show it."""
    replay = request.bake.replay
    asked, step, measured = replay.deployment, replay.step, request.measurement
    policy = asked.policies.stage(asked.stage)
    ruling = decide(
        policy.ramp,
        policy.rollback,
        measured.replayed.plus(measured.live),
        first=replay.champion is None,
        hours=request.bake.hours,
    )
    verdict = f"{ruling.verdict}: {ruling.sentence}"
    said = f"{asked.pin.key} v{asked.pin.model_version} {step.place} in {asked.stage}: {verdict}"
    entry = f"ramp-{replay_job(replay, CANDIDATE)}-{fingerprint(said)}"
    audit.append(
        id=entry,
        kind="ramp-verdict",
        subject=asked.release_id or str(asked.pin.key),
        actor=rule_of(asked.stage),
        sentence=said,
        details={"circuit": str(asked.pin.key), "measured": measured, "results": ruling.results},
    )
    _show(asked, f"{step.progress}: {verdict}", records, settings)
    if ruling.verdict is Verdict.ROLL_BACK:
        _hold_back(asked, entry, ruling.sentence, records, settings)
    return replace(ruling, sentence=said)


def judge_fleet(request: FleetCheck, *, audit: Audit) -> Ruling:
    """After a wave: whether the release goes on, or all of it goes back."""
    policy = request.policies.stage(request.stage).rollback
    ruling = decide_fleet(policy, request.changed, request.rolled_back)
    said = f"{request.release_id} in {request.stage}: {ruling.verdict}: {ruling.sentence}"
    audit.append(
        id=f"fleet-{request.stage}-{request.release_id}-wave-{request.wave}-{fingerprint(said)}",
        kind="fleet-verdict",
        subject=request.release_id,
        actor=rule_of(request.stage),
        sentence=said,
        details={"wave": request.wave, "results": ruling.results},
    )
    return ruling


def replay_job(request: Replay, role: str) -> str:
    """`<orchestration>--bake25-a1-candidate`: one name for one attempt at one step."""
    part = f"bake{request.step.share}-a{request.attempt}-{role}"
    return names.invoked_job(request.orchestration_id, part)


def _replayed(request: Bake, ml: MachineLearning) -> Measured:
    """The candidate's run, and the champion's error. A champion's run that failed says nothing of the candidate."""
    candidate, *champion = (_summary(request, state, ml) for state in request.states)
    if candidate is None:
        return Measured(runs=1, failed_runs=1)
    runs, failed_runs = _runs(candidate)
    return Measured(
        runs=runs,
        failed_runs=failed_runs,
        rows=int(candidate["rows"]),
        failed_rows=int(candidate["failed_rows"]),
        latency_ms=_optional(candidate["latency_ms"]["p95"]),
        error=_error(candidate),
        champion=_error(champion[0]) if champion and champion[0] else None,
    )


def _runs(summary: Mapping[str, Any]) -> tuple[int, int]:
    """How much a deployment was asked, and how much of it failed: requests to an online one, else the job."""
    requests = summary.get("requests")
    return (int(requests["sent"]), int(requests["failed"])) if requests else (1, 0)


def _summary(request: Bake, state: JobState, ml: MachineLearning) -> Mapping[str, Any] | None:
    if state.status is not JobStatus.COMPLETED:
        return None
    return json.loads(ml.read_file(request.replay.deployment.stage, summary_path(state.name)))


def _error(summary: Mapping[str, Any]) -> ForecastError | None:
    error = summary["error"]
    if error is None or error["mse"] is None or not error["windows"]:
        return None
    return ForecastError(int(error["windows"]), float(error["mse"]), float(error["seasonal_naive_mse"]))


def _optional(value: float | None) -> float | None:
    return None if value is None else float(value)


def _is_live(replay: Replay) -> bool:
    """A first deployment serves nothing yet, and one without a share nothing either: nothing can be scored live."""
    asked, serves = replay.deployment, replay.champion is not None and replay.step.share > 0
    return serves and asked.policies.stage(asked.stage).ramp.bake is Bakes.LIVE


def _scored_live(record: DeploymentRecord | None, deployment: str, share: int) -> Measured:
    """What scoring runs left of the candidate while it had this share."""
    candidate = record.ramping(deployment) if record else None
    runs = [one for one in candidate.live if one.share == share] if candidate else []
    live = Measured(live_windows=0)
    for one in runs:
        live = live.plus(_of(one))
    return live


def _of(run: LiveRun) -> Measured:
    return Measured(
        runs=run.requests or 1,
        failed_runs=run.failed_requests if run.requests else int(run.failed),
        rows=run.rows,
        failed_rows=run.failed_rows,
        latency_ms=run.latency_ms,
        live_windows=run.windows,
    )


def _show(asked: CircuitDeployment, progress: str, records: Records, settings: Settings) -> None:
    _, deployment = names_of(asked, settings)

    def shown(now: DeploymentRecord | None) -> DeploymentRecord | None:
        candidate = now.ramping(deployment) if now else None
        return replace(now, candidate=replace(candidate, progress=progress)) if now and candidate else now

    records.change_deployment(asked.stage, asked.pin.key, shown)


def _hold_back(
    asked: CircuitDeployment, verdict: str, reason: str, records: Records, settings: Settings
) -> None:
    """Keep a candidate that was ruled out from coming back with a later release, until a person lifts that."""
    _, deployment = names_of(asked, settings)

    def held(record: DeploymentRecord | None) -> DeploymentRecord | None:
        candidate = record.ramping(deployment) if record else None
        if record is None or candidate is None:
            return record
        return record.held_back(candidate, verdict, rule_of(asked.stage), reason, now())

    records.change_deployment(asked.stage, asked.pin.key, held)
