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
    ENVIRONMENT_UPDATE = "environment-update"
    DRIFT_RETRAIN = "drift-retrain"


STAGE_GATES = {Stage.TEST: GateName.TEST_DEPLOYMENT, Stage.PROD: GateName.PROD_DEPLOYMENT}
"""The approval that a deployment to a stage needs; dev has none."""


def gate_stage(gate: GateName) -> Stage | None:
    """The deployment stage behind a gate; the gates of registry, environments and drift have none."""
    return next((stage for stage, own in STAGE_GATES.items() if own is gate), None)


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
    """How long to wait for a promoted asset to appear in the registry, in seconds; `max_parallel` wait at a time."""

    poll: Backoff = Backoff(2, 30)
    max_seconds: float = 120.0
    max_parallel: int = 25


@dataclass(frozen=True)
class ApprovalPolicy:
    """Who decides a gate: members of `groups`, `quorum` of them distinct, the requester never counting.

    Who has not voted is reminded every `reminder_hours`; after `escalate_hours` members of `escalate_to` may vote,
    too. Neither moves the expiry.
    """

    groups: tuple[str, ...]
    quorum: int = 1
    expires_hours: float = 72.0
    reminder_hours: float = 24.0
    escalate_hours: float | None = None
    escalate_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScaleFreePolicy:
    """Gates that hold whatever the sensors' units: skill over seasonal-naive, and not worse than the champion."""

    min_skill_seasonal_naive: float = 0.0
    champion_margin: float = 0.05


class Bake(StrEnum):
    """How a ramp step is watched: recent windows scored again at once, or the scoring of the days to come."""

    REPLAY = "replay"
    LIVE = "live"


@dataclass(frozen=True)
class Demands:
    """What a stage demands of every model: absolute limits, which a circuit's own may replace, and scale-free ones."""

    thresholds: Thresholds
    scale_free: ScaleFreePolicy


@dataclass(frozen=True)
class RampPolicy:
    """How a candidate takes over: its share after each step in percent, rising to 100, and the bake in between.

    A replay scores `windows` recent windows with candidate and champion; a live step lasts `bake_hours` and is held
    up to `hold_hours` while it has fewer than `windows`. `mirror_percent` of an online endpoint's requests are
    copied to the candidate before the first step.
    """

    steps: tuple[int, ...] = (100,)
    bake: Bake = Bake.REPLAY
    windows: int = 24
    bake_hours: float = 24.0
    hold_hours: float = 72.0
    mirror_percent: int = 0


@dataclass(frozen=True)
class OnlinePolicy:
    """What each online deployment of a stage stands on: so many machines of a size, day and night."""

    instance_type: str = "Standard_F2s_v2"
    instance_count: int = 1


@dataclass(frozen=True)
class RollbackPolicy:
    """When a candidate goes back by itself; percentages of rows, milliseconds a window, margin over the champion.

    More than `fleet_percent` of a release's circuits rolled back takes back all of it.
    """

    enabled: bool = True
    error_percent: float = 5.0
    latency_ms: float = 2000.0
    champion_margin: float = 0.05
    fleet_percent: float = 30.0


@dataclass(frozen=True)
class WavePolicy:
    """A release goes out in waves of `size` circuits; at most `max_unavailable` of them change at a time."""

    size: int = 25
    max_unavailable: int = 5


@dataclass(frozen=True)
class EnvironmentPolicy:
    """When a model counts as the same in another environment: its last `windows` windows forecast alike.

    `tolerance` is the largest difference in standard deviations of a sensor, over at least `min_windows` windows.
    """

    tolerance: float = 1e-4
    windows: int = 24
    min_windows: int = 1


@dataclass(frozen=True)
class RetentionPolicy:
    """For how many days a stage keeps what nothing refers to any more."""

    models_days: int = 365
    logs_days: int = 90
    datasets_days: int = 730
    predictions_days: int = 180


@dataclass(frozen=True)
class PurgePolicy:
    """Whether the weekly look at retention purges what it finds; else it only reports it."""

    apply: bool = False


@dataclass(frozen=True)
class ReadingsPolicy:
    """The Delta table of readings: for how many days a version stays readable that no data asset pins."""

    history_days: int = 30


@dataclass(frozen=True)
class RefreshPolicy:
    """Readings more than `max_age_days` newer than a circuit's cutoff date move it; `None`: they do not."""

    max_age_days: int | None = None


class Every(StrEnum):
    DAY = "day"
    WEEK = "week"


