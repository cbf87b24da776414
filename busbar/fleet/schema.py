"""The keys of the files in `config/`, their types and bounds. Strict: nothing is coerced, nothing is ignored."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from busbar.domain.circuits import Serving
from busbar.domain.policies import Bake, BranchAction, Every, Stage, Weekday
from busbar.fleet.fields import (
    Days,
    FrequencyMinutes,
    Hours,
    Identifier,
    IsoDate,
    Label,
    Mail,
    ObjectId,
    Percent,
    RelativePath,
    Seconds,
    Share,
    TrainingDays,
)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Hyperparameters(Strict):
    """What train_lstm takes; look_back, horizon, patch and season are numbers of rows."""

    look_back: int = Field(96, ge=8, le=2000)
    horizon: int = Field(24, ge=1, le=500)
    patch: int = Field(12, ge=1)
    units: int = Field(64, ge=4, le=512)
    epochs: int = Field(8, ge=1, le=200)
    batch_size: int = Field(64, ge=8, le=4096)
    learning_rate: float = Field(0.002, gt=0, lt=1)
    season: int = Field(24, ge=1)
    seed: int = Field(7, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _fit_the_look_back(self) -> Self:
        if self.look_back % self.patch:
            raise ValueError(f"patch {self.patch} does not divide look_back {self.look_back}")
        if self.season > self.look_back:
            raise ValueError(f"season {self.season} is longer than look_back {self.look_back}")
        return self


class LimitsOfSensor(Strict):
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("set low, high or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


class ThresholdsOfModel(Strict):
    max_mae: float | None = Field(None, gt=0)
    max_rmse: float | None = Field(None, gt=0)
    min_accuracy: Share | None = None
    min_precision: Share | None = None
    min_recall: Share | None = None


class Defaults(Strict):
    training_days: TrainingDays = 90
    frequency_minutes: FrequencyMinutes = 60
    hyperparameters: Hyperparameters = Hyperparameters()  # pyright: ignore[reportCallIssue] - all have defaults
    owner: Label | None = None
    serving: Annotated[Serving, Field(strict=False)] = Serving.BATCH


class CircuitItem(Defaults):
    plant_id: Identifier
    circuit_id: Identifier
    sensors: list[Label] = Field(min_length=1, max_length=100)
    cutoff_date: IsoDate
    limits: dict[str, LimitsOfSensor] = {}
    thresholds: ThresholdsOfModel = ThresholdsOfModel()  # pyright: ignore[reportCallIssue] - all have defaults
    delta_version: int | None = Field(None, ge=0)


class CircuitsFile(Strict):
    """`circuits.yaml`: the items are read one by one, over the defaults."""

    defaults: dict[str, Any] = {}
    circuits: list[Any]


class DelegateItem(Strict):
    """Who is asked in a person's place; the days `from` and `until` are both included."""

    to: Label
    start: IsoDate = Field(alias="from")
    until: IsoDate

    @model_validator(mode="after")
    def _last_a_day(self) -> Self:
        if self.until < self.start:
            raise ValueError(f"until {self.until} is before from {self.start}")
        return self


class PersonItem(Strict):
    login: Label
    mail: Mail
    object_id: ObjectId
    groups: list[Label] = []
    delegate: DelegateItem | None = None


class PeopleFile(Strict):
    people: list[Any]


class SourceItem(Strict):
    plant_id: Identifier
    files: RelativePath
    time_columns: list[Label] = Field(["time"], min_length=1, max_length=6)
    timezone: str = "UTC"
    time_format: Label | None = None
    delimiter: Literal[",", ";", "\t", "|"] = ","
    decimal: Literal[".", ","] = "."
    columns: dict[str, dict[str, Label]] = {}


class SourcesFile(Strict):
    sources: list[Any] = []


class BackoffItem(Strict):
    initial_seconds: Seconds
    maximum_seconds: Seconds

    @model_validator(mode="after")
    def _grow(self) -> Self:
        if self.maximum_seconds < self.initial_seconds:
            raise ValueError("maximum_seconds is below initial_seconds")
        return self


class TrainingItem(Strict):
    compute: Label = ""
    max_parallel: int = Field(5, ge=1, le=200)
    max_attempts: int = Field(3, ge=1, le=10)
    max_hours: Hours = 3
    max_queue_hours: Hours = 24
    long_running_hours: Hours = 4
    poll: BackoffItem | None = None


class PropagationItem(Strict):
    poll: BackoffItem | None = None
    max_seconds: Seconds = 120
    max_parallel: int = Field(25, ge=1, le=200)


class GatesItem(Strict):
    min_skill_seasonal_naive: float = Field(0.0, ge=-10, lt=1)
    champion_margin: float = Field(0.05, ge=0, le=10)


class EnvironmentsItem(Strict):
    tolerance: float = Field(1e-4, ge=0, le=1)
    windows: int = Field(24, ge=1, le=1000)
    min_windows: int = Field(1, ge=1, le=1000)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.min_windows > self.windows:
            raise ValueError(f"min_windows {self.min_windows} is more than windows {self.windows}")
        return self


class ApprovalItem(Strict):
    groups: list[Label] = Field([], min_length=1)
    quorum: int = Field(1, ge=1, le=20)
    expires_hours: Hours = 72
    reminder_hours: Hours = 24
    escalate_hours: Hours | None = None
    escalate_to: list[Label] = []

    @model_validator(mode="after")
    def _escalate_to_somebody(self) -> Self:
        if (self.escalate_hours is None) != (not self.escalate_to):
            raise ValueError("escalate_hours and escalate_to belong together")
        if self.escalate_hours is not None and self.escalate_hours >= self.expires_hours:
            raise ValueError(
                f"escalate_hours {self.escalate_hours:g} is not before expires_hours {self.expires_hours:g}"
            )
        return self


