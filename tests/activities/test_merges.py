"""Merges: one job for one state of the raw files; the record tells what its report says."""

import json
from typing import Any

import pytest

from activities.assets import pin_data
from activities.merges import record_merge, submit_merge
from busbar.domain.errors import ConfigurationError
from busbar.domain.events import JobStatus
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import Stage
from busbar.domain.steps import DataRequest, JobState, MergeResult, MergeRun
from tests.activities.bench import CIRC1, CIRC2, COMMIT, RUN, Bench
from tests.components import shipped_build
from tests.domain.test_merges import REPORT
from tests.fakes import NOON


def merge(bench: Bench, run: str = "merge-1", commit: str = COMMIT, full: bool = False) -> str | None:
    job = bench.run(submit_merge, MergeRun(run, commit, full=full))
    return job and job.name


@pytest.fixture
def raw(bench: Bench) -> Bench:
    bench.blobs.write("raw", "PLANT1/a.csv", b"time,feed_flow\n")
    return bench


def test_without_raw_files_there_is_nothing_to_merge(bench: Bench):
    assert merge(bench) is None
    assert bench.ml.jobs == {}


def test_a_merge_knows_where_everything_is(raw: Bench):
    name = merge(raw)
    assert name
    job = raw.ml.jobs[Stage.DEV, name]
    assert job.inputs == {
        "component": f"etl_merge:{shipped_build('data/etl_merge')}",
        "mapping": f"merges/{name}/mapping.yaml",
        "raw": "abfss://raw@account.dfs.core.windows.net",
        "readings": "abfss://sensors@account.dfs.core.windows.net/readings",
        "full": "false",
        "pinned_versions": "none",
        "history_days": 30,
        "compute": "training-cluster",
    }
    assert job.state.tags == {"orchestration_id": "merge-1", "commit": COMMIT}
    assert b"plant_id: PLANT1" in raw.ml.files[Stage.DEV, f"merges/{name}/mapping.yaml"]


@pytest.mark.parametrize("status", [JobStatus.RUNNING, JobStatus.COMPLETED])
def test_one_state_of_the_files_is_one_job_whoever_asks(raw: Bench, status: JobStatus):
    first = merge(raw)
    assert first
    raw.ml.ended(Stage.DEV, first, status)
    raw.ml.write_file(Stage.DEV, f"jobs/{first}/report.json", b"{}")
    assert merge(raw, "merge-2") == first
    assert len(raw.ml.jobs) == 1


def test_a_merge_whose_report_retention_took_is_done_anew(raw: Bench):
    first = merge(raw)
    assert first
    raw.ml.ended(Stage.DEV, first)
    assert merge(raw, "merge-2") == first.replace("-a1", "-a2")


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_a_failed_merge_gets_the_next_number(raw: Bench, status: JobStatus):
    first = merge(raw)
    assert first
    raw.ml.ended(Stage.DEV, first, status)
    assert merge(raw, "merge-2") == first.removesuffix("-a1") + "-a2"


def test_another_state_is_another_job(raw: Bench):
    names = [merge(raw)]
    raw.blobs.write("raw", "PLANT1/a.csv", b"time,feed_flow\n2025-12-09,1\n")
    names.append(merge(raw))
    raw.blobs.write("raw", "PLANT2/b.csv", b"time\n")
    names.append(merge(raw))
    names.append(
        merge(raw, commit=raw.edit("config/sources.yaml", "timezone: UTC", "timezone: Europe/Berlin").commit)
    )
    assert len(set(names)) == 4


def test_a_full_merge_is_a_job_of_its_own_run(raw: Bench):
    names = [merge(raw), merge(raw, "merge-2", full=True), merge(raw, "merge-3", full=True)]
    assert len(set(names)) == 3
    assert merge(raw, "merge-2", full=True) == names[1]
    job = raw.ml.jobs[Stage.DEV, str(names[1])]
    assert job.inputs["full"] == "true"


def test_a_merge_is_told_what_data_assets_and_circuits_pin(raw: Bench):
    raw.merged(12)
    raw.run(pin_data, DataRequest(RUN, (CIRC1, CIRC2)))
    raw.merged(14)
    old = "    cutoff_date: 2025-12-09\n\n  - plant_id: PLANT1\n    circuit_id: CIRC3"
    run = raw.edit("config/circuits.yaml", old, old.replace("\n\n", "\n    delta_version: 3\n\n", 1))
    name = merge(raw, commit=run.commit)
    assert raw.ml.jobs[Stage.DEV, str(name)].inputs["pinned_versions"] == "3,12"


# --- records ----------------------------------------------------------------------------------------------


def ended(bench: Bench, status: JobStatus, report: Any = None, **state: Any) -> MergeRecord:
    name = merge(bench)
    assert name
    if report is not None:
        bench.ml.write_file(Stage.DEV, f"jobs/{name}/report.json", json.dumps(report).encode())
    run = MergeRun("merge-1", COMMIT)
    record = bench.run(record_merge, MergeResult(run, JobState(name, status, **state)))
    assert bench.records.merges() == [record]
    return record


def test_a_completed_merge_is_recorded_with_its_report(raw: Bench):
    record = ended(raw, JobStatus.COMPLETED, REPORT)
    assert (record.status, record.version, record.run) == ("completed", 13, "merge-1")
    assert record.at == REPORT["merged_at"]


def test_a_failed_merge_is_recorded_with_its_error(raw: Bench):
    record = ended(raw, JobStatus.FAILED, error="no space left", started_at="2025-12-09T09:00:00+00:00")
    assert (record.status, record.error, record.at) == (
        "failed",
        "no space left",
        "2025-12-09T09:00:00+00:00",
    )


def test_a_canceled_merge_says_so(raw: Bench):
    record = ended(raw, JobStatus.CANCELED)
    assert record.sentence == f"failed: job {record.id} canceled"
    assert record.at == NOON


def test_a_report_of_another_shape_is_an_error_that_says_what_to_do(raw: Bench):
    with pytest.raises(ConfigurationError, match="bring ml_components/data/etl_merge up to date"):
        ended(raw, JobStatus.COMPLETED, {"rows_read": 3})
