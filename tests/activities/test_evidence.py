"""The evidence notebook: what its job is given, and what is kept of it."""

import json

import pytest

from activities.evidence import store_evidence, submit_evidence
from busbar.domain.errors import ConfigurationError
from busbar.domain.events import JobStatus
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.domain.policies import Stage
from busbar.domain.steps import EvidenceRequest, EvidenceResult, JobRef, JobState, Release
from tests.activities.bench import CIRC1, Bench, pin
from tests.components import shipped_build

COMPONENT = "ml_components/evidence/evidence_notebook/component.yaml"


def submitted(bench: Bench) -> Release:
    release = bench.release(pin())
    job = bench.run(submit_evidence, EvidenceRequest(release, "the-orchestration"))
    assert job == JobRef(Stage.DEV, f"evidence-{release.id}")
    return release


def test_the_job_is_given_the_release_set(bench: Bench):
    release = submitted(bench)
    job = bench.ml.jobs[Stage.DEV, f"evidence-{release.id}"]
    path = f"evidence/{release.id}/release.json"
    assert job.inputs == {
        "component": f"evidence_notebook:{shipped_build('evidence/evidence_notebook')}",
        "release": path,
        "compute": "training-cluster",
    }
    assert job.state.tags == {"orchestration_id": "the-orchestration", "release_id": release.id}
    document = json.loads(bench.ml.files[Stage.DEV, path])
    assert (document["release_id"], len(document["circuits"])) == (release.id, 1)
    assert (document["circuits"][0]["plant_id"], document["circuits"][0]["circuit_id"]) == (
        CIRC1.plant_id,
        CIRC1.circuit_id,
    )
    assert evidence(bench, release).status is EvidenceStatus.PENDING


def test_a_fleet_without_the_component_is_told_which_file_is_missing(bench: Bench):
    run = bench.commit({COMPONENT: None})
    release = bench.release(pin())
    request = EvidenceRequest(Release(release.id, run.commit, "x", release.circuits, release.policies), "o")
    with pytest.raises(ConfigurationError, match=f"{COMPONENT} is missing at this commit"):
        bench.run(submit_evidence, request)
    assert bench.ml.jobs == {}


def test_a_finished_notebook_is_kept(bench: Bench):
    release = submitted(bench)
    job = f"evidence-{release.id}"
    bench.ml.write_file(Stage.DEV, f"jobs/{job}/evidence.html", b"<html>")
    bench.run(store_evidence, EvidenceResult(release.id, JobState(job, JobStatus.COMPLETED)))
    assert bench.evidence.page(release.id) == b"<html>"
    assert evidence(bench, release) == EvidenceNote(release.id, EvidenceStatus.READY, f"made by job {job}")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (JobState("evidence-r", JobStatus.FAILED, "out of memory"), "out of memory"),
        (JobState("evidence-r", JobStatus.CANCELED), "job evidence-r canceled"),
    ],
)
def test_a_failed_one_leaves_its_reason(bench: Bench, state: JobState, told: str):
    release = submitted(bench)
    bench.run(store_evidence, EvidenceResult(release.id, state))
    assert evidence(bench, release) == EvidenceNote(release.id, EvidenceStatus.MISSING, told)


def evidence(bench: Bench, release: Release) -> EvidenceNote:
    note = bench.evidence.note(release.id)
    assert note is not None
    return note


def test_a_notebook_that_is_ready_is_not_made_again(bench: Bench):
    """Its job's files may be gone by then."""
    release = submitted(bench)
    note = EvidenceNote(release.id, EvidenceStatus.READY, "made by job evidence-1")
    bench.evidence.save_note(note)
    assert bench.run(submit_evidence, EvidenceRequest(release, "the-orchestration")) is None
    assert evidence(bench, release) == note
