"""Release sets: the immutable list of pins that people approve and stages deploy."""

import hashlib
import json
from dataclasses import asdict, dataclass

from busbar.domain import names
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.gates import GateInput, GateResult, Metrics, evaluate
from busbar.domain.policies import NO_LIMITS, Demands, Thresholds


@dataclass(frozen=True)
class Pin:
    """Exactly one model of one circuit, with everything that made it, and the circuit's own limits.

    `moved_to` is the version of the environment that it is served in, where that is not the one it was trained in;
    `rescored_to` that of the scoring component, where that is not the one it was first released with.
    """

    key: CircuitKey
    model_name: str
    model_version: str
    training_hash: str
    cutoff_date: str
    data_asset_version: str
    environment: str
    component_version: str
    scoring_version: str
    job: str
    circuit_config: str
    metrics: Metrics
    thresholds: Thresholds = NO_LIMITS
    delta_version: int | None = None
    serving: Serving = Serving.BATCH
    moved_to: str = ""
    rescored_to: str = ""

    @property
    def deployment(self) -> str:
        """The name of the deployment that serves the model as the pin says."""
        return names.deployment(self.key, self.model_version, self.serving, self.moved_to, self.rescored_to)

    def judged(self, demands: Demands) -> tuple[GateResult, ...]:
        """How the model does against what a stage demands; the circuit's own limits count where it has some."""
        thresholds = demands.thresholds.overlaid(self.thresholds)
        return evaluate(GateInput(self.metrics, thresholds, demands.scale_free))

    @property
    def scoring_build(self) -> str:
        """The scoring component's version as registered: its build for the environment that the model is served in."""
        return names.build(self.scoring_version, self.moved_to or self.environment.rpartition(":")[2])


@dataclass(frozen=True)
class ReleaseSet:
    """What a run offers: `id` is `r-` and the first 12 hex digits of `digest`."""

    run: str
    commit: str
    requester: str
    pins: tuple[Pin, ...]
    environment_name: str

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical content: an approval is bound to it."""
        content = asdict(self) | {"pins": [asdict(pin) for pin in sorted(self.pins, key=lambda pin: pin.key)]}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def id(self) -> str:
        return f"r-{self.digest[:12]}"

    def without(self, excluded: tuple[CircuitKey, ...]) -> "ReleaseSet":
        """The same release less the excluded circuits: another digest, another approval."""
        kept = tuple(pin for pin in self.pins if pin.key not in excluded)
        return ReleaseSet(self.run, self.commit, self.requester, kept, self.environment_name)
