"""A look at a day: what its job is given, and what is put on record of each circuit."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from activities.monitoring import plan_monitoring, record_judged, submit_monitoring
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import DriftVerdict
from busbar.domain.events import JobStatus
from busbar.domain.policies import MonitoringPolicy, Stage
from busbar.domain.records import ScoringRecord
from busbar.domain.steps import JobRef, JobState, MonitoringChunk, MonitoringResult, MonitoringRun
from tests.activities.bench import CIRC1, CIRC2, CIRC3, COMMIT, SETTINGS, Bench, pin, serving
from tests.components import shipped_build
from tests.domain.drifts import finding, report
from tests.fakes import NOON

DAY = date(2025, 12, 9)
RUN = MonitoringRun("monitor-prod-2025-12-09", Stage.PROD, DAY)
JOB = "monitor-prod-2025-12-09-1"
SVG = b"<svg/>"


def serve(bench: Bench, *keys: CircuitKey) -> None:
    for key in keys:
        record = serving(key, Stage.PROD)
        bench.records.save_deployment(record)
        bench.releases.keep_pin(pin(key))
        bench.ml.write_file(Stage.PROD, record.circuit_config, b"sensors: [flow]\n")


def chunk(bench: Bench, *keys: CircuitKey) -> MonitoringChunk:
    return MonitoringChunk(RUN, JOB, COMMIT, bench.policies(), keys)


# --- what is looked at --------------------------------------------------------------------------------------


def test_what_the_stage_serves_is_looked_at_in_chunks(bench: Bench):
    serve(bench, CIRC2, CIRC1, CIRC3)
    policies = bench.policies()
    assert bench.run(plan_monitoring, RUN).chunks == ((CIRC1, CIRC2, CIRC3),)
    bench.repository.branches["develop"] = bench.edit(
        "config/pipeline.yaml", "circuits_per_job: 25", "circuits_per_job: 2"
    ).commit
    plan = bench.run(plan_monitoring, RUN)
    assert plan.chunks == ((CIRC1, CIRC2), (CIRC3,))
    assert plan.policies.monitoring == replace(policies.monitoring, circuits_per_job=2)


def test_named_circuits_are_looked_at_alone(bench: Bench):
    serve(bench, CIRC1, CIRC2)
    assert bench.run(plan_monitoring, replace(RUN, named=(CIRC2, CIRC3))).chunks == ((CIRC2,),)


def test_a_fleet_that_cannot_be_read_says_so(bench: Bench):
    bench.repository.branches["develop"] = bench.edit(
        "config/pipeline.yaml", "cooldown_days: 14", "cooldown_days: 0"
    ).commit
    assert "cooldown_days" in bench.run(plan_monitoring, RUN).problem


def test_the_defaults_are_those_of_the_shipped_file(bench: Bench):
    assert bench.policies().monitoring == MonitoringPolicy()


# --- the job ------------------------------------------------------------------------------------------------


def test_the_job_is_given_what_serves_and_what_its_training_measured(bench: Bench):
    serve(bench, CIRC1, CIRC2)
    trained = {"sensors": {"flow": {"rmse": 0.4}}}
    bench.ml.write_file(Stage.DEV, f"jobs/{pin(CIRC1).job}/metrics.json", json.dumps(trained).encode())
    assert bench.run(submit_monitoring, chunk(bench, CIRC1, CIRC2)) == JobRef(Stage.DEV, JOB)
    job = bench.ml.jobs[Stage.DEV, JOB]
    path = f"monitoring/{JOB}/circuits.json"
    assert job.inputs == {
        "component": f"monitor_circuits:{shipped_build('monitoring/monitor_circuits')}",
        "circuits": path,
        "compute": "training-cluster",
        "sensor_data": SETTINGS.sensor_table,
        "forecasts": SETTINGS.forecast_table,
        "metrics": SETTINGS.error_table,
        "history": SETTINGS.drift_table,
        "day": "2025-12-09",
        "model_drift": 0.10,
    }
    assert job.state.tags["orchestration_id"] == JOB
    first, second = json.loads(bench.ml.files[Stage.DEV, path])
    assert first == {
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "circuit_config": "sensors: [flow]\n",
        "deployment": "circ1-v1",
        "model_version": "1",
        "training_metrics": trained,
    }
    assert second["training_metrics"] is None


def test_a_job_that_is_there_is_left_as_it_was_started(bench: Bench):
    serve(bench, CIRC1)
    bench.run(submit_monitoring, chunk(bench, CIRC1))
    before = bench.snapshot()
    bench.records.save_deployment(serving(CIRC1, Stage.PROD, "2"))
    bench.run(submit_monitoring, chunk(bench, CIRC1))
    assert bench.ml.files == before["ml"].files


# --- on record ----------------------------------------------------------------------------------------------


def completed(bench: Bench, *reports: dict[str, Any], keys: tuple[CircuitKey, ...] = (CIRC1,)) -> None:
    bench.ml.write_file(Stage.DEV, f"jobs/{JOB}/reports.json", json.dumps(reports).encode())
    bench.ml.write_file(Stage.DEV, f"jobs/{JOB}/plots/PLANT1-CIRC1.svg", SVG)
    bench.run(record_judged, MonitoringResult(chunk(bench, *keys), JobState(JOB, JobStatus.COMPLETED)))


def test_each_circuits_verdict_report_and_plot_are_kept(bench: Bench):
    found = report(finding("data drift"))
    completed(bench, found)
    record = bench.drifts.record(Stage.PROD, CIRC1)
    assert record is not None
    assert (record.judged.verdict, record.judged.sentence) == (
        DriftVerdict.DATA, "PLANT1/CIRC1: data drift: flow has moved",
    )  # fmt: skip
    assert bench.drifts.report(Stage.PROD, CIRC1, "2025-12-09") == found
    assert bench.drifts.plot(Stage.PROD, CIRC1, "2025-12-09") == SVG


def test_a_circuit_that_the_job_did_not_report_is_not_judged(bench: Bench):
    completed(bench, report(), keys=(CIRC1, CIRC2))
    record = bench.drifts.record(Stage.PROD, CIRC2)
    assert record is not None
    assert record.judged.sentence == "PLANT1/CIRC2: not judged: nothing serves it any more"


def test_a_job_that_failed_says_why_for_each_circuit(bench: Bench):
    state = JobState(JOB, JobStatus.FAILED, "no space left")
    bench.run(record_judged, MonitoringResult(chunk(bench, CIRC1, CIRC2), state))
    told = [record.judged.sentence for record in bench.drifts.records()]
    assert told == [f"PLANT1/CIRC{number}: not judged: no space left" for number in (1, 2)]


@pytest.mark.parametrize(("day", "told"), [("2025-12-09", "flow is flat"), ("2025-12-10", "")])
def test_unsound_forecasts_stand_beside_the_days_scoring(bench: Bench, day: str, told: str):
    bench.records.save_scoring(ScoringRecord(CIRC1, Stage.PROD, day, "job", JobStatus.COMPLETED, 24, NOON))
    completed(bench, report() | {"validation": {"valid": False, "sentence": "flow is flat"}})
    (scoring,) = bench.records.scorings(Stage.PROD)
    assert (scoring.problem, scoring.rows) == (told, 24)
