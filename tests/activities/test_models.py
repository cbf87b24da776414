"""From a finished job to a model in the registry."""

import json
from dataclasses import replace
from typing import Any

import pytest

from activities.models import (
    evaluate_gates,
    look_in_registry,
    plan_promotion,
    record_promoted,
    register_model,
    settle_circuit,
    share_model,
)
from busbar.clients.machine_learning import ModelState
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest, NotFound
from busbar.domain.policies import Policies, Stage, StagePolicy, Thresholds
from busbar.domain.records import CircuitRecord
from busbar.domain.steps import (
    CircuitOutcome,
    Evaluation,
    EvaluationRequest,
    JobRef,
    ModelPromotion,
    ModelRequest,
    Settlement,
)
from busbar.domain.training import Verdict
from tests.activities.bench import (
    ASSETS,
    CIRC1,
    CIRC2,
    COMMIT,
    HASH,
    METRICS,
    NEXT,
    PASSED,
    RUN,
    Bench,
    pin,
    training,
)
from tests.fakes import NOON

JOB = JobRef(Stage.DEV, f"train-PLANT1-CIRC1-{HASH}-a1")
MODEL = "PLANT1_CIRC1_model"
STAGES = {Stage.DEV: StagePolicy(Thresholds(max_mae=5.0, max_rmse=9.0))}
NEWER = CircuitRecord(CIRC1, "f" * 12, Verdict.TRAINING, "", "newer", NEXT, "2025-12-10", NOON, "newer-job")


def report(mae: float = 1.0, skill: float = 0.4, champion: float | None = None) -> dict[str, Any]:
    return {
        "metrics": {"mae": mae, "rmse": 2.0, "accuracy": 0.9, "r2": 0.8, "precision": None, "recall": None},
        "standardised": {"mse": 0.3, "mae": 0.4},
        "baselines": {"seasonal_naive": {"mse": 0.5}, "champion": champion and {"mse": champion}},
        "skill": {"seasonal_naive": skill},
    }


def evaluated(bench: Bench, document: dict[str, Any], own: str = "") -> Evaluation:
    """Evaluate a job's metrics; `own` are the circuit's own thresholds, in YAML."""
    owner = "    owner: senior-engineer\n"
    run = bench.edit("config/circuits.yaml", owner, f"{owner}{own}") if own else RUN
    key = CircuitKey("PLANT2", "CIRC2")
    bench.ml.files[Stage.DEV, f"jobs/{JOB.name}/metrics.json"] = json.dumps(document).encode()
    task = training(key, run, Policies(stages=STAGES))
    return bench.run(evaluate_gates, EvaluationRequest(task, JOB))


GATES = [
    ("all pass", report(), "", True, "max_mae passed: 1 (limit ≤ 5)"),
    ("the stage's limit", report(mae=6.0), "", False, "max_mae failed: 6 (limit ≤ 5)"),
    (
        "a circuit's wider limit",
        report(mae=6.0),
        "    thresholds: {max_mae: 7.0}\n",
        True,
        "max_mae passed: 6 (limit ≤ 7)",
    ),
    (
        "a circuit's closer limit",
        report(),
        "    thresholds: {max_mae: 0.5}\n",
        False,
        "max_mae failed: 1 (limit ≤ 0.5)",
    ),
    ("no better than naive", report(skill=0.0), "", False, "min_skill_seasonal_naive failed: 0 (limit > 0)"),
    ("worse than the champion", report(champion=0.2), "", False, "max_mse_over_champion failed: 1.5"),
    ("as good as the champion", report(champion=0.3), "", True, "max_mse_over_champion passed: 1"),
    ("not measured", report(), "    thresholds: {min_recall: 0.5}\n", False, "min_recall failed"),
]


@pytest.mark.parametrize(
    ("document", "own", "passed", "told"), [case[1:] for case in GATES], ids=[case[0] for case in GATES]
)
def test_gates(bench: Bench, document: dict[str, Any], own: str, passed: bool, told: str):
    evaluation = evaluated(bench, document, own)
    assert evaluation.passed == passed
    assert told in evaluation.sentence


def test_the_limits_that_a_circuit_does_not_set_are_the_stages(bench: Bench):
    evaluation = evaluated(bench, report(mae=6.0), "    thresholds: {max_mae: 7.0}\n")
    assert {result.gate: result.limit for result in evaluation.results} == {
        "max_mae": 7.0,
        "max_rmse": 9.0,
        "min_skill_seasonal_naive": 0.0,
    }


def test_metrics_without_what_the_gates_need_say_what_is_missing(bench: Bench):
    document = report()
    del document["skill"]
    with pytest.raises(BadRequest, match=r"metrics\.json: the evaluation did not report 'skill'"):
        evaluated(bench, document)


def test_a_run_that_lost_the_circuit_does_not_pass(bench: Bench):
    bench.records.save_circuit(replace(NEWER, key=CircuitKey("PLANT2", "CIRC2")))
    evaluation = evaluated(bench, report())
    assert (evaluation.passed, evaluation.sentence) == (False, "superseded by newer")


# --- registration -----------------------------------------------------------------------------------------


def registered(bench: Bench, job: str = JOB.name) -> str:
    return bench.run(register_model, ModelRequest(training(), JobRef(Stage.DEV, job), PASSED)).model_version


def test_versions_are_the_next_integer_though_there_are_more_than_nine(bench: Bench):
    for version in ("1", "9", "10"):
        bench.ml.registered_models[Stage.DEV, MODEL, version] = ModelState(MODEL, version)
    assert registered(bench) == "11"


