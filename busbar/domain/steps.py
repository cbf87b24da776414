"""What orchestrators and activities hand each other. Everything is small: big things are read again where needed."""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from busbar.domain.circuits import CircuitKey
from busbar.domain.events import ZERO_COMMIT, JobStatus
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.policies import GateName, Policies, Stage, TrainingPolicy
from busbar.domain.records import RunStatus
from busbar.domain.release import Pin
from busbar.domain.training import Assets, Decision, PinnedData, Verdict


@dataclass(frozen=True)
class TrainingRun:
    """A commit to train. `named` circuits train whatever their hash; `id` is the run's instance id."""

    id: str
    commit: str
    branch: str
    requester: str
    before: str = ZERO_COMMIT
    named: tuple[CircuitKey, ...] = ()


@dataclass(frozen=True)
class FleetRead:
    """What the commit says; with `problems` nothing may start."""

    policies: Policies
    circuits: tuple[CircuitKey, ...] = ()
    problems: str = ""


@dataclass(frozen=True)
class EnvironmentRegistration:
    """Stage 1: the environment's name and version, whether this run registered it, and what is wrong with it."""

    name: str
    version: str
    newly_registered: bool = False
    problem: str = ""


@dataclass(frozen=True)
class ComponentsRegistration:
    """Stage 3: the versions to train with, or what is wrong."""

    assets: Assets | None = None
    problem: str = ""


@dataclass(frozen=True)
class ComponentsRequest:
    run: TrainingRun
    environment: EnvironmentRegistration


@dataclass(frozen=True)
class DataRequest:
    run: TrainingRun
    circuits: tuple[CircuitKey, ...]


@dataclass(frozen=True)
class DataPinned:
    """Stage 4: the data assets, and why some circuits have none."""

    pinned: tuple[PinnedData, ...] = ()
    problems: tuple[tuple[CircuitKey, str], ...] = ()


@dataclass(frozen=True)
class PlanRequest:
    run: TrainingRun
    assets: Assets
    data: DataPinned


@dataclass(frozen=True)
class TrainingPlan:
    """Stage 5: the decision per circuit, and the sentence of the whole."""

    decisions: tuple[Decision, ...]
    sentence: str

    @property
    def training(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.train)


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
class DeploymentState:
    """Where a deployment stands with Azure ML."""

    ready: bool
    failed: bool = False
    error: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])


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
class CircuitOutcome:
    """How one circuit's training ended; a passed one carries its pin."""

    key: CircuitKey
    verdict: Verdict
    sentence: str
    pin: Pin | None = None


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
class CircuitBatch:
    """A chunk of circuits, at most `at_once` in training."""

    circuits: tuple[CircuitTraining, ...]
    at_once: int


@dataclass(frozen=True)
class ReleaseRequest:
    run: TrainingRun
    assets: Assets
    outcomes: tuple[CircuitOutcome, ...]


@dataclass(frozen=True)
class Release:
    """A stored release set by reference; `excluded` circuits were left out by an approver."""

    id: str
    commit: str
    requester: str
    circuits: tuple[CircuitKey, ...]
    policies: Policies
    excluded: tuple[CircuitKey, ...] = ()

    @property
    def kept(self) -> tuple[CircuitKey, ...]:
        return tuple(key for key in self.circuits if key not in self.excluded)

    def less(self, keys: tuple[CircuitKey, ...]) -> "Release":
        """The same release with more circuits left out."""
        return replace(self, excluded=tuple(sorted({*self.excluded, *keys})))


@dataclass(frozen=True)
class ReleaseQuestion:
    """Ask whether a release may pass a gate."""

    release: Release
    gate: GateName


@dataclass(frozen=True)
class EnvironmentPromotion:
    """Stage 2: an environment to share to the registry, once approved."""

    run: TrainingRun
    environment: EnvironmentRegistration
    policies: Policies


@dataclass(frozen=True)
class ModelPromotion:
    """One pin of a release to share to the registry and to wait for."""

    release: Release
    key: CircuitKey
    policies: Policies


@dataclass(frozen=True)
class Promotion:
    """How a promotion or deployment ended."""

    done: bool
    sentence: str
    release: Release | None = None


@dataclass(frozen=True)
class CircuitDeployment:
    """Deploy one pin of a release to a stage; `release_id` is empty for the automatic deployment to dev."""

    stage: Stage
    pin: Pin
    policies: Policies
    release_id: str | None = None


@dataclass(frozen=True)
class StageDeployment:
    """Deploy a release to a stage."""

    stage: Stage
    release: Release


@dataclass(frozen=True)
class DeploymentPlan:
    """Which pins go, and why others stay back."""

    pins: tuple[Pin, ...]
    held: tuple[tuple[CircuitKey, str], ...] = ()


@dataclass(frozen=True)
class ScoringRun:
    """Score every deployed circuit of a stage for a day."""

    stage: Stage
    day: date
    policy: TrainingPolicy


@dataclass(frozen=True)
class CircuitScoring:
    stage: Stage
    key: CircuitKey
    day: date
    policy: TrainingPolicy
    orchestration_id: str = ""


@dataclass(frozen=True)
class ScoringResult:
    """A scoring job that ended."""

    scoring: CircuitScoring
    state: JobState


@dataclass(frozen=True)
class ScoringOutcome:
    key: CircuitKey
    done: bool
    sentence: str


@dataclass(frozen=True)
class MergeRun:
    """Merge the raw files into the sensor table with the component and the sources of a commit."""

    id: str
    commit: str
    requester: str = "timer"

    @property
    def training_run(self) -> TrainingRun:
        """The commit's components and environment are registered as for a training run."""
        return TrainingRun(self.id, self.commit, "", self.requester)


type CommitState = Literal["pending", "success", "failure", "error"]


@dataclass(frozen=True)
class CommitNote:
    """A commit status: `state` is pending, success, failure or error; `text` may be long."""

    commit: str
    state: CommitState
    text: str
    run: str
    context: str = "busbar/training"


@dataclass(frozen=True)
class RunNote:
    """A training run's line on the board."""

    run: TrainingRun
    status: RunStatus
    sentence: str
    release_id: str | None = None
