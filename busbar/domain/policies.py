"""What the fleet allows, asks for and waits for: read once when a run starts, it travels in the run's input."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum


class Stage(StrEnum):
    """A deployment stage."""

    DEV = "dev"
    TEST = "test"
    PROD = "prod"


class GateName(StrEnum):
    """The approvals a run may need."""

    REGISTRY_PROMOTION = "registry-promotion"
    TEST_DEPLOYMENT = "test-deployment"
    PROD_DEPLOYMENT = "prod-deployment"


class BranchAction(StrEnum):
    """What a push to a branch starts."""

    TRAIN = "train"
    DEPLOY_TEST = "test"
    DEPLOY_PROD = "prod"


@dataclass(frozen=True)
class Thresholds:
    """Absolute limits; `None` means: not asked for. Errors in the sensors' units, the rest in [0, 1]."""

    max_mae: float | None = None
    max_rmse: float | None = None
    min_accuracy: float | None = None
    min_precision: float | None = None
    min_recall: float | None = None

    def overlaid(self, own: "Thresholds") -> "Thresholds":
        """These limits, with a circuit's own in their place where it has some: sensors differ in scale."""
        set_by_circuit = {
            item.name: value for item in fields(own) if (value := getattr(own, item.name)) is not None
        }
        return replace(self, **set_by_circuit)


NO_LIMITS = Thresholds()


@dataclass(frozen=True)
class Backoff:
    """Waits of `initial` seconds, doubled up to `maximum`."""

    initial: float
    maximum: float

    def delay(self, attempt: int) -> float:
        """Seconds to wait before look `attempt` (counted from 0)."""
        return min(self.initial * 2 ** min(attempt, 32), self.maximum)


@dataclass(frozen=True)
class TrainingPolicy:
    """How training runs. Hours count from a job's start; time in the queue has its own limit."""

    compute: str = "training-cluster"
    max_parallel: int = 5
    max_attempts: int = 3
    max_hours: float = 3.0
    max_queue_hours: float = 24.0
    long_running_hours: float = 4.0
    poll: Backoff = Backoff(30, 300)


@dataclass(frozen=True)
class PropagationPolicy:
    """How long to wait for a promoted asset to appear in the registry, in seconds."""

    poll: Backoff = Backoff(2, 30)
    max_seconds: float = 120.0


@dataclass(frozen=True)
class ApprovalPolicy:
    """Who decides a gate: members of `groups`, `quorum` of them distinct, the requester never counting."""

    groups: tuple[str, ...]
    quorum: int = 1
    expires_hours: float = 72.0


@dataclass(frozen=True)
class ScaleFreePolicy:
    """Gates that hold whatever the sensors' units: skill over seasonal-naive, and not worse than the champion."""

    min_skill_seasonal_naive: float = 0.0
    champion_margin: float = 0.05


@dataclass(frozen=True)
class StagePolicy:
    """One deployment stage: its thresholds, its compute, and whether it asks."""

    thresholds: Thresholds = Thresholds()
    compute: str = "scoring-cluster"
    approval: GateName | None = None


@dataclass(frozen=True)
class Policies:
    """All policies of a fleet."""

    branches: Mapping[str, BranchAction] = field(default_factory=dict[str, BranchAction])
    training: TrainingPolicy = TrainingPolicy()
    propagation: PropagationPolicy = PropagationPolicy()
    gates: ScaleFreePolicy = ScaleFreePolicy()
    approvals: Mapping[GateName, ApprovalPolicy] = field(default_factory=dict[GateName, ApprovalPolicy])
    stages: Mapping[Stage, StagePolicy] = field(default_factory=dict[Stage, StagePolicy])
    train_pull_requests: bool = False

    def stage(self, stage: Stage) -> StagePolicy:
        """A stage's policy; one that is not configured has no thresholds and the default compute."""
        return self.stages.get(stage, StagePolicy())
