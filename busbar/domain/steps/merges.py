"""The merge of raw files."""

from dataclasses import dataclass

from busbar.domain.steps.runs import TrainingRun
from busbar.domain.steps.training import JobState


@dataclass(frozen=True)
class MergeRun:
    """Merge the raw files into the sensor table with the component and the sources of a commit.

    `full` reads files that were merged before, too.
    """

    id: str
    commit: str
    requester: str = "timer"
    full: bool = False

    @property
    def training_run(self) -> TrainingRun:
        """The commit's components and environment are registered as for a training run."""
        return TrainingRun(self.id, self.commit, "", self.requester)


@dataclass(frozen=True)
class Merged:
    """How a merge ended."""

    done: bool
    sentence: str


@dataclass(frozen=True)
class MergeResult:
    """A merge job that ended."""

    run: MergeRun
    state: JobState
