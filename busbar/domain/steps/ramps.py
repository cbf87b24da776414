"""A release on its way through a stage: waves of circuits, each a candidate that ramps up."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Policies, Stage
from busbar.domain.ramp import Measured, Step
from busbar.domain.records import Served
from busbar.domain.release import Pin
from busbar.domain.steps.releases import CircuitDeployment
from busbar.domain.steps.training import JobState


@dataclass(frozen=True)
class Ramp:
    """How a candidate takes over: its steps, and the champion that serves beside it, None for a first deployment.

    `serves`: this very deployment serves already, there is nothing to do.
    """

    steps: tuple[Step, ...] = ()
    champion: Served | None = None
    serves: bool = False


@dataclass(frozen=True)
class Share:
    """A candidate's share of the windows in percent, and the line that pages show of its ramp.

    `mirrored` percent of an online endpoint's requests are copied to it.
    """

    deployment: CircuitDeployment
    percent: int
    progress: str
    mirrored: int = 0


@dataclass(frozen=True)
class Replay:
    """Recent windows to be scored again by candidate and champion; `orchestration_id` is to be woken."""

    deployment: CircuitDeployment
    champion: Served | None
    step: Step
    attempt: int
    day: date
    orchestration_id: str


@dataclass(frozen=True)
class Bake:
    """A step's bake that has ended: how its jobs ended, what the steps before measured, hours since it began."""

    replay: Replay
    states: tuple[JobState, ...]
    before: Measured
    hours: float


@dataclass(frozen=True)
class Measurement:
    """What was replayed in all steps so far, and what was scored live at the step's share."""

    replayed: Measured
    live: Measured


@dataclass(frozen=True)
class Judging:
    """A bake to rule on, as it was measured."""

    bake: Bake
    measurement: Measurement


class RolloutEnd(StrEnum):
    """How a circuit's deployment ended. `stopped`: somebody has to decide, the candidate stands at its share."""

    SERVES = "serving"
    ROLLED_BACK = "rolled back"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Rollout:
    """How one circuit's deployment ended, in a sentence. `changed`: it was not so before; `note`: what else to tell."""

    key: CircuitKey
    end: RolloutEnd
    sentence: str
    changed: bool = True
    note: str = ""


@dataclass(frozen=True)
class Wave:
    """Circuits of a release that are deployed together, at most `at_once` of them changing at a time.

    `ruling` is why they are taken back, where they are.
    """

    stage: Stage
    release_id: str
    pins: tuple[Pin, ...]
    policies: Policies
    at_once: int
    ruling: str = ""

    @property
    def deployments(self) -> tuple[CircuitDeployment, ...]:
        policies = self.policies.narrowed(self.stage)
        return tuple(CircuitDeployment(self.stage, pin, policies, self.release_id) for pin in self.pins)


@dataclass(frozen=True)
class TakeBack:
    """A circuit's part of a release that is taken back, and the fleet's ruling."""

    deployment: CircuitDeployment
    reason: str


@dataclass(frozen=True)
class FleetCheck:
    """How many circuits of a release were changed so far, and how many of them went back by themselves."""

    stage: Stage
    release_id: str
    policies: Policies
    wave: int
    changed: int
    rolled_back: int
