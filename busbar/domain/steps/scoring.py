"""Scoring of what is deployed, and the merge of raw files."""

from dataclasses import dataclass
from datetime import date

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage, TrainingPolicy
from busbar.domain.steps.runs import TrainingRun
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
