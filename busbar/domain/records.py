"""What Busbar remembers between orchestrations: the rows behind the board."""

from dataclasses import dataclass
from enum import StrEnum

from busbar.domain.circuits import CircuitKey
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.policies import Stage
from busbar.domain.training import Verdict


@dataclass(frozen=True)
class CircuitRecord:
    """A circuit's latest training: the verdict, its reason, and where its model is. Times are ISO 8601, UTC."""

    key: CircuitKey
    training_hash: str
    verdict: Verdict
    reason: str
    run: str
    commit: str
    cutoff_date: str
    updated_at: str
    job: str | None = None
    model_version: str | None = None
    registry_version: str | None = None
    metrics: Metrics | None = None
    gates: tuple[GateResult, ...] = ()


@dataclass(frozen=True)
class DeploymentRecord:
    """The deployment that serves a circuit in a stage, with what an invocation must name."""

    key: CircuitKey
    stage: Stage
    endpoint: str
    deployment: str
    model_name: str
    model_version: str
    cutoff_date: str
    circuit_config: str
    since: str
    release_id: str | None = None
    previous_deployment: str | None = None


@dataclass(frozen=True)
class ScoringRecord:
    """A circuit's latest scoring run in a stage."""

    key: CircuitKey
    stage: Stage
    day: str
    job: str
    status: str
    rows: int
    updated_at: str
    reason: str = ""


@dataclass(frozen=True)
class Offer:
    """A release set that is ready for a stage, less the circuits that an earlier gate's approvers left out."""

    release_id: str
    excluded: tuple[CircuitKey, ...] = ()


class RunStatus(StrEnum):
    """Where a training run stands; `rejected` also when nobody decided in time."""

    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (RunStatus.COMPLETED, RunStatus.REJECTED, RunStatus.FAILED)


@dataclass(frozen=True)
class RunRecord:
    """A training pipeline run, for the board: its plan in a sentence, and what became of it."""

    id: str
    commit: str
    branch: str
    requester: str
    status: RunStatus
    sentence: str
    updated_at: str
    release_id: str | None = None
