"""Baking a step: what is replayed, what is measured of it, and where the ruling is put."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from activities.baking import judge_fleet, judge_step, measure_step, replay_job, submit_replay
from activities.ramping import withdraw_candidate
from activities.rollout import plan_deployment
from activities.serving import activate_deployment, create_deployment
from busbar.domain.events import JobStatus
from busbar.domain.policies import Bake as Bakes
from busbar.domain.policies import Policies, RampPolicy, Stage, StagePolicy
from busbar.domain.ramp import ForecastError, Measured, Verdict, steps
from busbar.domain.records import LiveRun, Served
from busbar.domain.steps import (
    Bake,
    CircuitDeployment,
    FleetCheck,
    JobRef,
    JobState,
    Judging,
    Measurement,
    Replay,
    StageDeployment,
)
from busbar.web.rollbacks import lift
from tests.activities.bench import CIRC1, Bench, pin

RUN = "deploy-prod-r-2-wave-1-PLANT1-CIRC1"
RAMP = RampPolicy((10, 25, 50, 100))
STEP = steps(RAMP, first=False)[1]
JOBS = tuple(f"{RUN}--bake25-a1-{role}" for role in ("candidate", "champion"))
CHAMPION = Served("circ1-v1", "PLANT1_CIRC1_model", "1", "2025-12-01", "old.yaml", "then")


def asked(version: str = "2", bake: Bakes = Bakes.REPLAY) -> CircuitDeployment:
    policies = Policies(stages={Stage.PROD: StagePolicy(ramp=replace(RAMP, bake=bake))})
    return CircuitDeployment(Stage.PROD, pin(version=version), policies, "r-2")


def replay(champion: Served | None = CHAMPION, bake: Bakes = Bakes.REPLAY) -> Replay:
    return Replay(asked(bake=bake), champion, STEP, 1, date(2025, 12, 9), RUN)


@pytest.fixture
def ramping(bench: Bench) -> Bench:
    """Version 1 serves, version 2 is a candidate."""
    bench.ml.write_file(Stage.DEV, pin().circuit_config, b"circuit_id: CIRC1\n")
    for activity in (create_deployment, activate_deployment):
        bench.run(activity, asked("1"))
    bench.run(create_deployment, asked())
    return bench


def test_a_replay_scores_both_models_on_what_the_step_adds(ramping: Bench):
    assert ramping.run(submit_replay, replay()) == tuple(JobRef(Stage.PROD, job) for job in JOBS)
    candidate, champion = (ramping.ml.jobs[Stage.PROD, job].inputs for job in JOBS)
    common = {
        "mode": "replay",
        "score_date": "2025-12-09",
        "windows": STEP.look_back,
        "window_offset": 0.1,
        "window_share": 0.15,
    }
    assert candidate.items() >= common.items()
    assert champion.items() >= common.items()
    assert (candidate["model_version"], champion["model_version"]) == ("2", "1")
    assert champion["model"].endswith("/models/PLANT1_CIRC1_model/versions/1")
    assert champion["circuit_config"] == "old.yaml"


def test_a_first_deployment_is_replayed_alone(ramping: Bench):
    assert ramping.run(submit_replay, replay(None)) == (JobRef(Stage.PROD, JOBS[0]),)


def test_a_replays_jobs_wake_who_waits_for_them():
    assert replay_job(replay(), "champion") == JOBS[1]


# --- measured ---------------------------------------------------------------------------------------------


def summary(mse: float | None = 0.3, **others: Any) -> dict[str, Any]:
    error = {"mae": 0.4, "mse": mse, "seasonal_naive_mse": 0.5, "windows": 24 if mse is not None else 0}
    figures = {"rows": 1728, "failed_rows": 0, "latency_ms": {"p50": 1.0, "p95": 2.5}, "error": error}
    return figures | others


def bake(bench: Bench, *summaries: dict[str, Any] | None, **given: Any) -> Bake:
    """A bake whose jobs left these summaries; None: the job failed."""
    states: list[JobState] = []
    for job, left in zip(JOBS, summaries, strict=False):
        states.append(JobState(job, JobStatus.COMPLETED if left else JobStatus.FAILED, "boom"))
        if left:
            bench.ml.write_file(Stage.PROD, f"jobs/{job}/summary.json", json.dumps(left).encode())
    champion = CHAMPION if len(summaries) > 1 else None
    return replace(Bake(replay(champion), tuple(states), Measured(), 0.0), **given)


def test_what_a_replay_left_is_measured(ramping: Bench):
    measured = ramping.run(measure_step, bake(ramping, summary(0.3), summary(0.4, rows=5)))
    assert measured == Measurement(
        Measured(1, 0, 1728, 0, 2.5, None, ForecastError(24, 0.3, 0.5), ForecastError(24, 0.4, 0.5)),
        Measured(),
    )


def test_the_steps_before_count(ramping: Bench):
    before = Measured(1, 0, 100, 1, 9.0, None, ForecastError(24, 0.3, 0.5), ForecastError(24, 0.3, 0.5))
    measured = ramping.run(measure_step, bake(ramping, summary(), summary(), before=before)).replayed
    assert (measured.runs, measured.windows, measured.latency_ms) == (2, 48, 9.0)


@pytest.mark.parametrize(
    ("summaries", "runs", "failed", "champion"),
    [
        ((None, summary()), 1, 1, False),
        ((summary(), None), 1, 0, False),
        ((summary(), summary(None)), 1, 0, False),
        ((summary(),), 1, 0, False),
        ((summary(), summary()), 1, 0, True),
    ],
)
def test_only_the_candidates_own_failure_counts_against_it(
    ramping: Bench, summaries: tuple[dict[str, Any] | None, ...], runs: int, failed: int, champion: bool
):
    measured = ramping.run(measure_step, bake(ramping, *summaries)).replayed
    assert (measured.runs, measured.failed_runs, measured.champion is not None) == (runs, failed, champion)


def scored_live(bench: Bench, *runs: LiveRun) -> None:
    record = bench.records.deployment(Stage.PROD, CIRC1)
    assert record
    assert record.candidate
    bench.records.save_deployment(replace(record, candidate=replace(record.candidate, live=runs)))


def test_a_live_bake_counts_what_was_scored_at_this_share(ramping: Bench):
    scored_live(
        ramping,
        LiveRun("score-1--candidate", 10, 9, 9, 9, 9.0),
        LiveRun("score-2--candidate", 25, 3, 72, 1, 4.0),
        LiveRun("score-3--candidate", 25, 0, 0, 0, None, failed=True),
    )
    live = replay(bake=Bakes.LIVE)
    measured = ramping.run(measure_step, bake(ramping, summary(), summary(), replay=live))
    assert measured.live == Measured(2, 1, 72, 1, 4.0, 3)


def test_a_live_bake_that_nobody_scored_has_no_window(ramping: Bench):
    live = replay(bake=Bakes.LIVE)
    measured = ramping.run(measure_step, bake(ramping, summary(), summary(), replay=live))
    assert measured.live == Measured(live_windows=0)


# --- judged -----------------------------------------------------------------------------------------------


def judged(bench: Bench, *summaries: dict[str, Any] | None) -> Any:
    baked = bake(bench, *summaries)
    return bench.run(judge_step, Judging(baked, bench.run(measure_step, baked)))


def test_a_ruling_is_shown_and_kept(ramping: Bench):
    ruling = judged(ramping, summary(0.3), summary(0.2))
    said = "max_error_over_champion failed: 1.5 (limit ≤ 1.05)"
    assert ruling.verdict is Verdict.ROLL_BACK
    assert ruling.sentence == f"PLANT1/CIRC1 v2 at 25 % in prod: roll back: {said}"
    record = ramping.records.deployment(Stage.PROD, CIRC1)
    assert record
    assert record.candidate
    assert record.candidate.progress == f"25 % of windows: roll back: {said}"
    (entry,) = ramping.audit.entries()
    assert (entry.kind, entry.subject, entry.sentence) == ("ramp-verdict", "r-2", ruling.sentence)
    assert entry.details["results"][-1]["measured"] == pytest.approx(1.5)


def test_a_first_deployment_is_judged_alone(ramping: Bench):
    ruling = judged(ramping, summary())
    assert ruling.verdict is Verdict.ADVANCE
    assert ruling.sentence.endswith("there is nothing to compare with")


def test_the_fleets_verdict_is_kept(bench: Bench):
    check = FleetCheck(Stage.PROD, "r-2", Policies(), 1, 10, 4)
    assert bench.run(judge_fleet, check).verdict is Verdict.ROLL_BACK
    (entry,) = bench.audit.entries()
    assert entry.sentence == "r-2 in prod: roll back: 4 of 10 circuits rolled back, more than 30 %"


def test_a_release_that_is_retried_may_be_judged_otherwise(bench: Bench):
    check = FleetCheck(Stage.PROD, "r-2", Policies(), 1, 10, 1)
    bench.run(judge_fleet, check)
    assert bench.run(judge_fleet, replace(check, changed=0, rolled_back=0)).verdict is Verdict.ADVANCE
    assert len(bench.audit.entries()) == 2


# --- what was ruled out stays out -------------------------------------------------------------------------


def ruled_out(bench: Bench, asks: CircuitDeployment) -> None:
    """A host runs the activity twice."""
    baked = bake(bench, None)
    for _ in range(2):
        bench.run(judge_step, Judging(baked, bench.run(measure_step, baked)))
    bench.run(withdraw_candidate, asks)


def test_a_candidate_that_was_ruled_out_is_held_back_with_the_ruling_as_reason(ramping: Bench):
    ruled_out(ramping, asked())
    record = ramping.records.deployment(Stage.PROD, CIRC1)
    assert record
    [mark] = record.rolled_back
    assert (mark.deployment, mark.model_version, mark.release_id) == ("circ1-v2", "2", "r-2")
    assert (mark.rollback, mark.actor) == (ramping.audit.entries()[-1].id, "rollback rule of prod")
    assert mark.reason in ramping.audit.entries()[-1].sentence
    assert record.candidate is None


def test_a_later_release_with_the_same_model_does_not_bring_it_back_until_a_person_lifts_it(ramping: Bench):
    ruled_out(ramping, asked())
    ramping.shared(pin(version="2"))
    again = replace(ramping.release(pin(version="2")), policies=asked().policies)
    held = ramping.run(plan_deployment, StageDeployment(Stage.PROD, again)).held
    assert [why for _, why in held if "was rolled back by rollback rule of prod" in why]
    assert ramping.run(plan_deployment, StageDeployment(Stage.TEST, again)).held == ()  # each stage by itself
    clients: Any = {"records": ramping.records, "audit": ramping.audit}
    lift(b'{"stage": "prod", "scope": "PLANT1/CIRC1", "reason": "the data was mended"}', **clients)
    assert ramping.run(plan_deployment, StageDeployment(Stage.PROD, again)).pins == (pin(version="2"),)


@pytest.mark.parametrize("verdict", [Verdict.ADVANCE, Verdict.HOLD])
def test_what_advances_or_is_held_is_not_marked(ramping: Bench, verdict: Verdict):
    few = summary(error={"mae": 0.4, "mse": 0.3, "seasonal_naive_mse": 0.5, "windows": 1})
    told = summary() if verdict is Verdict.ADVANCE else few
    assert judged(ramping, told, told).verdict is verdict
    record = ramping.records.deployment(Stage.PROD, CIRC1)
    assert record
    assert record.rolled_back == ()
