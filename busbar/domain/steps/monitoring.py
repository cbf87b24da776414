"""A look at a day of what a stage serves, and what is done about it."""

from dataclasses import dataclass
from datetime import date

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Policies, Stage, TrainingPolicy
from busbar.domain.steps.training import JobState


@dataclass(frozen=True)
class DailyRun:
    """Score the `days` of a stage that were not, the newest first, and look at them, the oldest first.

    All but the newest are scored by jobs for `circuits_per_job` circuits each; 0: circuit by circuit, as runs did that
    began before there were such jobs. One that is started by hand has a `suffix`.
    """

    stage: Stage
    days: tuple[date, ...]
    policy: TrainingPolicy
    circuits_per_job: int = 0
    suffix: str = ""


@dataclass(frozen=True)
class MonitoringRun:
    """Look at a day of the circuits that a stage serves, or of those `named`; `id` is the run's instance id.

    A day that is made up for is looked at for what lasts; only with `respond` people are told and asked. `cause` says
    what asked for it, where that was no timer and no person.
    """

    id: str
    stage: Stage
    day: date
    named: tuple[CircuitKey, ...] = ()
    respond: bool = True
    cause: str = ""


@dataclass(frozen=True)
class MonitoringPlan:
    """The circuits, in chunks that a job each looks at, with what the training branch says; or what is wrong there."""

    commit: str
    policies: Policies
    chunks: tuple[tuple[CircuitKey, ...], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class MonitoringChunk:
    """Circuits for one job, whose name is the orchestration's id."""

    run: MonitoringRun
    job: str
    commit: str
    policies: Policies
    circuits: tuple[CircuitKey, ...]


@dataclass(frozen=True)
class MonitoringResult:
    """A chunk's job that ended."""

    chunk: MonitoringChunk
    state: JobState


@dataclass(frozen=True)
class DriftResponding:
    """What a monitoring run decides when all its jobs have ended."""

    run: MonitoringRun
    plan: MonitoringPlan


@dataclass(frozen=True)
class IncidentEnd:
    """How an incident ended, in a sentence: with the `commit` that was approved, or without one.

    `excluded` circuits were left out by who approved it. `failed`: approved, or never answered, and broken off.
    """

    incident: str
    sentence: str
    excluded: tuple[CircuitKey, ...] = ()
    commit: str | None = None
    expired: bool = False
    failed: bool = False
