"""Every name Busbar gives to something in Azure. A job's name and an instance's id are the idempotency key."""

import hashlib
import re
from collections.abc import Iterable
from datetime import date, datetime

from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.policies import GateName, Stage

TRAINING_COMPONENT = "training_pipeline"
SCORING_COMPONENT = "scoring_pipeline"
ONLINE_COMPONENT = "online_score"
CATCH_UP_COMPONENT = "score_circuits"
MERGE_COMPONENT = "etl_merge"

_CIRCUIT = r"[A-Za-z][A-Za-z0-9]{0,15}-[A-Za-z][A-Za-z0-9]{0,15}"
_OWN_JOB = re.compile(
    rf"train-{_CIRCUIT}-[0-9a-f]{{12}}-a\d+"
    r"|merge-[0-9a-f]{12}-a\d+"
    r"|evidence-r-[0-9a-f]{12}"
    rf"|score-(dev|test|prod)-\d{{4}}-\d\d-\d\d(-\d{{6}})?-{_CIRCUIT}(--candidate)?"
    r"|catch-up-(dev|test|prod)-\d{4}-\d\d-\d\d(-\d+)+"
    r"|monitor-(dev|test|prod)-\d{4}-\d\d-\d\d(-\d+)+"
    r"|environment-\d+(-\d+)*-[0-9a-f]{12}(-\d+)?-trial-\d+"
    r"|(purge-)?retention-\d{4}-\d\d-\d\d(T\d{4})?-forecasts"
    r"|[A-Za-z0-9-]+--bake\d+-a\d+-(candidate|champion)"
)
_LONGEST_NAME = 32  # of an endpoint


def build(version: str, environment_version: str) -> str:
    """`1.0.0-env1.1.0`: a component's version as registered. The same code on another environment is another build."""
    return f"{version}-env{environment_version}"


def version_of(build: str) -> str:
    """The component's own version, as its author wrote it."""
    return build.partition("-env")[0]


def environment_of(build: str) -> str:
    """The version of the environment that a build runs in; empty for what is no build."""
    return build.partition("-env")[2]


def data_asset(key: CircuitKey) -> str:
    """`PLANT1_CIRC1`: the circuit's MLTable; its version is the cutoff date."""
    return f"{key.plant_id}_{key.circuit_id}"


def mltable_folder(asset: str, version: str, delta_version: int) -> str:
    """Where the MLTable file of a data asset lies in the dev workspace's datastore."""
    return f"{data_folder(asset, version)}/delta-{delta_version}"


def data_folder(asset: str, version: str) -> str:
    """Where all of a data asset's version lies in the dev workspace's datastore."""
    return f"mltable/{asset}/{version}"


def job_folders(job: str) -> tuple[str, ...]:
    """Where a job's files lie in its workspace's datastore: what it put out, and what a merge is told."""
    return (f"jobs/{job}", f"merges/{job}")


def data_version(cutoff: date, revision: int = 1) -> str:
    """`2025-12-09`, and `2025-12-09.2` where another Delta version was pinned for the same cutoff date."""
    return cutoff.isoformat() if revision == 1 else f"{cutoff.isoformat()}.{revision}"


def model(key: CircuitKey) -> str:
    return f"{key.plant_id}_{key.circuit_id}_model"


def training_job(key: CircuitKey, training_hash: str, attempt: int) -> str:
    """`train-PLANT1-CIRC1-<hash12>-a1`: Azure ML never reuses a job's name, so an attempt is a new one."""
    return f"train-{key.plant_id}-{key.circuit_id}-{training_hash}-a{attempt}"


def scoring_circuit(run: str, key: CircuitKey) -> str:
    """The orchestration that scores one circuit, and the job it waits for: an invoked job carries no tags of
    ours, so its name alone must say who is to be woken."""
    return f"{run}-{key.plant_id}-{key.circuit_id}"


def invoked_job(run: str, part: str) -> str:
    """A job that an orchestration waits for beside others: `<its id>--<part>`. Ids have no double dash."""
    return f"{run}--{part}"


def job_again(job: str, attempt: int) -> str:
    """A job that was cancelled and is wanted again is another job: `<job>--again2`."""
    return job if attempt == 1 else f"{job}--again{attempt}"


