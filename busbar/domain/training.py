"""What to train: the training hash and the decision per circuit."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from busbar.domain import names
from busbar.domain.changes import ChangeType
from busbar.domain.circuits import Circuit, CircuitKey
from busbar.domain.versions import Version


@dataclass(frozen=True)
class Assets:
    """The versions a run trains with: environment, pipeline component, scoring component (as their authors wrote)."""

    environment_name: str
    environment_version: str
    component_version: str
    scoring_version: str

    @property
    def environment(self) -> str:
        """`name:version`"""
        return f"{self.environment_name}:{self.environment_version}"

    @property
    def training_component(self) -> str:
        """What a training job runs, `name:version` as registered: the component's build for the environment."""
        return f"{names.TRAINING_COMPONENT}:{names.build(self.component_version, self.environment_version)}"


@dataclass(frozen=True)
class PinnedData:
    """A circuit's data asset: name, version (the cutoff date), and the Delta version it pins for ever."""

    key: CircuitKey
    asset_name: str
    asset_version: str
    delta_version: int
    cutoff_date: str


def training_hash(circuit: Circuit, delta_version: int, assets: Assets) -> str:
    """SHA-256, first 12 hex digits, of canonical JSON over everything that would change the model.

    Of the environment only the major version counts: a breaking one retrains, a non-breaking one does not.
    Sensors, sampling and limits are part of it: another sensor is another model, another limit is another evidence.
    """
    content = {
        "cutoff_date": circuit.cutoff_date.isoformat(),
        "delta_version": delta_version,
        "training_days": circuit.training_days,
        "frequency_minutes": circuit.frequency_minutes,
        "sensors": list(circuit.sensors),
        "limits": {sensor: [limits.low, limits.high] for sensor, limits in circuit.limits.items()},
        "hyperparameters": dict(circuit.hyperparameters),
        "pipeline_component_version": assets.component_version,
        "environment_major": Version.parse(assets.environment_version).major,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class Verdict(StrEnum):
    """How a circuit's latest training ended, or where it stands."""

    TRAINING = "training"
    TRAINED = "trained"
    GATED_OUT = "gated out"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Whether the same content need not be trained again."""
        return self not in (Verdict.TRAINING, Verdict.CANCELLED)


@dataclass(frozen=True)
class Trained:
    """What is on record of a circuit's latest training."""

    training_hash: str
    verdict: Verdict


@dataclass(frozen=True)
class Decision:
    """Whether a circuit trains, with the sentence that pages, mails and audit print."""

    key: CircuitKey
    train: bool
    reason: str
    training_hash: str
    change: ChangeType | None = None


def decide(
    circuit: Circuit,
    computed_hash: str,
    last: Trained | None,
    *,
    named_by_hand: bool,
    retried: bool = False,
    change: ChangeType | None,
    detail: str,
) -> Decision:
    """Train what has no settled verdict for its hash. `detail` says what the commit changed, for the sentence.

    `retried`: `last` is of this very run, which somebody started again: what it had trained goes on from there.
    """

    def verdict(train: bool, reason: str) -> Decision:
        return Decision(circuit.key, train, reason, computed_hash, change)

    if named_by_hand:
        return verdict(True, f"retrain {circuit.key}: named by hand")
    if last is None:
        return verdict(True, f"train {circuit.key}: new circuit")
    if last.training_hash != computed_hash:
        return verdict(True, f"retrain {circuit.key}: {detail or 'training hash changed'}")
    if not last.verdict.settled:
        return verdict(True, f"train {circuit.key}: an earlier run did not finish it")
    if retried and last.verdict in (Verdict.TRAINED, Verdict.QUARANTINED):
        return verdict(True, f"take up {circuit.key}: {last.verdict} when this run was started again")
    return verdict(False, f"skip {circuit.key}: training hash {computed_hash} is already {last.verdict}")
