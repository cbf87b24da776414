"""Scoring: the active deployment by name, under a job name of our own."""

import json
from datetime import date

import pytest

from activities.scoring import list_deployed, record_scored, submit_scoring
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage, TrainingPolicy
from busbar.domain.records import ScoringRecord
from busbar.domain.steps import (
    CircuitScoring,
    DeploymentState,
    JobRef,
    JobState,
    ScoringOutcome,
    ScoringResult,
)
from tests.activities.bench import CIRC1, CIRC2, CIRC3, Bench, serving
from tests.fakes import NOON

JOB = "score-prod-2025-12-09-PLANT1-CIRC1"
DAY = date(2025, 12, 9)


def request(stage: Stage = Stage.PROD) -> CircuitScoring:
    return CircuitScoring(stage, CIRC1, DAY, TrainingPolicy(), JOB)


def served(bench: Bench, stage: Stage = Stage.PROD, version: str = "2") -> None:
    record = serving(stage=stage, version=version)
    bench.records.save_deployment(record)
    bench.ml.deployments[stage, record.endpoint, record.deployment] = DeploymentState(ready=True)


def test_only_what_the_stage_serves_is_scored(bench: Bench):
    for key, stage in ((CIRC2, Stage.PROD), (CIRC1, Stage.PROD), (CIRC3, Stage.TEST)):
        bench.records.save_deployment(serving(key, stage))
    assert bench.run(list_deployed, Stage.PROD) == (CIRC1, CIRC2)
    assert bench.run(list_deployed, Stage.DEV) == ()


MODELS = [
    (Stage.DEV, "azureml:PLANT1_CIRC1_model:2"),
    (Stage.PROD, "azureml://registries/central-registry/models/PLANT1_CIRC1_model/versions/2"),
]


@pytest.mark.parametrize(("stage", "model"), MODELS)
def test_an_invocation_names_everything(bench: Bench, stage: Stage, model: str):
    served(bench, stage)
    assert bench.run(submit_scoring, request(stage)) == JobRef(stage, JOB)
    assert bench.ml.jobs[stage, JOB].inputs == {
        "model": model,
        "circuit_config": "c.yaml",
        "deployment": "circ1-v2",
        "sensor_data": "abfss://sensors@account.dfs.core.windows.net/readings",
        "forecasts": "abfss://predictions@account.dfs.core.windows.net/forecasts",
        "score_date": "2025-12-09",
        "model_version": "2",
    }


def test_a_repeat_does_not_invoke_again_though_another_deployment_serves_by_now(bench: Bench):
    served(bench)
    bench.run(submit_scoring, request())
    served(bench, version="3")
    bench.run(submit_scoring, request())
    assert bench.ml.jobs[Stage.PROD, JOB].inputs["deployment"] == "circ1-v2"


def test_a_circuit_that_is_not_served_cannot_be_scored(bench: Bench):
    with pytest.raises(NotFound, match="PLANT1/CIRC1 has no deployment in prod"):
        bench.run(submit_scoring, request())


def scored(bench: Bench, status: JobStatus, error: str = "") -> tuple[ScoringOutcome, list[ScoringRecord]]:
    state = JobState(JOB, status, error)
    return bench.run(record_scored, ScoringResult(request(), state)), bench.records.scorings()


def test_the_rows_that_were_written_go_on_record(bench: Bench):
    bench.ml.write_file(Stage.PROD, f"jobs/{JOB}/summary.json", json.dumps({"rows": 72}).encode())
    outcome, records = scored(bench, JobStatus.COMPLETED)
    assert outcome == ScoringOutcome(CIRC1, True, "72 rows")
    assert records == [ScoringRecord(CIRC1, Stage.PROD, "2025-12-09", JOB, "completed", 72, NOON)]


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_a_failure_goes_on_record_with_its_reason(bench: Bench, status: JobStatus):
    outcome, records = scored(bench, status, "no readings for 2025-12-09")
    assert outcome == ScoringOutcome(CIRC1, False, "no readings for 2025-12-09")
    expected = ScoringRecord(
        CIRC1, Stage.PROD, "2025-12-09", JOB, status, 0, NOON, "no readings for 2025-12-09"
    )
    assert records == [expected]


def test_a_job_without_its_summary_is_not_taken_for_scored(bench: Bench):
    with pytest.raises(NotFound):
        scored(bench, JobStatus.COMPLETED)
    assert bench.records.scorings() == []
