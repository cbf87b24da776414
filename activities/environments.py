"""An environment-only release: what it concerns, the trial of every deployed model, what is kept of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from activities.assets import SCORING, register
from activities.clock import now
from activities.invoking import uncancelled
from activities.questions import open_question
from activities.records import stored_release
from activities.sources import COMPARISON, ENVIRONMENT, component_files, read_versioned
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.environments import Environments
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.approval import ApprovalRequest, EvidenceLink
from busbar.domain.audit import fingerprint
from busbar.domain.environments import (
    STAGES,
    Change,
    Comparison,
    Compatibility,
    Deployed,
    EnvironmentRelease,
    EnvironmentStatus,
    change,
    judge,
    plan_update,
)
from busbar.domain.errors import BadRequest, ConfigurationError, NotFound
from busbar.domain.events import ZERO_COMMIT, JobStatus
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.steps import (
    EnvironmentChange,
    EnvironmentLook,
    EnvironmentNote,
    EnvironmentPlan,
    EnvironmentUpdate,
    JobRef,
    Question,
    Release,
    StageQuestion,
    StageUpdate,
    Trial,
    TrialBatch,
    TriedBatch,
)
from busbar.domain.wording import counted, gist
from busbar.settings import Settings


def look_at_environment(request: EnvironmentLook, *, repository: Repository) -> EnvironmentChange:
    """What the push does to the environment's version; a first push, or one whose past is gone, leaves it."""
    before = request.run.before
    if before == ZERO_COMMIT:
        return EnvironmentChange(Change.SAME)
    try:
        old = read_versioned(component_files(repository, before), ENVIRONMENT).version
    except (ConfigurationError, NotFound, BadRequest):
        return EnvironmentChange(
            Change.SAME
        )  # nothing to compare with: the training hash decides all the same
    new = request.environment.version
    kind = change(old, new)
    said = f"environment {old} → {new}"
    sentences = {
        Change.SAME: "",
        Change.NON_BREAKING: f"{said}: what is trained stays as it is",
        Change.BREAKING: f"{said} is breaking: every circuit has to be trained again",
        Change.DOWNGRADE: f"{said} is a downgrade: what is deployed stays in its environment",
    }
    return EnvironmentChange(kind, sentences[kind])


def plan_environment_update(request: EnvironmentUpdate, *, records: Records) -> EnvironmentPlan:
    """What test and prod serve in an older environment, and the models to try: each once."""
    serving = _serving(records)
    update = plan_update(request.version, map(Deployed.of, serving))
    behind = {(one.stage, one.key) for one in update.deployed}
    trials = {
        (record.key, record.model_version): _trial(record, records)
        for record in serving
        if (record.stage, record.key) in behind
    }
    return EnvironmentPlan(update, tuple(trials[place] for place in sorted(trials)))


def submit_comparison(
    request: TrialBatch, *, ml: MachineLearning, repository: Repository, settings: Settings
) -> JobRef:
    """Start the job that scores the batch's models in both environments, unless it is there and not cancelled."""
    update, run = request.update, request.update.run
    name, there = uncancelled(Stage.DEV, names.comparison(run.id, request.number), ml)
    before, after = (
        register((COMPARISON,), run.commit, repository, ml, version)[0]
        for version in (request.before, update.version)
    )
    path = f"environments/{run.id}/models-{request.number}.json"
    if not there:  # what a job was started with stays as it was
        ml.write_file(Stage.DEV, path, _models(request))
    ml.submit_comparison(
        name,
        before=before,
        after=after,
        models=path,
        sensor_data=settings.sensor_table,
        compute=update.policies.training.compute,
        tags={"orchestration_id": request.orchestration_id, "environment": update.version},
    )
    return JobRef(Stage.DEV, name)


def read_comparison(request: TriedBatch, *, ml: MachineLearning) -> tuple[Compatibility, ...]:
    """The verdict on each model of a batch; a job that failed is the verdict on all of them."""
    batch, state = request.batch, request.state
    if state.status is not JobStatus.COMPLETED:
        problem = gist(state.error) or f"job {state.name} {state.status}"
        return tuple(_judged(_untried(one, batch, one.problem or problem), batch) for one in batch.trials)
    reports = tuple(_report(ml, state.name, part) for part in ("before", "after"))
    return tuple(_judged(_compared(one, batch, reports), batch) for one in batch.trials)