def waiting_for(job: str) -> str | None:
    """The orchestration that an invoked job is named after; None for a job that says in a tag whom it wakes."""
    run, dash, _ = job.partition("--")
    return run if dash or run.startswith("score-") else None


def merge_job(digest: str, attempt: int) -> str:
    """A merge of raw files: one job for one state of the raw container."""
    return f"merge-{digest}-a{attempt}"


def own_job(name: str) -> bool:
    """Whether Busbar named a job so: a workspace may hold other people's, which are not ours to purge."""
    return _OWN_JOB.fullmatch(name) is not None


def retention_run(moment: datetime, *, weekly: bool = False) -> str:
    """`retention-2026-11-21`, the week's; one by hand has the minute in it: the same within a minute is the same."""
    return f"retention-{moment:%Y-%m-%d}" if weekly else f"retention-{moment:%Y-%m-%dT%H%M}"


def purge_run(report: str) -> str:
    """The purge of what a report of retention showed: the same report is applied once."""
    return f"purge-{report}"


def prediction_purge(run: str) -> str:
    """The job that deletes old forecasts for a purge."""
    return f"{run}-forecasts"


def refresh_run(stage: Stage, due: datetime) -> str:
    """A stage's schedule, at the time it was due: the same period is the same run."""
    return f"refresh-{stage}-{due:%Y-%m-%dT%H%M}"


def training_run(commit: str) -> str:
    """The training pipeline's instance id: the same commit is the same run."""
    return f"train-{commit}"


def training_circuit(run: str, key: CircuitKey) -> str:
    return f"{run}-{key.plant_id}-{key.circuit_id}"


def environment_run(version: str, commit: str, suffix: str = "") -> str:
    """The release of a commit's environment; one that is asked for by hand has the time in its suffix.

    Jobs are named after it, and their names have no dots.
    """
    return f"environment-{version.replace('.', '-')}-{commit[:12]}{suffix and '-' + suffix}"


def comparison(run: str, number: int) -> str:
    """The job that scores a batch of models in two environments, and the orchestration that waits for it."""
    return f"{run}-trial-{number}"


def evidence(release: str) -> str:
    """The orchestration and the job that make a release set's notebook."""
    return f"evidence-{release}"


def deployment_run(stage: Stage, release: str) -> str:
    return f"deploy-{stage}-{release}"


def asked_again(request: str, attempt: int) -> str:
    """A question whose answer was voided is another question: `approve-…-2`."""
    return request if attempt == 1 else f"{request}-{attempt}"


def clean_up(run: str, began: str) -> str:
    """What is cleaned up after a run that was cancelled; `began` (ISO 8601) tells its attempts apart."""
    return f"cancel-{run}-{datetime.fromisoformat(began):%d%H%M%S}"


def rollback(stage: Stage, fingerprint: str, attempt: int, *, drill: bool = False) -> str:
    """The same wish on the same state is the same rollback; one that ended without success is tried again."""
    return f"{'drill' if drill else 'rollback'}-{stage}-{fingerprint}-a{attempt}"


def composition(origin: str, moment: datetime) -> str:
    """What composed a release set, where no training run did: the same within a minute is the same."""
    return f"{origin}-{moment:%Y%m%dT%H%M}"


def promotion_run(release: str) -> str:
    return f"promote-{release}"


def release_run(release: str) -> str:
    """A release set's journey: by training, by hand or from test, it goes once."""
    return f"release-{release}"


def approval_request(gate: GateName, identity: str, digest: str) -> str:
    """A question at a gate, bound to what it is about: another content is another question."""
    return f"{approval_requests(gate, identity)}{digest[:8]}"


def approval_requests(gate: GateName, identity: str) -> str:
    """How the names of all questions about one thing at one gate begin."""
    return f"approve-{gate}-{identity}-"


def scoring_run(stage: Stage, day: date, suffix: str = "") -> str:
    return f"score-{stage}-{day.isoformat()}{suffix and '-' + suffix}"


def scoring_days(stage: Stage, day: date, suffix: str = "") -> str:
    """The daily run: scores what was missed up to a day, and looks at it."""
    return f"daily-{stage}-{day.isoformat()}{suffix and '-' + suffix}"


