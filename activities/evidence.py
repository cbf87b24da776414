"""The evidence notebook of a release set: made by a job in dev, kept beside the release set."""

import json

from activities.assets import register
from activities.invoking import uncancelled
from activities.records import stored_release
from activities.sources import EVIDENCE
from busbar.clients.evidence import Evidence
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.events import JobStatus
from busbar.domain.evidence import EvidenceNote, EvidenceStatus, release_document
from busbar.domain.policies import Stage
from busbar.domain.steps import EvidenceRequest, EvidenceResult, JobRef
from busbar.domain.wording import gist


def submit_evidence(
    request: EvidenceRequest,
    *,
    ml: MachineLearning,
    records: Records,
    repository: Repository,
    evidence: Evidence,
) -> JobRef | None:
    """Start the job that makes the notebook, unless it is there; from now on the page says that it is being made.

    None where the page is ready: a journey that is taken up again, perhaps long after, has it already. Where the job
    was cancelled, which a retried run finds, it is another.
    """
    release = request.release
    name, there = uncancelled(Stage.DEV, names.evidence(release.id), ml)
    note = evidence.note(release.id)
    if note is not None and note.status is EvidenceStatus.READY:
        return None
    component = register((EVIDENCE,), release.commit, repository, ml)[0]
    document = release_document(stored_release(release.id, records), release.policies, records.deployments())
    path = f"evidence/{release.id}/release.json"
    if not there:  # what a job was started with stays as it was
        ml.write_file(Stage.DEV, path, json.dumps(document, allow_nan=False).encode())
    ml.submit_evidence(
        name,
        component=component,
        release=path,
        compute=release.policies.training.compute,
        tags={"orchestration_id": request.orchestration_id, "release_id": release.id},
    )
    evidence.save_note(EvidenceNote(release.id, EvidenceStatus.PENDING, f"job {name} is making the notebook"))
    return JobRef(Stage.DEV, name)


def store_evidence(request: EvidenceResult, *, ml: MachineLearning, evidence: Evidence) -> None:
    """Keep the page beside the release set, or the reason why there is none."""
    release, state = request.release_id, request.state
    if state.status is not JobStatus.COMPLETED:
        reason = gist(state.error) or f"job {state.name} {state.status}"
        evidence.save_note(EvidenceNote(release, EvidenceStatus.MISSING, reason))
        return
    evidence.save_page(release, ml.read_file(Stage.DEV, f"jobs/{state.name}/evidence.html"))
    evidence.save_note(EvidenceNote(release, EvidenceStatus.READY, f"made by job {state.name}"))


def note_evidence(request: EvidenceNote, *, evidence: Evidence) -> None:
    """Put on record where the notebook stands."""
    evidence.save_note(request)
