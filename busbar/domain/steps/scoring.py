"""Scoring of what is deployed."""

from dataclasses import dataclass, replace
from datetime import date

from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage, TrainingPolicy
from busbar.domain.records import Served
from busbar.domain.steps.training import JobState


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