class QuotasItem(Strict):
    deployments_per_endpoint: int = Field(20, ge=1, le=10_000)
    endpoints: int = Field(100, ge=1, le=10_000)
    deployments: int = Field(500, ge=1, le=100_000)


class ReadingsItem(Strict):
    history_days: int = Field(30, ge=7, le=3650)


class PurgeItem(Strict):
    apply: bool = False


class RefreshItem(Strict):
    max_age_days: int | None = Field(None, ge=1, le=3650)


class MonitoringItem(Strict):
    stages: list[Annotated[Stage, Field(strict=False)]] = [Stage.PROD]
    catch_up_days: int = Field(7, ge=1, le=31)
    circuits_per_job: int = Field(25, ge=1, le=200)
    cooldown_days: int = Field(14, ge=1, le=365)
    retrains_a_day: int = Field(10, ge=0, le=1000)
    retrains_a_week: int = Field(30, ge=0, le=5000)
    plant_wide: int = Field(3, ge=2, le=1000)


class ScheduleItem(Strict):
    every: Annotated[Every, Field(strict=False)]
    at: str = Field("02:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    on: Annotated[Weekday, Field(strict=False)] | None = None
    lookback_days: TrainingDays | None = None

    @model_validator(mode="after")
    def _name_the_day_of_a_week(self) -> Self:
        if (self.every is Every.WEEK) != (self.on is not None):
            raise ValueError("`on` names the day of `every: week`, and of nothing else")
        return self


class PipelineFile(Strict):
    """`pipeline.yaml`. Only the keys that are set count: the defaults are the domain's."""

    branches: dict[Label, Annotated[BranchAction, Field(strict=False)]] = {}
    training: TrainingItem = TrainingItem()  # pyright: ignore[reportCallIssue] - all have defaults
    propagation: PropagationItem = PropagationItem()  # pyright: ignore[reportCallIssue] - all have defaults
    gates: GatesItem = GatesItem()  # pyright: ignore[reportCallIssue] - all have defaults
    environments: EnvironmentsItem = EnvironmentsItem()  # pyright: ignore[reportCallIssue] - all have defaults
    approvals: dict[str, ApprovalItem] = {}
    quotas: QuotasItem = QuotasItem()  # pyright: ignore[reportCallIssue] - all have defaults
    train_pull_requests: bool = False
    readings: ReadingsItem = ReadingsItem()  # pyright: ignore[reportCallIssue] - all have defaults
    refresh: RefreshItem = RefreshItem()  # pyright: ignore[reportCallIssue] - all have defaults
    schedules: dict[Annotated[Stage, Field(strict=False)], ScheduleItem] = {}
    monitoring: MonitoringItem = MonitoringItem()  # pyright: ignore[reportCallIssue] - all have defaults
    retention: PurgeItem = PurgeItem()


class RampItem(Strict):
    steps: list[Annotated[int, Field(ge=1, le=100)]] = [100]
    bake: Annotated[Bake, Field(strict=False)] = Bake.REPLAY
    windows: int = Field(24, ge=1, le=1000)
    bake_hours: Hours = 24
    hold_hours: Hours = 72
    mirror_percent: int = Field(0, ge=0, le=50)

    @field_validator("steps")
    @classmethod
    def _rise_to_all(cls, steps: list[int]) -> list[int]:
        if not steps or steps[-1] != 100:
            raise ValueError(f"{steps} does not end at 100: the candidate would never take over")
        if sorted(set(steps)) != steps:
            raise ValueError(f"{steps} does not rise: each step is larger than the one before")
        return steps


class OnlineItem(Strict):
    """The machines of a circuit's online deployment, as Azure ML names their sizes."""

    instance_type: str = Field("Standard_F2s_v2", pattern=r"^(Standard|Basic)_[A-Za-z0-9_-]+$")
    instance_count: int = Field(1, ge=1, le=20)


class RollbackItem(Strict):
    enabled: bool = True
    error_percent: Percent = 5
    latency_ms: float = Field(2000, gt=0)
    champion_margin: float = Field(0.05, ge=0, le=10)
    fleet_percent: Percent = 30


class WavesItem(Strict):
    size: int = Field(25, ge=1, le=100)
    max_unavailable: int = Field(5, ge=1, le=100)


class RetentionItem(Strict):
    models_days: Days = 365
    logs_days: Days = 90
    datasets_days: Days = 730
    predictions_days: Days = 180


class AlertsItem(Strict):
    model_drift: Share = 0.10
    data_drift: Share = 0.15
    latency_ms: float = Field(500, gt=0)
    error_percent: Percent = 2
    availability_percent: Percent = 99.5


class EnvironmentFile(Strict):
    """`environments/{dev,test,prod}.yaml`. `approval: null` asks nobody; left out, the stage's default holds."""

    thresholds: ThresholdsOfModel = ThresholdsOfModel()  # pyright: ignore[reportCallIssue] - all have defaults
    compute: Label = ""
    online: OnlineItem | None = None
    approval: ApprovalItem | None = None
    ramp: RampItem | None = None
    rollback: RollbackItem | None = None
    waves: WavesItem | None = None
    retention: RetentionItem | None = None
    alerts: AlertsItem | None = None