def catch_up(stage: Stage, day: date, suffix: str = "") -> str:
    """The scoring of the days that were missed before a day."""
    return f"catch-up-{stage}-{day.isoformat()}{suffix and '-' + suffix}"


def catch_up_job(run: str, number: int) -> str:
    """The orchestration and the job, in dev, that score missed days of one batch of circuits."""
    return f"{run}-{number}"


def catches_up(job: str) -> bool:
    """Whether a scoring job is one for many circuits."""
    return job.startswith("catch-up-")


def monitoring_run(stage: Stage, day: date, suffix: str = "") -> str:
    return f"monitor-{stage}-{day.isoformat()}{suffix and '-' + suffix}"


def alerted_look(stage: Stage, day: date, key: CircuitKey) -> str:
    """The look at a circuit that an alert asks for: once a day, however often the alert comes."""
    return monitoring_run(stage, day, f"alert-{key.plant_id}-{key.circuit_id}")


def monitoring_job(run: str, number: int) -> str:
    """The orchestration and the job that look at one chunk of a stage's circuits."""
    return f"{run}-{number}"


def drift_incident(stage: Stage, day: str, run: str, circuits: Iterable[CircuitKey]) -> str:
    """The same circuits in the same monitoring run are the same incident, and the same response to it."""
    digest = hashlib.sha256(",".join((run, *map(str, circuits))).encode()).hexdigest()[:8]
    return f"drift-{stage}-{day}-{digest}"


def drift_response(incident: str) -> str:
    return f"respond-{incident}"


def endpoint_for(serving: Serving, key: CircuitKey, stage: Stage, workspace_id: str) -> str:
    """The endpoint by which a circuit is served."""
    named = online_endpoint if serving is Serving.ONLINE else endpoint
    return named(key, stage, workspace_id)


def endpoint(key: CircuitKey, stage: Stage, workspace_id: str) -> str:
    """One batch endpoint a plant: `be-plant1-test-3f9c`. Names are unique in a region, hence the suffix (4 hex
    of the workspace's id); 3 to 32 letters, digits and dashes."""
    suffix = hashlib.sha256(workspace_id.lower().encode()).hexdigest()[:4]
    return f"be-{key.plant_id.lower()}-{stage}-{suffix}"


def online_endpoint(key: CircuitKey, stage: Stage, workspace_id: str) -> str:
    """One online endpoint a circuit: `oe-plant1-circ1-test-3f9c`; where that has more than 32 characters, the circuit
    is cut short and the suffix stands for all of it."""
    circuit = f"{key.plant_id}-{key.circuit_id}".lower()
    suffix = hashlib.sha256(workspace_id.lower().encode()).hexdigest()[:4]
    if len(name := f"oe-{circuit}-{stage}-{suffix}") <= _LONGEST_NAME:
        return name
    suffix = hashlib.sha256(f"{circuit}/{workspace_id.lower()}".encode()).hexdigest()[:8]
    room = _LONGEST_NAME - len(f"oe--{stage}-{suffix}")
    return f"oe-{circuit[:room].rstrip('-')}-{stage}-{suffix}"


def is_online(endpoint: str) -> bool:
    """Whether an endpoint is an online one: its name says it."""
    return endpoint.startswith("oe-")


def deployment(
    key: CircuitKey,
    model_version: str,
    serving: Serving = Serving.BATCH,
    environment_version: str = "",
    scoring_version: str = "",
) -> str:
    """One deployment a circuit and model version: `circ1-v3` within its plant's batch endpoint, `online-v3` within its
    own online one. A model that is served both ways has two names: what served before is told from what serves.

    In another environment than the model was trained in it is `circ1-v3-e1-2-0`, by another scoring component than it
    was first released with `circ1-v3-s1-4-0`; where that has more than 32 characters, 4 hex digits of its hash stand
    for the versions.
    """
    model = f"{'online' if serving is Serving.ONLINE else key.circuit_id.lower()}-v{model_version}"
    versions = [f"e{environment_version}"] if environment_version else []
    versions += [f"s{scoring_version}"] if scoring_version else []
    name = "-".join([model, *versions]).replace(".", "-")
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{model}-{versions[0][0]}{hashlib.sha256('-'.join(versions).encode()).hexdigest()[:4]}"
