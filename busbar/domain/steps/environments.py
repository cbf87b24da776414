"""An environment-only release: tried on every deployed model, then given to what is deployed."""

from dataclasses import dataclass

from busbar.domain.circuits import CircuitKey
from busbar.domain.environments import Change, Compatibility, EnvironmentStatus, Update
from busbar.domain.policies import Policies, Stage
from busbar.domain.steps.releases import Release
from busbar.domain.steps.runs import EnvironmentRegistration, TrainingRun
from busbar.domain.steps.training import JobState


@dataclass(frozen=True)
class EnvironmentRun:
    """Release the environment of a commit; `version` is what somebody asked for by hand, who expects just that."""

    id: str
    commit: str
    requester: str
    branch: str = ""
    version: str = ""

    @property
    def training_run(self) -> TrainingRun:
        """The commit is read and registered as for a training run."""
        return TrainingRun(self.id, self.commit, self.branch, self.requester)


@dataclass(frozen=True)
class EnvironmentLook:
    """Ask what a commit's environment is to that of the commit before."""

    run: TrainingRun
    environment: EnvironmentRegistration


@dataclass(frozen=True)
class EnvironmentChange:
    """What a push does to the environment, in a sentence; empty where it leaves it as it is."""

    change: Change
    sentence: str = ""


@dataclass(frozen=True)
class Trial:
    """A deployed model to be tried: where its training job left it, and the environment it runs in now.

    With a `problem` it cannot be tried.
    """

    key: CircuitKey
    model_version: str
    before: str
    job: str = ""
    circuit_config: str = ""
    problem: str = ""


@dataclass(frozen=True)
class EnvironmentPlan:
    """What is to be updated, and the models to try first, each once though several stages serve it."""

    update: Update
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class EnvironmentUpdate:
    """An environment on its way to what is deployed."""

    run: EnvironmentRun
    environment: EnvironmentRegistration
    policies: Policies

    @property
    def version(self) -> str:
        return self.environment.version


@dataclass(frozen=True)
class TrialBatch:
    """Models that run in the environment `before`, to be tried by one job; `orchestration_id` is to be woken."""

    update: EnvironmentUpdate
    before: str
    trials: tuple[Trial, ...]
    number: int
    orchestration_id: str = ""


@dataclass(frozen=True)
class TriedBatch:
    """A batch whose job has ended."""

    batch: TrialBatch
    state: JobState


@dataclass(frozen=True)
class StageUpdate:
    """An environment on its way to a stage."""

    update: EnvironmentUpdate
    stage: Stage


@dataclass(frozen=True)
class StageQuestion:
    """Ask whether a stage's deployments may move to the new environment; `said` is what the trials gave."""

    update: EnvironmentUpdate
    stage: Stage
    release: Release
    said: str


@dataclass(frozen=True)
class EnvironmentNote:
    """Where the release of an environment stands, with the matrix as far as it is known."""

    update: EnvironmentUpdate
    status: EnvironmentStatus
    sentence: str
    matrix: tuple[Compatibility, ...] = ()


@dataclass(frozen=True)
class EnvironmentEnd:
    """How the release of an environment ended."""

    status: EnvironmentStatus
    sentence: str