class Weekday(StrEnum):
    """In the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@dataclass(frozen=True)
class SchedulePolicy:
    """When the cutoff dates of a stage's circuits move to the newest readings: every day, or `on` a day of the week.

    `at` is HH:MM, UTC. `lookback_days`, where set, becomes the circuits' `training_days`.
    """

    every: Every
    at: str = "02:00"
    on: Weekday | None = None
    lookback_days: int | None = None


@dataclass(frozen=True)
class MonitoringPolicy:
    """Which stages are scored and looked at daily, and what is asked for when circuits drift.

    Of days missed in an outage the newest `catch_up_days` are made up for. A job looks at `circuits_per_job` circuits.
    No retrain of a circuit is asked for within `cooldown_days` of the last answer, nor more than `retrains_a_day` and
    `retrains_a_week` circuits in the fleet. From `plant_wide` circuits on a plant that drifts is asked about once.
    """

    stages: tuple[Stage, ...] = (Stage.PROD,)
    catch_up_days: int = 7
    circuits_per_job: int = 25
    cooldown_days: int = 14
    retrains_a_day: int = 10
    retrains_a_week: int = 30
    plant_wide: int = 3


@dataclass(frozen=True)
class AlertPolicy:
    """Limits beyond which a deployed circuit is an alert: shares in [0, 1], milliseconds, percentages.

    `model_drift`: by how much rolling errors may exceed those of training; beyond it the verdict is model drift.
    `data_drift`: how far (KS distance) readings may lie from those trained on; beyond it, where the shift is real and
    lasts, the verdict is data drift.
    """

    model_drift: float = 0.10
    data_drift: float = 0.15
    latency_ms: float = 500.0
    error_percent: float = 2.0
    availability_percent: float = 99.5


@dataclass(frozen=True)
class QuotaPolicy:
    """What Azure ML allows in one region: endpoints and deployments of all workspaces, deployments an endpoint."""

    deployments_per_endpoint: int = 20
    endpoints: int = 100
    deployments: int = 500


@dataclass(frozen=True)
class StagePolicy:
    """One deployment stage: what it demands, where it runs, how a release goes out and what is kept."""

    thresholds: Thresholds = Thresholds()
    compute: str = "scoring-cluster"
    ramp: RampPolicy = RampPolicy()
    rollback: RollbackPolicy = RollbackPolicy()
    waves: WavePolicy = WavePolicy()
    retention: RetentionPolicy = RetentionPolicy()
    alerts: AlertPolicy | None = None
    online: OnlinePolicy = OnlinePolicy()


@dataclass(frozen=True)
class Policies:
    """All policies of a fleet."""

    branches: Mapping[str, BranchAction] = field(default_factory=dict[str, BranchAction])
    training: TrainingPolicy = TrainingPolicy()
    propagation: PropagationPolicy = PropagationPolicy()
    gates: ScaleFreePolicy = ScaleFreePolicy()
    environments: EnvironmentPolicy = EnvironmentPolicy()
    approvals: Mapping[GateName, ApprovalPolicy] = field(default_factory=dict[GateName, ApprovalPolicy])
    stages: Mapping[Stage, StagePolicy] = field(default_factory=dict[Stage, StagePolicy])
    quotas: QuotaPolicy = QuotaPolicy()
    train_pull_requests: bool = False
    readings: ReadingsPolicy = ReadingsPolicy()
    refresh: RefreshPolicy = RefreshPolicy()
    schedules: Mapping[Stage, SchedulePolicy] = field(default_factory=dict[Stage, SchedulePolicy])
    monitoring: MonitoringPolicy = MonitoringPolicy()
    retention: PurgePolicy = PurgePolicy()

    def asks(self, stage: Stage) -> GateName | None:
        """The gate to pass before a deployment to the stage, if it asks anybody."""
        gate = STAGE_GATES.get(stage)
        return gate if gate in self.approvals else None

    def demands(self, stage: Stage) -> Demands:
        """What a model has to pass before it is deployed to a stage."""
        return Demands(self.stage(stage).thresholds, self.gates)

    def narrowed(self, stage: Stage) -> "Policies":
        """What a circuit's deployment to a stage goes by: it travels with every activity, so the rest stays behind."""
        kept = {stage: self.stages[stage]} if stage in self.stages else {}
        return replace(self, branches={}, approvals={}, schedules={}, stages=kept)

    def stage(self, stage: Stage) -> StagePolicy:
        """A stage's policy; one that is not configured has no thresholds and the default compute."""
        return self.stages.get(stage, StagePolicy())
