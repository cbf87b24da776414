"""A cancelled run's traces: its line and its circuits, its jobs, its candidates, its open questions."""

from dataclasses import replace

from activities.clock import now
from activities.traffic import follow
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.records import Candidate, DeploymentRecord, RunStatus
from busbar.domain.release_record import ReleaseStatus
from busbar.domain.steps import Cancellation, JobRef
from busbar.domain.training import Verdict


def settle_cancelled(request: Cancellation, *, records: Records, releases: Releases, audit: Audit) -> None:
    """Put it on record: on the run's line, on each circuit that it was training, on its release set."""
    run = records.run(request.id)
    if run is not None and not run.status.ended:
        sentence = f"{request.sentence}; before that: {run.sentence}"
        records.save_run(
            replace(run, status=RunStatus.CANCELLED, sentence=sentence, paused="", updated_at=now())
        )
    for key in _training(request, records):
        records.update_circuit(key, verdict=Verdict.CANCELLED, reason=request.sentence, updated_at=now())
    for journey in request.halted_by("release_journey"):
        _end_release(journey.id, request, releases)
    audit.append(
        id=f"cancelled-{request.id}-{request.at}",
        kind="run-cancelled",
        subject=request.id,
        actor=request.actor,
        sentence=f"{request.id} was {request.sentence}",
        details={"halted": [one.id for one in request.halted]},
    )


def stop_jobs(request: Cancellation, *, ml: MachineLearning, records: Records) -> None:
    """Cancel the jobs that it submitted and that have not ended."""
    jobs = {job for one in request.halted for job in one.jobs} | _announced(request, records)
    for job in sorted(jobs, key=lambda job: (job.place, job.name)):
        ml.cancel(job.place, job.name)


def drop_candidates(request: Cancellation, *, ml: MachineLearning, records: Records) -> None:
    """Take out the candidates of deployments that it was ramping up; what serves goes on serving."""
    for record in records.deployments():
        candidate = record.candidate
        if candidate is None or not _deploys(request, record, candidate.release_id):
            continue
        idle = replace(candidate, share=0, mirrored=0)
        follow(_change(record, idle, records), ml)  # nothing is sent there any more
        ml.delete_deployment(record.stage, record.endpoint_of(candidate), candidate.deployment)
        _change(record, None, records)  # only now: a retry must find its name


def close_questions(request: Cancellation, *, approvals: Approvals) -> None:
    """Nobody need decide any more what the cancelled run asked; asked again it is another question."""
    for asked in request.halted_by("approval"):
        if approvals.dossier(asked.id) is not None:
            approvals.void(asked.id, request.sentence)


def _training(request: Cancellation, records: Records) -> list[CircuitKey]:
    """The circuits that its training has not brought to a verdict."""
    runs = {request.id, *(one.id for one in request.halted)}
    return [
        record.key
        for record in records.circuits()
        if record.verdict is Verdict.TRAINING
        and (record.run in runs or names.training_circuit(record.run, record.key) in runs)
    ]


def _end_release(journey: str, request: Cancellation, releases: Releases) -> None:
    found = [record for record in releases.open() if names.release_run(record.id) == journey]
    for record in found:
        releases.update(
            record.id, lambda one: one.ended(ReleaseStatus.CANCELLED, request.sentence, request.at)
        )


def _announced(request: Cancellation, records: Records) -> set[JobRef]:
    """Jobs whose names are known before they are submitted: a history may not tell of them yet."""
    runs = {one.id for one in request.halted}
    trained = {
        JobRef(Stage.DEV, record.job)
        for record in records.circuits()
        if record.job and names.training_circuit(record.run, record.key) in runs
    }
    scored = {
        JobRef(stage, one.id)
        for one in request.halted_by("score_circuit")
        for stage in Stage
        if one.id.startswith(f"score-{stage}-")
    }
    caught_up = {JobRef(Stage.DEV, one.id) for one in request.halted_by("score_circuits")}
    return trained | scored | caught_up


def _deploys(request: Cancellation, record: DeploymentRecord, release: str | None) -> bool:
    run = names.deployment_run(record.stage, release or "")
    return any(one.id == run or one.id.startswith(f"{run}-") for one in request.halted)


def _change(seen: DeploymentRecord, candidate: Candidate | None, records: Records) -> DeploymentRecord | None:
    """Put another candidate in the place of the one that was seen; a later one is not ours to touch."""

    def changed(record: DeploymentRecord | None) -> DeploymentRecord:
        now = record or seen
        same = now.candidate and seen.candidate and now.candidate.deployment == seen.candidate.deployment
        return replace(now, candidate=candidate) if same else now

    return records.change_deployment(seen.stage, seen.key, changed)
