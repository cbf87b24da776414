"""Azure ML jobs: submit, look, cancel. A job's name is its idempotency key."""

from itertools import count

from activities.clock import now
from activities.sources import circuit_at
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord
from busbar.domain.steps import CircuitTraining, JobRef, JobState, TrainingRequest
from busbar.domain.training import Verdict
from busbar.fleet.render import circuit_config


def circuit_config_path(training: CircuitTraining) -> str:
    """Where the circuit's configuration lies in a workspace's datastore; the hash names its content."""
    name = names.data_asset(training.key)
    return f"circuit_configs/{name}/{training.decision.training_hash}.yaml"


def submit_training(
    request: TrainingRequest,
    *,
    ml: MachineLearning,
    records: Records,
    repository: Repository,
) -> JobRef:
    """Submit the attempt of this run, unless it is there already; another run's attempts keep their numbers."""
    training = request.training
    name, taken_up = _free_or_own(training, _attempt(request), ml)
    circuit = circuit_at(repository, training.run.commit, training.key)
    config = circuit_config_path(training)
    ml.write_file(Stage.DEV, config, circuit_config(circuit))
    _record_training(request, name, records)
    if taken_up:
        return JobRef(Stage.DEV, name)
    ml.submit_training(
        name,
        component=training.assets.training_component,
        circuit_config=config,
        training_data=f"{training.data.asset_name}:{training.data.asset_version}",
        champion=_champion(training.key, records),
        compute=training.policies.training.compute,
        tags=_tags(request),
        display_name=f"train {training.key} attempt {request.attempt}",
    )
    return JobRef(Stage.DEV, name)


def look_at_job(request: JobRef, *, ml: MachineLearning) -> JobState:
    """Where the job stands; a job that is not there counts as failed: somebody deleted it."""
    state = ml.job(request.place, request.name)
    return state or JobState(request.name, JobStatus.FAILED, f"{request.name} is not in the workspace")


def purged(job: JobState, output: str, ml: MachineLearning) -> bool:
    """Whether a job is only on record: it completed, and retention took its files since."""
    return job.status is JobStatus.COMPLETED and not ml.has_file(Stage.DEV, output)


def cancel_job(request: JobRef, *, ml: MachineLearning) -> None:
    """Ask Azure ML to cancel; a job that has ended stays as it is."""
    ml.cancel(request.place, request.name)


def _attempt(request: TrainingRequest) -> str:
    """The attempt as jobs are tagged with it: those of a run that was started again are numbered anew."""
    run = request.training.run
    return str(request.attempt) if run.attempt == 1 else f"{run.attempt}.{request.attempt}"


def _free_or_own(training: CircuitTraining, attempt: str, ml: MachineLearning) -> tuple[str, bool]:
    """The name of this run's attempt: the one tagged so, else the first that no run has taken; whether it is there.

    A run that was started again takes up what its earlier attempts left running or done.
    """
    for number in count(1):
        name = names.training_job(training.key, training.decision.training_hash, number)
        job = ml.job(Stage.DEV, name)
        if job is None:
            return name, False
        if job.tags.get("run") != training.run.id:
            continue
        if purged(job, f"jobs/{name}/metrics.json", ml):
            continue
        left = training.run.attempt > 1 and job.status not in (JobStatus.FAILED, JobStatus.CANCELED)
        if left or job.tags.get("attempt") == attempt:
            return name, True
    raise AssertionError("count() does not end")


def _tags(request: TrainingRequest) -> dict[str, str]:
    training = request.training
    return {
        "orchestration_id": request.orchestration_id,
        "run": training.run.id,
        "attempt": _attempt(request),
        "build_id": training.run.commit,
        "plant_id": training.key.plant_id,
        "circuit_id": training.key.circuit_id,
        "cutoff_date": training.data.cutoff_date,
        "training_hash": training.decision.training_hash,
        "data_asset_name": training.data.asset_name,
        "data_asset_version": training.data.asset_version,
        "component_version": training.assets.component_version,
        "environment": training.assets.environment,
    }


def _champion(key: CircuitKey, records: Records) -> str | None:
    """The model that serves the circuit in dev, to be measured on the same held-out windows."""
    serving = records.deployment(Stage.DEV, key)
    return f"{serving.model_name}:{serving.model_version}" if serving else None


def _record_training(request: TrainingRequest, job: str, records: Records) -> None:
    """The first attempt takes the circuit over; a later one leaves it to a newer run that did so meanwhile."""
    training = request.training
    previous = records.circuit(training.key)
    if request.attempt > 1 and previous is not None and previous.run != training.run.id:
        return
    records.save_circuit(
        CircuitRecord(
            key=training.key,
            training_hash=training.decision.training_hash,
            verdict=Verdict.TRAINING,
            reason=training.decision.reason,
            run=training.run.id,
            commit=training.run.commit,
            cutoff_date=training.data.cutoff_date,
            updated_at=now(),
            job=job,
            model_version=previous.model_version if previous else None,
            registry_version=previous.registry_version if previous else None,
        )
    )