def test_a_job_is_registered_once_whatever_came_after(bench: Bench):
    assert [registered(bench, job) for job in ("job-1", "job-2", "job-1", "job-2")] == ["1", "2", "1", "2"]
    assert len(bench.ml.models(Stage.DEV, MODEL)) == 2


def test_a_pin_says_everything_that_made_the_model(bench: Bench):
    found = bench.run(register_model, ModelRequest(training(), JOB, PASSED))
    assert found == replace(pin(), delta_version=3)
    assert bench.ml.models(Stage.DEV, MODEL)[0].tags == {
        "build_id": COMMIT,
        "cutoff_date": "2025-12-09",
        "data_asset_name": "PLANT1_CIRC1",
        "data_asset_version": "2025-12-09",
        "component_version": "1.0.0",
        "training_hash": HASH,
        "validated": "true",
        "job": JOB.name,
    }


def test_a_pin_takes_the_circuits_own_limits_along(bench: Bench):
    owner = "    owner: senior-engineer\n"
    run = bench.edit("config/circuits.yaml", owner, f"{owner}    thresholds: {{max_mae: 7.0}}\n")
    task = training(CircuitKey("PLANT2", "CIRC2"), run)
    assert bench.run(register_model, ModelRequest(task, JOB, PASSED)).thresholds == Thresholds(max_mae=7.0)


def test_the_same_model_by_a_newer_scoring_component_is_another_deployment(bench: Bench):
    newer = replace(training(), assets=replace(ASSETS, scoring_version="1.4.0"))
    found = [
        bench.run(register_model, ModelRequest(task, JOB, PASSED)) for task in (training(), newer, newer)
    ]
    assert [one.model_version for one in found] == ["1", "1", "1"]
    assert [one.deployment for one in found] == ["circ1-v1", "circ1-v1-s1-4-0", "circ1-v1-s1-4-0"]
    assert [one.scoring_build for one in found][:2] == ["1.0.0-env1.1.0", "1.4.0-env1.1.0"]


# --- verdicts ---------------------------------------------------------------------------------------------


def test_a_verdict_goes_on_record_with_its_evidence(bench: Bench):
    settled = Settlement(training(), Verdict.TRAINED, PASSED.sentence, JOB.name, PASSED, "3")
    assert bench.run(settle_circuit, settled) == CircuitOutcome(CIRC1, Verdict.TRAINED, PASSED.sentence)
    assert bench.records.circuit(CIRC1) == CircuitRecord(
        key=CIRC1,
        training_hash=HASH,
        verdict=Verdict.TRAINED,
        reason=PASSED.sentence,
        run=RUN.id,
        commit=COMMIT,
        cutoff_date="2025-12-09",
        updated_at=NOON,
        job=JOB.name,
        model_version="3",
        metrics=METRICS,
        gates=PASSED.results,
    )


def test_a_circuit_that_did_not_make_it_keeps_the_versions_and_the_job_on_record(bench: Bench):
    before = replace(NEWER, run=RUN.id, model_version="3", registry_version="2", job=JOB.name)
    bench.records.save_circuit(before)
    bench.run(settle_circuit, Settlement(training(), Verdict.QUARANTINED, "out of memory"))
    record = bench.records.circuit(CIRC1)
    assert record
    assert (record.verdict, record.model_version, record.registry_version) == (Verdict.QUARANTINED, "3", "2")
    assert record.job == JOB.name


@pytest.mark.parametrize("verdict", [Verdict.TRAINED, Verdict.GATED_OUT, Verdict.QUARANTINED])
def test_a_superseded_run_leaves_the_record_alone(bench: Bench, verdict: Verdict):
    bench.records.save_circuit(NEWER)
    outcome = bench.run(settle_circuit, Settlement(training(), verdict, "x", JOB.name, PASSED, "3"))
    assert outcome == CircuitOutcome(CIRC1, Verdict.SUPERSEDED, "PLANT1/CIRC1: superseded by newer")
    assert bench.records.circuit(CIRC1) == NEWER


# --- the registry -----------------------------------------------------------------------------------------


@pytest.fixture
def promotion(bench: Bench) -> ModelPromotion:
    release = bench.release(pin())
    registered(bench)
    bench.records.save_circuit(replace(NEWER, run=RUN.id))
    (one,) = bench.run(plan_promotion, release)
    return one


def test_a_shared_model_shows_after_a_while_and_goes_on_record(bench: Bench, promotion: ModelPromotion):
    assert not bench.run(look_in_registry, promotion)
    bench.run(share_model, promotion)
    bench.ml.propagation = 2
    assert [bench.run(look_in_registry, promotion) for _ in range(4)] == [False, False, True, True]
    bench.run(record_promoted, promotion)
    record = bench.records.circuit(CIRC1)
    assert record
    assert (record.registry_version, record.verdict) == ("1", Verdict.TRAINING)


def test_what_was_left_out_is_not_promoted(bench: Bench):
    release = bench.release(pin(), pin(CIRC2))
    assert [one.key for one in bench.run(plan_promotion, release.less((CIRC1,)))] == [CIRC2]


def test_what_the_release_does_not_pin_is_not_promoted(bench: Bench):
    release = bench.release(pin())
    with pytest.raises(NotFound, match="has no pin for PLANT1/CIRC2"):
        bench.run(plan_promotion, replace(release, circuits=(CIRC1, CIRC2)))
    with pytest.raises(NotFound, match="release r-lost has no pin"):
        bench.run(plan_promotion, replace(release, id="r-lost"))
