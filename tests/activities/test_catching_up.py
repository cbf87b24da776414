"""Missed days: what the job for many circuits is given, what goes on record of each, and what it leaves."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from activities.catching_up import divide_circuits, record_caught_up, submit_catch_up
from activities.scoring import record_scored
from busbar.domain.catching_up import Batch, Division
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage, TrainingPolicy
from busbar.domain.records import Candidate, DeploymentRecord, ScoringRecord
from busbar.domain.steps import (
    CatchUp,
    CaughtUp,
    CircuitScoring,
    JobRef,
    JobState,
    ScoredChunk,
    ScoredPart,
    ScoringChunk,
    ScoringOutcome,
    ScoringPart,
    ScoringResult,
)
from tests.activities.bench import CIRC1, CIRC2, CIRC3, SETTINGS, Bench, pin, serving
from tests.fakes import NOON

DAYS = (date(2025, 12, 8), date(2025, 12, 7))
RUN = CatchUp("catch-up-prod-2025-12-09", Stage.PROD, DAYS, TrainingPolicy(), 25)
JOB = "catch-up-prod-2025-12-09-1"
PATH = f"jobs/{JOB}/circuits.json"
BUILD = pin().scoring_build


def chunk(*keys: CircuitKey) -> ScoringChunk:
    return ScoringChunk(RUN, JOB, Batch(BUILD, keys))


def serve(bench: Bench, *keys: CircuitKey) -> None:
    """Prod serves the circuits, and dev has what their trainings left and the component."""
    for key in keys:
        record = replace(serving(key, Stage.PROD), scoring_version=BUILD)
        bench.records.save_deployment(record)
        bench.releases.keep_pin(pin(key))
        bench.ml.write_file(Stage.PROD, record.circuit_config, b"sensors: [flow]\n")
        bench.ml.write_file(Stage.DEV, f"jobs/{pin(key).job}/metrics.json", b"{}")
    bench.has_component("score_circuits", BUILD)


def lines(bench: Bench) -> list[dict[str, Any]]:
    return json.loads(bench.ml.files[Stage.DEV, PATH])


def test_what_the_stage_serves_is_divided(bench: Bench):
    serve(bench, CIRC2, CIRC1)
    bench.records.save_deployment(serving(CIRC3, Stage.PROD))
    assert bench.run(divide_circuits, RUN) == Division((Batch(BUILD, (CIRC1, CIRC2)),), (CIRC3,))


# --- the job ------------------------------------------------------------------------------------------------


def test_the_job_runs_the_deployments_own_build_on_all_that_it_needs(bench: Bench):
    serve(bench, CIRC1, CIRC2)
    assert bench.run(submit_catch_up, chunk(CIRC1, CIRC2)) == JobRef(Stage.DEV, JOB)
    job = bench.ml.jobs[Stage.DEV, JOB]
    assert job.inputs == {
        "component": f"score_circuits:{BUILD}",
        "circuits": PATH,
        "sensor_data": SETTINGS.sensor_table,
        "forecasts": SETTINGS.forecast_table,
        "compute": "training-cluster",
    }
    assert job.state.tags == {"orchestration_id": JOB, "stage": "prod"}
    first, second = lines(bench)
    assert first == {
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "circuit_config": "sensors: [flow]\n",
        "model": f"jobs/{pin(CIRC1).job}/trained_model",
        "model_version": "1",
        "deployment": "circ1-v1",
        "days": ["2025-12-08", "2025-12-07"],
    }
    assert second["circuit_id"] == "CIRC2"


def ramps(record: DeploymentRecord) -> DeploymentRecord:
    return replace(record, candidate=Candidate(**vars(record.active), share=10))


def rebuilt(record: DeploymentRecord) -> DeploymentRecord:
    return replace(record, scoring_version="1.5.0-env1.1.0")


def unknown(record: DeploymentRecord) -> DeploymentRecord:
    return replace(record, model_version="7")


@pytest.mark.parametrize("change", [ramps, rebuilt, unknown], ids=lambda change: change.__name__)
def test_what_is_deployed_otherwise_by_now_is_left_out(bench: Bench, change: Any):
    serve(bench, CIRC1, CIRC2)
    record = bench.records.deployment(Stage.PROD, CIRC1)
    bench.records.save_deployment(change(record))
    bench.run(submit_catch_up, chunk(CIRC1, CIRC2, CIRC3))
    assert [line["circuit_id"] for line in lines(bench)] == ["CIRC2"]


def test_a_circuit_whose_trainings_files_are_gone_is_left_out(bench: Bench):
    serve(bench, CIRC1, CIRC2)
    bench.ml.delete_files(Stage.DEV, f"jobs/{pin(CIRC1).job}")
    bench.run(submit_catch_up, chunk(CIRC1, CIRC2))
    assert [line["circuit_id"] for line in lines(bench)] == ["CIRC2"]


def test_there_is_no_job_for_nothing(bench: Bench):
    serve(bench)
    with pytest.raises(NotFound, match="none of its circuits can be scored together"):
        bench.run(submit_catch_up, chunk(CIRC1))
    assert (bench.ml.jobs, bench.ml.files) == ({}, {})


def test_a_job_that_is_there_is_left_as_it_was_started(bench: Bench):
    serve(bench, CIRC1)
    bench.run(submit_catch_up, chunk(CIRC1))
    before = bench.snapshot()
    bench.records.save_deployment(serving(CIRC1, Stage.PROD, "2"))
    assert bench.run(submit_catch_up, chunk(CIRC1)) == JobRef(Stage.DEV, JOB)
    assert bench.snapshot()["ml"] == before["ml"]


def test_one_that_was_cancelled_is_done_anew(bench: Bench):
    serve(bench, CIRC1)
    bench.run(submit_catch_up, chunk(CIRC1))
    bench.ml.ended(Stage.DEV, JOB, JobStatus.CANCELED)
    assert bench.run(submit_catch_up, chunk(CIRC1)) == JobRef(Stage.DEV, f"{JOB}--again2")


# --- on record ----------------------------------------------------------------------------------------------


def summary(key: CircuitKey, day: str, rows: int = 24, problem: str | None = None) -> dict[str, Any]:
    place = {"plant_id": key.plant_id, "circuit_id": key.circuit_id, "score_date": day, "problem": problem}
    return place if problem else place | {"rows": rows}


def ended(bench: Bench, *summaries: dict[str, Any], keys: tuple[CircuitKey, ...] = (CIRC1,)) -> CaughtUp:
    bench.ml.write_file(Stage.DEV, f"jobs/{JOB}/summaries.json", json.dumps(summaries).encode())
    return bench.run(record_caught_up, ScoredChunk(chunk(*keys), JobState(JOB, JobStatus.COMPLETED)))


BOTH = (summary(CIRC1, "2025-12-08"), summary(CIRC1, "2025-12-07", 48))
RECORD = ScoringRecord(CIRC1, Stage.PROD, "2025-12-08", JOB, "completed", 24, NOON)


def test_the_newest_missed_day_goes_on_record(bench: Bench):
    assert ended(bench, *BOTH) == CaughtUp((), (ScoringOutcome(CIRC1, True, "72 rows"),))
    assert bench.records.scorings() == [RECORD]


def test_a_newer_day_stays_on_record(bench: Bench):
    newer = replace(RECORD, day="2025-12-09", job="score-prod-2025-12-09-PLANT1-CIRC1")
    bench.records.save_scoring(newer)
    assert ended(bench, *BOTH).outcomes
    assert bench.records.scorings() == [newer]


@pytest.mark.parametrize(("missed", "kept"), [(True, "2025-12-09"), (False, "2025-12-08")])
def test_so_it_does_for_a_missed_day_that_is_scored_by_itself(bench: Bench, missed: bool, kept: str):
    bench.records.save_scoring(replace(RECORD, day="2025-12-09"))
    scoring = CircuitScoring(Stage.PROD, CIRC1, DAYS[0], TrainingPolicy(), missed=missed)
    part = ScoredPart(
        ScoringPart("job", "be", serving().active), JobState("job", JobStatus.FAILED, "no space")
    )
    bench.run(record_scored, ScoringResult(scoring, (part,)))
    assert [one.day for one in bench.records.scorings()] == [kept]


def test_a_day_that_could_not_be_scored_says_why(bench: Bench):
    missing = summary(CIRC1, "2025-12-08", problem="no reading of PLANT1/CIRC1 on 2025-12-08")
    found = ended(bench, missing, BOTH[1])
    told = "2025-12-08: no reading of PLANT1/CIRC1 on 2025-12-08"
    assert found.outcomes == (ScoringOutcome(CIRC1, False, told),)
    [record] = bench.records.scorings()
    assert (record.status, record.rows, record.reason) == ("failed", 0, told.partition(": ")[2])


def test_what_the_job_has_nothing_of_is_left(bench: Bench):
    found = ended(bench, *BOTH, keys=(CIRC1, CIRC2))
    assert (found.left, [one.key for one in found.outcomes]) == ((CIRC2,), [CIRC1])


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (JobState(JOB, JobStatus.FAILED, "no space left"), "no space left"),
        (JobState(JOB, JobStatus.CANCELED), f"job {JOB} canceled"),
    ],
)
def test_a_job_that_failed_leaves_them_all(bench: Bench, state: JobState, problem: str):
    found = bench.run(record_caught_up, ScoredChunk(chunk(CIRC1, CIRC2), state))
    assert found == CaughtUp((CIRC1, CIRC2), problem=problem)
    assert bench.records.scorings() == []
