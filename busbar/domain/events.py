"""Facts that reach Busbar, whoever sent them."""

from dataclasses import dataclass
from enum import StrEnum

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage

ZERO_COMMIT = "0" * 40


class EventType(StrEnum):
    """Types of the events that Busbar publishes to its own topic."""

    REPOSITORY_PUSHED = "Busbar.RepositoryPushed"
    DRIFT_DETECTED = "Busbar.DriftDetected"


@dataclass(frozen=True)
class RepositoryPushed:
    """A branch moved. `before` is zeros for a new branch, `after` is zeros for a deleted one."""

    repository: str
    branch: str
    before: str
    after: str
    requester: str
    forced: bool = False

    @property
    def deleted(self) -> bool:
        return self.after == ZERO_COMMIT


@dataclass(frozen=True)
class DriftDetected:
    """Circuits of a stage drift, and people are to be asked: what about stands in the incident."""

    incident: str
    stage: Stage
    sentence: str


@dataclass(frozen=True)
class DriftAlert:
    """Somebody else's monitor says that a circuit in production drifts."""

    key: CircuitKey
    sentence: str


class JobStatus(StrEnum):
    """Where an Azure ML job stands, folded to what matters here."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def finished(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)


@dataclass(frozen=True)
class JobChanged:
    """An Azure ML job changed its status. `orchestration_id` is the tag that Busbar gave it, if it is ours."""

    job: str
    status: JobStatus
    orchestration_id: str | None


_STATUSES = {
    "notstarted": JobStatus.QUEUED,
    "starting": JobStatus.QUEUED,
    "provisioning": JobStatus.QUEUED,
    "preparing": JobStatus.QUEUED,
    "queued": JobStatus.QUEUED,
    "running": JobStatus.RUNNING,
    "finalizing": JobStatus.RUNNING,
    "cancelrequested": JobStatus.RUNNING,
    "notresponding": JobStatus.RUNNING,
    "paused": JobStatus.QUEUED,
    "completed": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELED,
    "cancelled": JobStatus.CANCELED,
}


def job_status(text: str) -> JobStatus:
    """Fold Azure ML's status (any casing) to ours; a status it may grow later counts as running."""
    return _STATUSES.get(text.replace("_", "").lower(), JobStatus.RUNNING)
