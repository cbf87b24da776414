"""Merges of raw files into the sensor table: submitted as a job, put on record by its report."""

import hashlib
import json
from itertools import count

from activities.assets import MERGE
from activities.clock import now
from activities.jobs import purged
from activities.sources import ENVIRONMENT, component_files, read_versioned
from busbar.clients.blobs import Blobs
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.machine_learning.jobs import job_output
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.circuits import Fleet
from busbar.domain.errors import ConfigurationError
from busbar.domain.events import JobStatus
from busbar.domain.merges import MergeRecord, read_report
from busbar.domain.policies import Stage
from busbar.domain.steps import JobRef, MergeResult, MergeRun
from busbar.fleet.render import raw_mapping_file
from busbar.fleet.repository import fleet_at
from busbar.settings import Settings

RAW, REPORT = "raw", "report.json"


def submit_merge(
    request: MergeRun, *, ml: MachineLearning, blobs: Blobs, repository: Repository, settings: Settings
) -> JobRef | None:
    """Merge the raw files as they are now: one job for one state of the container; None without files.

    A full merge is a job of its run's own. The job is told which Delta versions data assets pin: it deletes none
    of them.
    """
    files = blobs.names(RAW)
    if not files:
        return None
    fleet = fleet_at(repository, request.commit)
    mapping = raw_mapping_file(fleet)
    found = component_files(repository, request.commit)
    component, environment = (read_versioned(found, path) for path in (MERGE, ENVIRONMENT))
    asked = (sorted(files), mapping, component.version, *([request.id] if request.full else []))
    state = hashlib.sha256(repr(asked).encode()).hexdigest()[:12]
    name, known = _first_unfailed(state, ml)
    if known:
        return JobRef(Stage.DEV, name)  # another merge's, and it carries that one's tags
    path = f"merges/{name}/mapping.yaml"
    ml.write_file(Stage.DEV, path, mapping)
    ml.submit_merge(
        name,
        component=f"{names.MERGE_COMPONENT}:{names.build(component.version, environment.version)}",
        mapping=path,
        raw=settings.raw_location,
        readings=settings.sensor_table,
        literals={
            "full": str(request.full).lower(),
            "pinned_versions": _pinned(fleet, ml),
            "history_days": fleet.policies.readings.history_days,
        },
        compute=fleet.policies.training.compute,
        tags={"orchestration_id": request.id, "commit": request.commit},
    )
    return JobRef(Stage.DEV, name)


def record_merge(request: MergeResult, *, ml: MachineLearning, records: Records) -> MergeRecord:
    """Put on record what the job's report says, or why there is none."""
    run, state = request.run, request.state
    record = MergeRecord(state.name, run.id, run.commit, state.started_at or now(), _error(request))
    if state.status is JobStatus.COMPLETED:
        report = json.loads(ml.read_file(Stage.DEV, job_output(state.name, REPORT)))
        try:
            record = read_report(state.name, run.id, run.commit, report)
        except KeyError as error:
            raise ConfigurationError(
                f"report.json of {state.name} has no {error}: bring ml_components/data/etl_merge up to date"
            ) from error
    records.save_merge(record)
    return record


def _error(result: MergeResult) -> str:
    return result.state.error or f"job {result.state.name} {result.state.status}"


def _pinned(fleet: Fleet, ml: MachineLearning) -> str:
    """`3,12`: the versions that data assets or circuits.yaml name; `none`."""
    configured = {circuit.delta_version for circuit in fleet.circuits if circuit.delta_version is not None}
    return ",".join(map(str, sorted(configured | ml.pinned_versions()))) or "none"


def _first_unfailed(state: str, ml: MachineLearning) -> tuple[str, bool]:
    """The first attempt that has neither failed nor been purged, and whether it is there already."""
    for attempt in count(1):
        name = names.merge_job(state, attempt)
        job = ml.job(Stage.DEV, name)
        if job is None:
            return name, False
        if job.status in (JobStatus.FAILED, JobStatus.CANCELED) or purged(job, job_output(name, REPORT), ml):
            continue
        return name, True
    raise AssertionError("count() does not end")
