"""Scoring of what is deployed."""

from dataclasses import dataclass, replace
from datetime import date

from busbar.domain.catching_up import Batch
from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage, TrainingPolicy
from busbar.domain.records import Served
from busbar.domain.steps.training import JobState


@dataclass(frozen=True)
class ScoringRun:
    """Score every deployed circuit of a stage for a day, or those that are named.

    A day that was `missed` leaves the record of a newer one as it is.
    """

    stage: Stage
    day: date
    policy: TrainingPolicy
    named: tuple[CircuitKey, ...] = ()
    missed: bool = False


@dataclass(frozen=True)
class CircuitScoring:
    stage: Stage
    key: CircuitKey
    day: date
    policy: TrainingPolicy
    orchestration_id: str = ""
    missed: bool = False


@dataclass(frozen=True)
class ScoringPart:
    """The windows [offset, offset + share) in percent, of the last `windows` of the day, and who scores them.

    `instead` scores a candidate's part where the candidate fails: no window goes without a forecast.
    """

    job: str
    endpoint: str
    served: Served
    offset: int = 0
    share: int = 100
    windows: int = 1
    instead: Served | None = None

    def by_other(self) -> "ScoringPart | None":
        """The same part, scored by whoever steps in; None where nobody does."""
        if self.instead is None:
            return None
        return replace(self, job=f"{self.job}-instead", served=self.instead, instead=None)


@dataclass(frozen=True)
class PartScoring:
    scoring: CircuitScoring
    part: ScoringPart


@dataclass(frozen=True)
class ScoredPart:
    """A part whose job ended."""

    part: ScoringPart
    state: JobState

    @property
    def done(self) -> bool:
        return self.state.status is JobStatus.COMPLETED


@dataclass(frozen=True)
class ScoringResult:
    """A scoring run that ended, with every job of it."""

    scoring: CircuitScoring
    parts: tuple[ScoredPart, ...]


@dataclass(frozen=True)
class ScoringOutcome:
    key: CircuitKey
    done: bool
    sentence: str


@dataclass(frozen=True)
class CatchUp:
    """Score the missed `days` of what a stage serves, many circuits to a job; `id` is the run's instance id."""

    id: str
    stage: Stage
    days: tuple[date, ...]
    policy: TrainingPolicy
    circuits_per_job: int
    suffix: str = ""


@dataclass(frozen=True)
class ScoringChunk:
    """Circuits for one job, whose name is the orchestration's id."""

    run: CatchUp
    job: str
    batch: Batch


@dataclass(frozen=True)
class ScoredChunk:
    """A chunk's job that ended."""

    chunk: ScoringChunk
    state: JobState


@dataclass(frozen=True)
class CaughtUp:
    """What a chunk's job came to, circuit by circuit, and those that it `left` to their own endpoints.

    `problem` says why it left them all.
    """

    left: tuple[CircuitKey, ...] = ()
    outcomes: tuple[ScoringOutcome, ...] = ()
    problem: str = ""