def compose_update(request: StageUpdate, *, records: Records, repository: Repository) -> Release | None:
    """The release set of a stage's deployed models in the new environment; None where nothing lags behind."""
    update, run = request.update, request.update.run
    scoring = read_versioned(component_files(repository, run.commit), SCORING[-1]).version
    behind = [record for record in _serving(records) if _lags(record, update.version, request.stage)]
    pins = tuple(
        replace(pin, moved_to=update.version, scoring_version=scoring, rescored_to="")
        for record in behind
        if (pin := _pin(record, records)) is not None
    )
    if not pins:
        return None
    release = ReleaseSet(run.id, run.commit, run.requester, pins, update.environment.name)
    records.save_release(release)
    keys = tuple(sorted(pin.key for pin in pins))
    return Release(release.id, run.commit, run.requester, keys, update.policies)


def update_question(
    request: StageQuestion, *, repository: Repository, records: Records, approvals: Approvals
) -> ApprovalRequest | None:
    """What to ask before a stage's deployments move to the new environment; the matrix is its evidence."""
    update, release = request.update, request.release
    shown = stored_release(release.id, records)
    question = Question(
        gate=GateName.ENVIRONMENT_UPDATE,
        identity=f"{release.id}-{request.stage}",
        subject=f"Move {request.stage} to environment {update.version}: {counted(len(shown.pins), 'circuit')}",
        summary=f"The same models, in another environment. {request.said}.",
        digest=shown.digest,
        requester=release.requester,
        commit=release.commit,
        policies=release.policies,
        evidence=(EvidenceLink("Compatibility matrix", f"/environments/{update.version}"),),
        release_id=release.id,
        circuits=len(shown.pins),
    )
    return open_question(question, repository=repository, approvals=approvals)


def note_environment(request: EnvironmentNote, *, environments: Environments, audit: Audit) -> None:
    """Put on record where the release of an environment stands; its end goes into the audit log.

    An attempt that was refused leaves the matrix of the one before.
    """
    update, run = request.update, request.update.run
    if request.status is not EnvironmentStatus.REFUSED:
        environments.save(
            EnvironmentRelease(
                name=update.environment.name,
                version=update.version,
                run=run.id,
                commit=run.commit,
                requester=run.requester,
                status=request.status,
                sentence=request.sentence,
                updated_at=now(),
                matrix=request.matrix,
            )
        )
    if request.status.ended:
        audit.append(
            id=f"environment-ended-{run.id}-{fingerprint(request.sentence)}",
            kind="environment-ended",
            subject=f"{update.environment.name}:{update.version}",
            actor=run.requester,
            sentence=f"environment {update.version} {request.status}: {request.sentence}",
            details={"commit": run.commit, "run": run.id},
        )


def _serving(records: Records) -> list[DeploymentRecord]:
    return [record for stage in STAGES for record in records.deployments(stage)]


def _lags(record: DeploymentRecord, version: str, stage: Stage) -> bool:
    environment = Deployed.of(record).environment
    return record.stage is stage and change(environment, version) is Change.NON_BREAKING


def _pin(record: DeploymentRecord, records: Records) -> Pin | None:
    """What made the model that serves, as its release set says."""
    release = records.release(record.release_id) if record.release_id else None
    found = (pin for pin in release.pins if pin.key == record.key) if release else ()
    return next((pin for pin in found if pin.model_version == record.model_version), None)


def _trial(record: DeploymentRecord, records: Records) -> Trial:
    before, pin = Deployed.of(record).environment, _pin(record, records)
    if pin is None:
        problem = f"no release set on record says what made it (release {record.release_id or 'unknown'})"
        return Trial(record.key, record.model_version, before, problem=problem)
    return Trial(record.key, record.model_version, before, pin.job, pin.circuit_config)


def _models(batch: TrialBatch) -> bytes:
    """What the component compare_environments is given."""
    document = {
        "schema_version": 1,
        "day": now()[:10],
        "windows": batch.update.policies.environments.windows,
        "models": [
            {
                "plant_id": one.key.plant_id,
                "circuit_id": one.key.circuit_id,
                "model_version": one.model_version,
                "job": one.job,
                "circuit_config": one.circuit_config,
            }
            for one in batch.trials
            if not one.problem
        ],
    }
    return json.dumps(document).encode()


def _report(ml: MachineLearning, job: str, part: str) -> Mapping[str, Any]:
    return json.loads(ml.read_file(Stage.DEV, f"jobs/{job}/{part}.json"))


def _untried(one: Trial, batch: TrialBatch, problem: str) -> Comparison:
    return Comparison(one.key, one.model_version, batch.before, batch.update.version, problem)


def _compared(one: Trial, batch: TrialBatch, reports: tuple[Mapping[str, Any], ...]) -> Comparison:
    if one.problem:
        return _untried(one, batch, one.problem)
    return Comparison.read(one.key, one.model_version, batch.before, batch.update.version, reports)


def _judged(comparison: Comparison, batch: TrialBatch) -> Compatibility:
    return judge(comparison, batch.update.policies.environments)
