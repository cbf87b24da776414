"""Azure ML jobs: their names are the idempotency keys."""

from dataclasses import replace

import pytest

from activities.jobs import cancel_job, look_at_job, submit_training
from busbar.domain.events import JobStatus
from busbar.domain.policies import Policies, Stage, TrainingPolicy
from busbar.domain.records import CircuitRecord
from busbar.domain.steps import JobRef, JobState, TrainingRequest, TrainingRun
from busbar.domain.training import Verdict
from tests.activities.bench import CIRC1, COMMIT, HASH, NEXT, RUN, Bench, serving, training
from tests.fakes import NOON

JOB = f"train-PLANT1-CIRC1-{HASH}"
OTHER = replace(RUN, id="train-by-hand")


def request(attempt: int = 1, run: TrainingRun = RUN) -> TrainingRequest:
    return TrainingRequest(training(run=run), attempt, f"{run.id}-PLANT1-CIRC1")


def submit(bench: Bench, attempt: int = 1, run: TrainingRun = RUN) -> str:
    return bench.run(submit_training, request(attempt, run)).name


def test_attempts_have_names_of_their_own_and_keep_them(bench: Bench):
    assert [submit(bench, attempt) for attempt in (1, 2, 1, 2)] == [f"{JOB}-a{n}" for n in (1, 2, 1, 2)]
    assert len(bench.ml.jobs) == 2


def test_another_run_takes_the_next_free_number(bench: Bench):
    assert [submit(bench), submit(bench, 2)] == [f"{JOB}-a1", f"{JOB}-a2"]
    assert [submit(bench, 1, OTHER), submit(bench, 2, OTHER)] == [f"{JOB}-a3", f"{JOB}-a4"]
    assert submit(bench, 1, OTHER) == f"{JOB}-a3"
    assert submit(bench) == f"{JOB}-a1"


def test_a_job_says_whom_to_wake_and_everything_that_made_it(bench: Bench):
    name = submit(bench)
    job = bench.ml.jobs[Stage.DEV, name]
    assert job.state.tags == {
        "orchestration_id": f"{RUN.id}-PLANT1-CIRC1",
        "run": RUN.id,
        "attempt": "1",
        "build_id": COMMIT,
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "cutoff_date": "2025-12-09",
        "training_hash": HASH,
        "data_asset_name": "PLANT1_CIRC1",
        "data_asset_version": "2025-12-09",
        "component_version": "1.0.0",
        "environment": "sensor-forecasting-env:1.1.0",
    }
    assert job.inputs == {
        "component": "training_pipeline:1.0.0-env1.1.0",
        "circuit_config": f"circuit_configs/PLANT1_CIRC1/{HASH}.yaml",
        "training_data": "PLANT1_CIRC1:2025-12-09",
        "champion": None,
        "compute": "training-cluster",
    }
    config = bench.ml.files[Stage.DEV, f"circuit_configs/PLANT1_CIRC1/{HASH}.yaml"].decode()
    assert "circuit_id: CIRC1" in config
    assert "look_back: 96" in config


def test_the_model_that_serves_dev_is_the_champion(bench: Bench):
    bench.records.save_deployment(serving(version="4"))
    bench.records.save_deployment(serving(stage=Stage.PROD, version="2"))
    assert bench.ml.jobs[Stage.DEV, submit(bench)].inputs["champion"] == "PLANT1_CIRC1_model:4"


def test_the_compute_is_the_policys(bench: Bench):
    task = training(policies=Policies(training=TrainingPolicy(compute="gpu")))
    bench.run(submit_training, replace(request(), training=task))
    assert bench.ml.jobs[Stage.DEV, f"{JOB}-a1"].inputs["compute"] == "gpu"


def test_the_circuit_is_on_record_as_training_and_keeps_its_versions(bench: Bench):
    before = CircuitRecord(
        CIRC1, "old", Verdict.TRAINED, "", "old-run", NEXT, "2025-12-01", "t", "j", "7", "6"
    )
    bench.records.save_circuit(before)
    name = submit(bench)
    assert bench.records.circuit(CIRC1) == CircuitRecord(
        CIRC1,
        HASH,
        Verdict.TRAINING,
        "train PLANT1/CIRC1: new circuit",
        RUN.id,
        COMMIT,
        "2025-12-09",
        NOON,
        name,
        "7",
        "6",
    )


def test_a_later_attempt_does_not_take_a_circuit_back_from_a_newer_run(bench: Bench):
    submit(bench)
    newer = submit(bench, 1, OTHER)
    submit(bench, 2)
    record = bench.records.circuit(CIRC1)
    assert record
    assert (record.run, record.job) == (OTHER.id, newer)


# --- looks ------------------------------------------------------------------------------------------------


def test_a_job_that_somebody_deleted_counts_as_failed(bench: Bench):
    gone = JobState("gone", JobStatus.FAILED, "gone is not in the workspace")
    assert bench.run(look_at_job, JobRef(Stage.DEV, "gone")) == gone


def test_a_job_that_has_ended_stays_as_it_is_when_cancelled(bench: Bench):
    for name, status in (("done", JobStatus.COMPLETED), ("running", JobStatus.RUNNING)):
        bench.job(name, status)
        bench.run(cancel_job, JobRef(Stage.DEV, name))
    assert bench.run(look_at_job, JobRef(Stage.DEV, "done")).status is JobStatus.COMPLETED
    assert bench.run(look_at_job, JobRef(Stage.DEV, "running")).status is JobStatus.CANCELED
    bench.run(cancel_job, JobRef(Stage.DEV, "unknown"))


# --- a run that was started again -------------------------------------------------------------------------

AGAIN = replace(RUN, attempt=2)


def test_a_run_that_is_started_again_takes_up_what_it_left(bench: Bench):
    submit(bench)
    bench.ml.ended(Stage.DEV, f"{JOB}-a1")
    bench.ml.write_file(Stage.DEV, f"jobs/{JOB}-a1/metrics.json", b"{}")
    assert submit(bench, run=AGAIN) == f"{JOB}-a1"
    assert len(bench.ml.jobs) == 1


def test_a_job_whose_files_retention_took_is_done_anew(bench: Bench):
    submit(bench)
    bench.ml.ended(Stage.DEV, f"{JOB}-a1")
    bench.ml.delete_files(Stage.DEV, f"jobs/{JOB}-a1")
    assert submit(bench, run=AGAIN) == f"{JOB}-a2"


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_what_failed_or_was_cancelled_is_tried_again_under_the_next_number(bench: Bench, status: JobStatus):
    submit(bench)
    bench.ml.ended(Stage.DEV, f"{JOB}-a1", status)
    assert [submit(bench, attempt, AGAIN) for attempt in (1, 1)] == [f"{JOB}-a2"] * 2
    bench.ml.ended(Stage.DEV, f"{JOB}-a2", status)
    assert submit(bench, 2, AGAIN) == f"{JOB}-a3"
    assert bench.ml.jobs[Stage.DEV, f"{JOB}-a3"].state.tags["attempt"] == "2.2"
