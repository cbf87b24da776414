"""Circuits served online: a candidate beside what serves, copies and shares of the requests, the way back."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from activities.baking import judge_step, measure_step, replay_job, submit_replay
from activities.ramping import raise_share, take_back, withdraw_candidate
from activities.recovery import drop_candidates
from activities.rollback import plan_rollback, put_back, put_forward, remove_withdrawn, stand_up
from activities.rollout import plan_deployment
from activities.scoring import record_scored, share_scoring, submit_scoring
from activities.serving import activate_deployment, create_deployment, look_at_deployment
from busbar.domain import names
from busbar.domain.circuits import Serving
from busbar.domain.events import JobStatus
from busbar.domain.policies import (
    Bake as Bakes,
)
from busbar.domain.policies import (
    OnlinePolicy,
    Policies,
    QuotaPolicy,
    RampPolicy,
    Stage,
    StagePolicy,
    TrainingPolicy,
)
from busbar.domain.ramp import ForecastError, Measured, Step, Verdict, steps, steps_between_kinds
from busbar.domain.records import Candidate, DeploymentRecord
from busbar.domain.rollback import Scope
from busbar.domain.steps import (
    Bake,
    Cancellation,
    CircuitDeployment,
    CircuitMove,
    CircuitScoring,
    Halted,
    JobState,
    Judging,
    PartScoring,
    Ramp,
    Replay,
    RollbackRun,
    ScoredPart,
    ScoringResult,
    Share,
    StageDeployment,
    TakeBack,
)
from tests.activities.bench import CIRC1, HASH, SETTINGS, Bench, pin
from tests.activities.killing import killed_at_every_call
from tests.fakes import NOON

ENDPOINT = names.online_endpoint(CIRC1, Stage.PROD, SETTINGS.workspace_id(Stage.PROD))
PLACE = (Stage.PROD, ENDPOINT)
CONFIG = f"circuit_configs/PLANT1_CIRC1/{HASH}.yaml"
RAMP = RampPolicy((25, 100), windows=8, mirror_percent=10)
REGISTRY = "azureml://registries/central-registry"


def policies(ramp: RampPolicy = RAMP) -> Policies:
    return Policies(stages={Stage.PROD: StagePolicy(ramp=ramp, online=OnlinePolicy("Standard_DS3_v2", 2))})


def request(
    version: str = "1", serving: Serving = Serving.ONLINE, ramp: RampPolicy = RAMP
) -> CircuitDeployment:
    return CircuitDeployment(
        Stage.PROD, replace(pin(version=version), serving=serving), policies(ramp), f"r-{version}"
    )


@pytest.fixture(autouse=True)
def configured(bench: Bench) -> None:
    bench.ml.write_file(Stage.DEV, CONFIG, b"circuit_id: CIRC1\n")


def deploy(bench: Bench, version: str = "1", serving: Serving = Serving.ONLINE) -> DeploymentRecord:
    for activity in (create_deployment, activate_deployment):
        bench.run(activity, request(version, serving))
    return record_of(bench)


def record_of(bench: Bench) -> DeploymentRecord:
    record = bench.records.deployment(Stage.PROD, CIRC1)
    assert record
    return record


def standing(bench: Bench) -> list[str]:
    return sorted(name for _, _, name in bench.ml.deployments)


def ramped(bench: Bench, percent: int, mirrored: int = 0) -> None:
    """Version 2 beside version 1, with a share or copies."""
    deploy(bench)
    bench.run(create_deployment, request("2"))
    bench.run(raise_share, Share(request("2"), percent, "…", mirrored))


# --- one circuit ------------------------------------------------------------------------------------------


def test_a_circuit_has_an_endpoint_of_its_own_and_the_components_script(bench: Bench):
    record = deploy(bench)
    assert bench.ml.endpoints == {PLACE: {"plant_id": "PLANT1", "circuit_id": "CIRC1"}}
    place = (*PLACE, "online-v1")
    assert bench.ml.components_of[place] == (
        f"{REGISTRY}/components/online_score/versions/1.0.0-env1.1.0",
        "Standard_DS3_v2",
    )
    assert bench.ml.online[place] == {
        "model": f"{REGISTRY}/models/PLANT1_CIRC1_model/versions/1",
        "instances": 2,
    }
    assert (record.endpoint, record.deployment, record.kind) == (ENDPOINT, "online-v1", Serving.ONLINE)
    assert (record.active.instance_type, record.active.instances) == ("Standard_DS3_v2", 2)
    assert bench.run(look_at_deployment, request()).ready


def test_a_first_deployment_gets_every_request_once_it_serves(bench: Bench):
    ramp = bench.run(create_deployment, request())
    assert ramp == Ramp(steps(RAMP, first=True))
    bench.run(raise_share, Share(request(), 100, "…"))
    assert bench.ml.traffic_of == {}  # its bake asks it by name
    bench.run(activate_deployment, request())
    assert bench.ml.traffic_of[PLACE] == ({"online-v1": 100}, {})


def test_a_candidate_is_sent_copies_then_a_share_then_everything(bench: Bench):
    champion = deploy(bench).active
    ramp = bench.run(create_deployment, request("2"))
    assert ramp == Ramp(steps(RAMP, first=False, online=True), champion)
    seen = []
    for step in ramp.steps[:-1]:
        bench.run(raise_share, Share(request("2"), step.share, step.progress, step.mirrored))
        seen.append(bench.ml.traffic_of[PLACE])
    bench.run(activate_deployment, request("2"))
    assert [*seen, bench.ml.traffic_of[PLACE]] == [
        ({"online-v1": 100}, {"online-v2": 10}),
        ({"online-v1": 75, "online-v2": 25}, {}),
        ({"online-v2": 100}, {}),
    ]
    assert standing(bench) == ["online-v1", "online-v2"]  # what served before stands, without traffic


def test_traffic_that_was_not_split_yet_is_by_the_retry(bench: Bench):
    ramped(bench, 25)
    bench.run(activate_deployment, request("2"))
    bench.ml.traffic_of[PLACE] = ({"online-v1": 75, "online-v2": 25}, {})  # killed before the platform did it
    bench.run(activate_deployment, request("2"))
    assert bench.ml.traffic_of[PLACE] == ({"online-v2": 100}, {})


@pytest.mark.parametrize(("percent", "mirrored"), [(25, 0), (0, 10)])
def test_a_candidate_that_is_withdrawn_leaves_every_request_to_what_serves(
    bench: Bench, percent: int, mirrored: int
):
    ramped(bench, percent, mirrored)
    for _ in range(2):
        bench.run(withdraw_candidate, request("2"))
    assert bench.ml.traffic_of[PLACE] == ({"online-v1": 100}, {})
    assert standing(bench) == ["online-v1"]


def test_a_cancelled_run_leaves_every_request_to_what_serves(bench: Bench):
    ramped(bench, 25)
    halted = Halted("deploy-prod-r-2", "deploy_release")
    bench.run(drop_candidates, Cancellation("release-r-2", "operator", "a mistake", NOON, (halted,)))
    assert bench.ml.traffic_of[PLACE] == ({"online-v1": 100}, {})


def test_a_release_that_is_taken_back_gives_the_requests_back(bench: Bench):
    for version in ("1", "2"):
        deploy(bench, version)
    bench.run(take_back, TakeBack(request("2"), "3 of 4 circuits went back"))
    assert bench.ml.traffic_of[PLACE] == ({"online-v1": 100}, {})
    assert standing(bench) == ["online-v1"]


def test_a_first_release_that_is_taken_back_leaves_nothing(bench: Bench):
    deploy(bench)
    bench.run(take_back, TakeBack(request(), "3 of 4 circuits went back"))
    assert (bench.records.deployments(), standing(bench)) == ([], [])
    assert bench.ml.endpoints == {}


# --- between batch and online -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"), [(Serving.BATCH, Serving.ONLINE), (Serving.ONLINE, Serving.BATCH)]
)
def test_the_same_model_served_otherwise_is_another_deployment(bench: Bench, before: Serving, after: Serving):
    old = deploy(bench, serving=before)
    ramp = bench.run(create_deployment, request(serving=after))
    assert ramp == Ramp(steps_between_kinds(RAMP), old.active)
    bench.run(raise_share, Share(request(serving=after), 0, "beside what serves"))
    assert record_of(bench).active == old.active
    bench.run(activate_deployment, request(serving=after))
    new = record_of(bench)
    assert (new.kind, new.previous, len(standing(bench))) == (after, old.active, 2)
    assert new.endpoint != old.endpoint
    # only what comes next deletes the old kind's
    bench.run(create_deployment, request("2", after))
    assert old.deployment not in standing(bench)


def test_a_candidate_of_another_kind_is_withdrawn_from_its_own_endpoint(bench: Bench):
    deploy(bench, serving=Serving.BATCH)
    bench.run(create_deployment, request())
    run = RollbackRun("rollback-1", Scope.parse(Stage.PROD, "PLANT1/CIRC1"), "operator", "late", NOON)
    [step] = bench.run(plan_rollback, run).returns
    for activity in (put_back, remove_withdrawn):
        bench.run(activity, CircuitMove(run, step))
    assert standing(bench) == ["circ1-v1"]


# --- rollback, drill --------------------------------------------------------------------------------------


def test_a_rollback_gives_the_requests_back_and_a_drill_brings_them_forward(bench: Bench):
    for version in ("1", "2"):
        deploy(bench, version)
    run = RollbackRun("drill-1", Scope.parse(Stage.PROD, ""), "operator", "a drill", NOON, drill=True)
    [step] = bench.run(plan_rollback, run).returns
    bench.repository.outage = True
    assert bench.run(stand_up, CircuitMove(run, step)).ready
    bench.run(put_back, CircuitMove(run, step))
    assert bench.ml.traffic_of[PLACE] == ({"online-v1": 100}, {})
    bench.run(put_forward, CircuitMove(run, step, forward=True))
    assert bench.ml.traffic_of[PLACE] == ({"online-v2": 100}, {})


def test_a_rollback_creates_an_online_deployment_again_from_its_record(bench: Bench):
    for version in ("1", "2"):
        deploy(bench, version)
    before = bench.ml.components_of[*PLACE, "online-v1"], bench.ml.online[*PLACE, "online-v1"]
    bench.ml.delete_deployment(*PLACE, "online-v1")
    run = RollbackRun("rollback-1", Scope.parse(Stage.PROD, ""), "operator", "late", NOON)
    [step] = bench.run(plan_rollback, run).returns
    bench.run(stand_up, CircuitMove(run, step))
    assert (bench.ml.components_of[*PLACE, "online-v1"], bench.ml.online[*PLACE, "online-v1"]) == before


# --- what a release may do --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "told"),
    [
        (QuotaPolicy(), ""),
        (QuotaPolicy(endpoints=1), "the region would have 2 endpoints (1 there, 1 new) and may have 1"),
        (QuotaPolicy(deployments=1), "the region would have 2 deployments (1 there, 1 new) and may have 1"),
    ],
)
def test_an_online_circuit_counts_against_the_quota_of_endpoints(bench: Bench, quota: QuotaPolicy, told: str):
    deploy(bench, serving=Serving.BATCH)
    online = replace(pin(version="2"), serving=Serving.ONLINE)
    bench.shared(online)
    asked = replace(policies(), quotas=quota)
    plan = bench.run(plan_deployment, StageDeployment(Stage.PROD, bench.release(online, policies=asked)))
    assert plan.refusal.startswith(told)
    assert bool(plan.refusal) == bool(told)


# --- baking -----------------------------------------------------------------------------------------------


def replay(bench: Bench, step: Step, version: str = "2") -> Replay:
    champion = record_of(bench).active
    return Replay(request(version), champion, step, 1, date(2025, 12, 9), "deploy-prod-r-2")


@pytest.mark.parametrize(
    ("step", "champion_is_asked"),
    [(Step(25, look_back=8), "online-v1"), (Step(0, look_back=8, mirrored=10), None)],
)
def test_each_deployment_is_asked_by_name_and_the_champion_as_everybody_while_copies_are_sent(
    bench: Bench, step: Step, champion_is_asked: str | None
):
    deploy(bench)
    bench.run(create_deployment, request("2"))
    jobs = bench.run(submit_replay, replay(bench, step))
    candidate, champion = (bench.ml.jobs[job.place, job.name].inputs for job in jobs)
    assert candidate["asked_deployment"] == "online-v2"
    assert champion.get("asked_deployment") == champion_is_asked
    assert candidate["scoring_uri"] == champion["scoring_uri"] == f"https://{ENDPOINT}.example.com/score"
    assert candidate["component"] == f"{REGISTRY}/components/scoring_pipeline/versions/1.0.0-env1.1.0"
    assert candidate["compute"] == "scoring-cluster"
    assert (candidate["windows"], candidate["window_share"]) == (8, step.added / 100)
    assert [one["model"][-1] for one in (candidate, champion)] == ["2", "1"]


def test_a_batch_champion_is_scored_in_the_job_itself(bench: Bench):
    deploy(bench, serving=Serving.BATCH)
    bench.run(create_deployment, request("2"))
    jobs = bench.run(submit_replay, replay(bench, Step(0, look_back=8)))
    candidate, champion = (bench.ml.jobs[job.place, job.name].inputs for job in jobs)
    assert ("scoring_uri" in candidate, "scoring_uri" in champion) == (True, False)


def summary(sent: int, failed: int) -> bytes:
    error = {"mse": 0.3, "mae": 0.4, "seasonal_naive_mse": 0.5, "windows": sent - failed}
    return json.dumps(
        {
            "windows": {"available": sent, "scored": sent},
            "rows": 48 * (sent - failed),
            "failed_rows": 48 * failed,
            "latency_ms": {"p50": 20.0, "p95": 40.0},
            "requests": {"sent": sent, "failed": failed, "problems": []},
            "error": error,
        }
    ).encode()


@pytest.mark.parametrize(("failed", "verdict"), [(0, Verdict.ADVANCE), (3, Verdict.ROLL_BACK)])
def test_requests_that_fail_send_a_candidate_back(bench: Bench, failed: int, verdict: Verdict):
    ramped(bench, 0, 10)
    asked = replay(bench, Step(0, look_back=20, mirrored=10))
    states = []
    for role, bad in (("candidate", failed), ("champion", 0)):
        job = replay_job(asked, role)
        bench.ml.write_file(Stage.PROD, f"jobs/{job}/summary.json", summary(20, bad))
        states.append(JobState(job, JobStatus.COMPLETED))
    bake = Bake(asked, tuple(states), Measured(), 0.1)
    measured = bench.run(measure_step, bake)
    assert (measured.replayed.runs, measured.replayed.failed_runs) == (20, failed)
    assert measured.replayed.error == ForecastError(20 - failed, 0.3, 0.5)
    ruling = bench.run(judge_step, Judging(bake, measured))
    assert ruling.verdict is verdict
    assert ruling.sentence.startswith(f"PLANT1/CIRC1 v2 mirrored 10 % in prod: {verdict}: ")
    candidate = record_of(bench).candidate
    assert candidate
    assert candidate.progress.startswith(f"10 % of requests mirrored: {verdict}")


def test_copies_leave_no_live_windows_to_wait_for(bench: Bench):
    ramped(bench, 0, 10)
    live = replace(RAMP, bake=Bakes.LIVE)
    asked = replace(replay(bench, Step(0, look_back=20, mirrored=10)), deployment=request("2", ramp=live))
    bake = Bake(asked, (JobState("none", JobStatus.FAILED),), Measured(), 0.1)
    assert bench.run(measure_step, bake).live == Measured()


# --- every day --------------------------------------------------------------------------------------------

DAY = CircuitScoring(
    Stage.PROD, CIRC1, date(2025, 12, 9), TrainingPolicy(), "score-prod-2025-12-09-PLANT1-CIRC1"
)


def test_every_day_a_job_asks_each_deployment_for_its_part(bench: Bench):
    ramped(bench, 25)
    parts = bench.run(share_scoring, DAY)
    asked = []
    for part in parts:
        job = bench.run(submit_scoring, PartScoring(DAY, part))
        inputs = bench.ml.jobs[job.place, job.name].inputs
        slices = (inputs["window_offset"], inputs["window_share"])
        asked.append((inputs["asked_deployment"], inputs["deployment"], *slices))
    assert asked == [("online-v1", "online-v1", 0.25, 0.75), ("online-v2", "online-v2", 0.0, 0.25)]


def test_what_was_asked_live_is_on_record_of_the_candidate(bench: Bench):
    ramped(bench, 25)
    parts = bench.run(share_scoring, DAY)
    for part in parts:
        bench.ml.write_file(Stage.PROD, f"jobs/{part.job}/summary.json", summary(4, 1))
    ended = tuple(ScoredPart(part, JobState(part.job, JobStatus.COMPLETED)) for part in parts)
    bench.run(record_scored, ScoringResult(DAY, ended))
    candidate = record_of(bench).candidate
    assert isinstance(candidate, Candidate)
    [run] = candidate.live
    assert (run.requests, run.failed_requests, run.latency_ms) == (4, 1, 40.0)
    live = replace(RAMP, bake=Bakes.LIVE)
    asked = replace(replay(bench, Step(25, look_back=8)), deployment=request("2", ramp=live))
    bake = Bake(asked, (JobState("none", JobStatus.FAILED),), Measured(), 24.0)
    measured = bench.run(measure_step, bake).live
    assert (measured.runs, measured.failed_runs, measured.live_windows) == (4, 1, 4)


# --- killed anywhere --------------------------------------------------------------------------------------


def rolled(bench: Bench) -> CircuitMove:
    for version in ("1", "2"):
        deploy(bench, version)
    run = RollbackRun("rollback-1", Scope.parse(Stage.PROD, ""), "operator", "late", NOON)
    [step] = bench.run(plan_rollback, run).returns
    return CircuitMove(run, step)


def rolled_and_back(bench: Bench) -> CircuitMove:
    move = rolled(bench)
    bench.run(put_back, move)
    return replace(move, forward=True)


def second(bench: Bench) -> CircuitDeployment:
    deploy(bench)
    return request("2")


def climbing(bench: Bench) -> CircuitDeployment:
    ramped(bench, 25)
    return request("2")


def climbed(bench: Bench) -> TakeBack:
    climbing(bench)
    bench.run(activate_deployment, request("2"))
    return TakeBack(request("2"), "3 of 4 circuits went back")


@pytest.mark.parametrize(
    ("activity", "prepared"),
    [
        (create_deployment, second),
        (raise_share, lambda bench: Share(climbing(bench), 50, "…")),
        (activate_deployment, climbing),
        (withdraw_candidate, climbing),
        (take_back, climbed),
        (put_back, rolled),
        (put_forward, rolled_and_back),
        (submit_replay, lambda bench: climbing(bench) and replay(bench, Step(0, look_back=8, mirrored=10))),
    ],
)
def test_killed_anywhere_and_run_again_ends_as_if_never_killed(
    bench: Bench, activity: Callable[..., Any], prepared: Callable[[Bench], Any]
):
    smooth = Bench()
    smooth.ml.write_file(Stage.DEV, CONFIG, b"circuit_id: CIRC1\n")
    smooth.run(activity, prepared(smooth))
    assert list(killed_at_every_call(bench, activity, prepared(bench)))
    assert bench.snapshot() == smooth.snapshot()
