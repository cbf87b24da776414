"""Azure ML's events about jobs. Its documentation and its messages differ in the casing of keys and statuses."""

from collections.abc import Mapping
from typing import Any

from busbar.domain.circuits import CircuitKey
from busbar.domain.events import DriftAlert, JobChanged, JobStatus, job_status
from busbar.inbound import envelope, fields

STATUS_CHANGED = "microsoft.machinelearningservices.runstatuschanged"
COMPLETED = "microsoft.machinelearningservices.runcompleted"
ORCHESTRATION_TAG = "orchestration_id"
BREACHED = "azureml_modelmonitor_threshold_breached"


def read_breach(event: Mapping[str, Any]) -> DriftAlert | None:
    """A model monitor's breach, by the tags that Busbar gave the monitor; `None` for all other events.

    Today's monitors tell it as the end of a run of theirs; `DatasetDriftDetected` was of those before them, and names
    no circuit. Raises `BadRequest` naming the field.
    """
    if envelope.event_type(event).lower() != STATUS_CHANGED:
        return None
    data = fields.folded(envelope.event_data(event))
    tags = data.get("runtags")
    told = fields.folded(fields.mapping("data.runTags", tags)) if tags is not None else {}
    if BREACHED not in told or not ({"plant_id", "circuit_id"} <= told.keys()):
        return None
    plant, circuit = (fields.text(told, name, f"data.runTags.{name}") for name in ("plant_id", "circuit_id"))
    run = fields.text(data, "runid", "data.runId")
    return DriftAlert(CircuitKey.parse(f"{plant}/{circuit}"), f"Azure ML's monitor: {run} breached")


def read_event(event: Mapping[str, Any]) -> JobChanged | None:
    """The change of a job's status; `None` for events of other types. Raises `BadRequest` naming the field.

    `event` is one event in Event Grid's or CloudEvents' envelope.
    """
    kind = envelope.event_type(event).lower()
    if kind not in (STATUS_CHANGED, COMPLETED):
        return None
    data = fields.folded(envelope.event_data(event))
    return JobChanged(
        job=fields.text(data, "runid", "data.runId"),
        status=_status(kind, data),
        orchestration_id=_orchestration(data),
    )


def _status(kind: str, data: Mapping[str, Any]) -> JobStatus:
    if kind == COMPLETED and data.get("runstatus") is None:
        return JobStatus.COMPLETED
    return job_status(fields.text(data, "runstatus", "data.runStatus"))


def _orchestration(data: Mapping[str, Any]) -> str | None:
    """The tag that the app gave its job; a job of somebody else has none, or something else in its place."""
    tags = data.get("runtags")
    if tags is None:
        return None
    value = fields.folded(fields.mapping("data.runTags", tags)).get(ORCHESTRATION_TAG)
    return value if isinstance(value, str) and value else None
