"""One circuit in training: its jobs, its gates, its model."""

from dataclasses import dataclass, field

from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.policies import Policies, Stage, TrainingPolicy
from busbar.domain.release import Pin
from busbar.domain.steps.runs import TrainingRun
from busbar.domain.training import Assets, Decision, PinnedData, Verdict


@dataclass(frozen=True)
class CircuitTraining:
    """One circuit to train within a run."""

    run: TrainingRun
    decision: Decision
    data: PinnedData
    assets: Assets
    policies: Policies

    @property
    def key(self) -> CircuitKey:
        return self.decision.key


@dataclass(frozen=True)
class CircuitBatch:
    """A chunk of circuits, at most `at_once` in training."""

    circuits: tuple[CircuitTraining, ...]
    at_once: int


@dataclass(frozen=True)
class TrainingRequest:
    """Submit the run's attempt number `attempt` (from 1) for one circuit; `orchestration_id` is to be woken."""

    training: CircuitTraining
    attempt: int
    orchestration_id: str


@dataclass(frozen=True)
class JobRef:
    """A job, by the place (stage) that runs it and its name."""

    place: Stage
    name: str


@dataclass(frozen=True)
class JobWait:
    """A job to wait for, and how long: hours from its start, hours in the queue."""

    job: JobRef
    policy: TrainingPolicy
    owner_key: CircuitKey | None = None


@dataclass(frozen=True)
class JobState:
    """Where a job stands. `started_at` is ISO 8601 UTC, None while it waits in the queue."""

    name: str
    status: JobStatus
    error: str = ""
    started_at: str | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class LongRunning:
    """A job that runs longer than it should, for its owner's mail."""

    job: JobRef
    commit: str
    key: CircuitKey
    hours: float


@dataclass(frozen=True)
class EvaluationRequest:
    training: CircuitTraining
    job: JobRef


@dataclass(frozen=True)
class Evaluation:
    """Stage 7's gates: measured values, each gate's result, and the sentence."""

    metrics: Metrics
    results: tuple[GateResult, ...]
    passed: bool
    sentence: str


@dataclass(frozen=True)
class ModelRequest:
    training: CircuitTraining
    job: JobRef
    evaluation: Evaluation


@dataclass(frozen=True)
class Settlement:
    """A circuit's verdict to put on record."""

    training: CircuitTraining
    verdict: Verdict
    reason: str
    job: str | None = None
    evaluation: Evaluation | None = None
    model_version: str | None = None


@dataclass(frozen=True)
class CircuitOutcome:
    """How one circuit's training ended; a passed one carries its pin."""

    key: CircuitKey
    verdict: Verdict
    sentence: str
    pin: Pin | None = None
