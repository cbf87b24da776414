"""A release on its way: promotion and deployment."""

from dataclasses import dataclass, field, replace

from busbar.domain.approval import Outcome
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName, Policies, PropagationPolicy, Stage
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.steps.runs import EnvironmentRegistration, TrainingRun
from busbar.domain.steps.training import CircuitOutcome
from busbar.domain.training import Assets


@dataclass(frozen=True)
class ReleaseRequest:
    run: TrainingRun
    assets: Assets
    outcomes: tuple[CircuitOutcome, ...]


@dataclass(frozen=True)
class Release:
    """A stored release set by reference; `excluded` circuits were left out by an approver."""

    id: str
    commit: str
    requester: str
    circuits: tuple[CircuitKey, ...]
    policies: Policies
    excluded: tuple[CircuitKey, ...] = ()

    @classmethod
    def of(cls, release: ReleaseSet, policies: Policies, excluded: tuple[CircuitKey, ...] = ()) -> "Release":
        circuits = tuple(sorted(pin.key for pin in release.pins))
        return cls(release.id, release.commit, release.requester, circuits, policies, excluded)

    @property
    def kept(self) -> tuple[CircuitKey, ...]:
        return tuple(key for key in self.circuits if key not in self.excluded)

    def less(self, keys: tuple[CircuitKey, ...]) -> "Release":
        """The same release with more circuits left out."""
        return replace(self, excluded=tuple(sorted({*self.excluded, *keys})))


@dataclass(frozen=True)
class ReleaseQuestion:
    """Ask whether a release may pass a gate."""

    release: Release
    gate: GateName


@dataclass(frozen=True)
class EnvironmentPromotion:
    """Stage 2: an environment to share to the registry, once approved."""

    run: TrainingRun
    environment: EnvironmentRegistration
    policies: Policies


@dataclass(frozen=True)
class ModelPromotion:
    """One model of a release to share to the registry and to wait for."""

    key: CircuitKey
    model_name: str
    model_version: str
    policy: PropagationPolicy


@dataclass(frozen=True)
class PromotionBatch:
    """Models of a release, at most `at_once` of them on their way."""

    release_id: str
    models: tuple[ModelPromotion, ...]
    at_once: int


@dataclass(frozen=True)
class Promotion:
    """How a promotion or deployment ended: what is left of the release, and why circuits of it stayed behind.

    `outcome` is what the people who were asked said.
    """

    done: bool
    sentence: str
    release: Release | None = None
    held: tuple[tuple[CircuitKey, str], ...] = ()
    outcome: Outcome = Outcome.APPROVED


@dataclass(frozen=True)
class CircuitDeployment:
    """Deploy one pin of a release to a stage; `release_id` is empty for the automatic deployment to dev."""

    stage: Stage
    pin: Pin
    policies: Policies
    release_id: str | None = None


@dataclass(frozen=True)
class StageDeployment:
    """Deploy a release to a stage. `approved` says who has agreed to that at another gate: nobody is asked again."""

    stage: Stage
    release: Release
    approved: str = ""


@dataclass(frozen=True)
class DeploymentPlan:
    """Which pins go, and why others stay back. With a `refusal` none goes: nothing may be begun."""

    pins: tuple[Pin, ...]
    held: tuple[tuple[CircuitKey, str], ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class DeploymentState:
    """Where a deployment stands with Azure ML."""

    ready: bool
    failed: bool = False
    error: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])
