"""A run, and what its commit says."""

from dataclasses import dataclass
from typing import Literal

from busbar.domain.circuits import CircuitKey
from busbar.domain.events import ZERO_COMMIT
from busbar.domain.policies import Policies
from busbar.domain.records import RunStatus
from busbar.domain.training import Assets, Decision, PinnedData


@dataclass(frozen=True)
class TrainingRun:
    """A commit to train. `named` circuits train whatever their hash; `id` is the run's instance id.

    `attempt` counts how often an operator had it start again: it takes up only what is missing.
    """

    id: str
    commit: str
    branch: str
    requester: str
    before: str = ZERO_COMMIT
    named: tuple[CircuitKey, ...] = ()
    attempt: int = 1


@dataclass(frozen=True)
class FleetRead:
    """What the commit says; with `problems` nothing may start."""

    policies: Policies
    circuits: tuple[CircuitKey, ...] = ()
    problems: str = ""


@dataclass(frozen=True)
class RunNote:
    """A training run's line on the board."""

    run: TrainingRun
    status: RunStatus
    sentence: str
    release_id: str | None = None


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
class EnvironmentRegistration:
    """Stage 1: the environment's name and version, whether this run registered it, and what is wrong with it."""

    name: str
    version: str
    newly_registered: bool = False
    problem: str = ""


@dataclass(frozen=True)
class ComponentsRequest:
    run: TrainingRun
    environment: EnvironmentRegistration


@dataclass(frozen=True)
class ComponentsRegistration:
    """Stage 3: the versions to train with, or what is wrong."""

    assets: Assets | None = None
    problem: str = ""


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
    """Stage 5: the decision per circuit, and the sentence of the whole. With a `refusal` nothing is trained."""

    decisions: tuple[Decision, ...]
    sentence: str
    refusal: str = ""

    @property
    def training(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.train)
