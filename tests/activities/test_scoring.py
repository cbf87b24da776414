"""Scoring: what serves by name, under a job name of our own; a candidate beside it scores its share."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from activities.scoring import list_deployed, record_scored, share_scoring, submit_scoring
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage, TrainingPolicy
from busbar.domain.records import Candidate, LiveRun, ScoringRecord
from busbar.domain.steps import (
    CircuitScoring,
    DeploymentState,
    JobRef,
    JobState,
    PartScoring,
    ScoredPart,
    ScoringOutcome,
    ScoringPart,
    ScoringResult,
)
from tests.activities.bench import CIRC1, CIRC2, CIRC3, Bench, serving
from tests.fakes import NOON

JOB = "score-prod-2025-12-09-PLANT1-CIRC1"
DAY = date(2025, 12, 9)


def request(stage: Stage = Stage.PROD) -> CircuitScoring:
    return CircuitScoring(stage, CIRC1, DAY, TrainingPolicy(), JOB)


def served(bench: Bench, stage: Stage = Stage.PROD, version: str = "2", share: int | None = None) -> None:
    """A version that serves, and the next one with a share of the windows."""
    record = serving(stage=stage, version=version)
    if share is not None:
        after = serving(stage=stage, version=str(int(version) + 1)).active
        record = replace(record, candidate=Candidate(**vars(after), share=share, windows=24))
    bench.records.save_deployment(record)
    for part in (record, record.candidate):
        if part:
            bench.ml.deployments[stage, record.endpoint, part.deployment] = DeploymentState(ready=True)


def submitted(bench: Bench, asked: CircuitScoring | None = None) -> list[JobRef]:
    asked = asked or request()
    parts = bench.run(share_scoring, asked)
    return [bench.run(submit_scoring, PartScoring(asked, part)) for part in parts]


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
    assert submitted(bench, request(stage)) == [JobRef(stage, JOB)]
    assert bench.ml.jobs[stage, JOB].inputs == {
        "model": model,
        "circuit_config": "c.yaml",
        "deployment": "circ1-v2",
        "sensor_data": "abfss://sensors@account.dfs.core.windows.net/readings",
        "forecasts": "abfss://predictions@account.dfs.core.windows.net/forecasts",
        "score_date": "2025-12-09",
        "model_version": "2",
        "windows": 1,
        "window_offset": 0.0,
        "window_share": 1.0,
    }


def test_a_repeat_does_not_invoke_again_though_another_deployment_serves_by_now(bench: Bench):
    served(bench)
    (part,) = bench.run(share_scoring, request())
    bench.run(submit_scoring, PartScoring(request(), part))
    served(bench, version="3")
    bench.run(submit_scoring, PartScoring(request(), part))
    assert bench.ml.jobs[Stage.PROD, JOB].inputs["deployment"] == "circ1-v2"


def test_a_circuit_that_is_not_served_cannot_be_scored(bench: Bench):
    with pytest.raises(NotFound, match="PLANT1/CIRC1 has no deployment in prod"):
        bench.run(share_scoring, request())


# --- shared with a candidate ------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1, 10, 25, 50, 99])
def test_every_window_is_scored_once(bench: Bench, share: int):
    served(bench, share=share)
    active, candidate = bench.run(share_scoring, request())
    windows = [*range(candidate.offset, candidate.offset + candidate.share)]
    windows += range(active.offset, active.offset + active.share)
    assert windows == list(range(100))
    assert (candidate.served.deployment, active.served.deployment) == ("circ1-v3", "circ1-v2")
    assert candidate.windows == active.windows == 24


def test_a_candidate_without_a_share_scores_nothing(bench: Bench):
    served(bench, share=0)
    (part,) = bench.run(share_scoring, request())
    assert (part.served.deployment, part.offset, part.share, part.windows) == ("circ1-v2", 0, 100, 1)


def test_each_part_is_a_job_of_its_own(bench: Bench):
    served(bench, share=25)
    assert [job.name for job in submitted(bench)] == [JOB, f"{JOB}--candidate"]
    active, candidate = (bench.ml.jobs[Stage.PROD, name].inputs for name in (JOB, f"{JOB}--candidate"))
    assert (active["deployment"], active["window_offset"], active["window_share"]) == ("circ1-v2", 0.25, 0.75)
    assert (candidate["deployment"], candidate["window_offset"], candidate["window_share"]) == (
        "circ1-v3",
        0.0,
        0.25,
    )


def test_what_serves_steps_in_for_a_candidate(bench: Bench):
    served(bench, share=25)
    active, candidate = bench.run(share_scoring, request())
    other = candidate.by_other()
    assert other
    assert (other.job, other.offset, other.share) == (f"{JOB}--candidate-instead", 0, 25)
    assert other.served == active.served
    assert active.by_other() is None


# --- on record --------------------------------------------------------------------------------------------

ACTIVE = ScoringPart(JOB, "be", serving().active)


def part_of(job: str, status: JobStatus, *, candidate: bool = False, error: str = "") -> ScoredPart:
    part = replace(ACTIVE, job=job)
    if candidate:
        part = replace(part, served=serving(version="3").active, share=25, instead=ACTIVE.served)
    return ScoredPart(part, JobState(job, status, error))


def scored(bench: Bench, *parts: ScoredPart) -> tuple[ScoringOutcome, list[ScoringRecord]]:
    return bench.run(record_scored, ScoringResult(request(), parts)), bench.records.scorings()


def left(bench: Bench, job: str, rows: int, **others: Any) -> None:
    summary = {"rows": rows, "windows": {"available": 24, "scored": 3}} | others
    bench.ml.write_file(Stage.PROD, f"jobs/{job}/summary.json", json.dumps(summary).encode())


def test_the_rows_that_were_written_go_on_record(bench: Bench):
    left(bench, JOB, 72)
    outcome, records = scored(bench, part_of(JOB, JobStatus.COMPLETED))
    assert outcome == ScoringOutcome(CIRC1, True, "72 rows")
    assert records == [ScoringRecord(CIRC1, Stage.PROD, "2025-12-09", JOB, "completed", 72, NOON)]


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_a_failure_goes_on_record_with_its_reason(bench: Bench, status: JobStatus):
    outcome, records = scored(bench, part_of(JOB, status, error="no readings for 2025-12-09"))
    assert outcome == ScoringOutcome(CIRC1, False, "no readings for 2025-12-09")
    expected = ScoringRecord(
        CIRC1, Stage.PROD, "2025-12-09", JOB, status, 0, NOON, "no readings for 2025-12-09"
    )
    assert records == [expected]


def test_a_failure_without_a_reason_names_the_job(bench: Bench):
    outcome, _ = scored(bench, part_of(JOB, JobStatus.CANCELED))
    assert outcome.sentence == f"job {JOB} canceled"


def test_a_job_without_its_summary_is_not_taken_for_scored(bench: Bench):
    with pytest.raises(NotFound):
        scored(bench, part_of(JOB, JobStatus.COMPLETED))
    assert bench.records.scorings() == []


def live(bench: Bench) -> tuple[LiveRun, ...]:
    record = bench.records.deployment(Stage.PROD, CIRC1)
    assert record
    assert record.candidate
    return record.candidate.live


def test_a_candidates_run_goes_on_its_record_once(bench: Bench):
    served(bench, share=25)
    left(bench, JOB, 48)
    left(bench, "c", 24, failed_rows=2, latency_ms={"p50": 1.0, "p95": 4.5})
    for _ in range(2):
        parts = (part_of(JOB, JobStatus.COMPLETED), part_of("c", JobStatus.COMPLETED, candidate=True))
        outcome, _ = scored(bench, *parts)
    assert outcome == ScoringOutcome(CIRC1, True, "72 rows")
    assert live(bench) == (LiveRun("c", 25, 3, 24, 2, 4.5),)


def test_a_candidate_that_failed_is_remembered_and_its_windows_are_not_missing(bench: Bench):
    served(bench, share=25)
    left(bench, JOB, 48)
    left(bench, "c-instead", 24)
    outcome, (record,) = scored(
        bench,
        part_of(JOB, JobStatus.COMPLETED),
        part_of("c", JobStatus.FAILED, candidate=True, error="boom"),
        part_of("c-instead", JobStatus.COMPLETED),
    )
    assert (outcome.sentence, record.status, record.rows) == ("72 rows", "completed", 72)
    assert live(bench) == (LiveRun("c", 25, 0, 0, 0, failed=True),)


def test_a_candidate_that_was_taken_out_meanwhile_leaves_no_run(bench: Bench):
    served(bench)
    left(bench, "c", 24)
    scored(bench, part_of("c", JobStatus.COMPLETED, candidate=True))
    record = bench.records.deployment(Stage.PROD, CIRC1)
    assert record
    assert record.candidate is None
