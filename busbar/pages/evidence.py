"""What an approver is shown: a release set's pins, each beside what serves now, and what was left out."""

from dataclasses import dataclass
from itertools import groupby

from busbar.domain.changes import ConfigChange
from busbar.domain.gates import GateResult
from busbar.domain.policies import gate_stage
from busbar.domain.records import CircuitRecord
from busbar.domain.release import Pin
from busbar.domain.training import Verdict
from busbar.pages.rows import Bar, in_order, skill_bar
from busbar.pages.views import ApprovalView


@dataclass(frozen=True)
class Line:
    """One pin. `serves` says what it replaces, `change` what its configuration changes against that; `excluded_by`
    names voters who left it out."""

    pin: Pin
    commit: str
    gates: tuple[GateResult, ...]
    serves: str
    champion_ratio: float | None
    bar: Bar | None
    excluded_by: tuple[str, ...]
    change: ConfigChange | None = None

    @property
    def skill(self) -> float:
        return self.pin.metrics.skill_seasonal_naive

    @property
    def failed(self) -> tuple[GateResult, ...]:
        return tuple(gate for gate in self.gates if not gate.passed)

    @property
    def worse(self) -> bool:
        """Whether its error is above what serves, or above repeating the last season."""
        return self.skill <= 0 or (self.champion_ratio or 0) > 1

    @property
    def attention(self) -> bool:
        """Whether a reviewer should look at it."""
        return bool(self.failed) or self.worse

    @property
    def order(self) -> tuple[bool, bool, float, list[tuple[str, int]]]:
        """The worst first: failed gates, then worse than what serves, then by skill."""
        return not self.failed, not self.worse, self.skill, in_order(self.pin.key)


FEW = 30
"""So many circuits are shown at once; of more, the plants are folded."""


@dataclass(frozen=True)
class PlantLines:
    """A plant's lines, the worst first."""

    id: str
    lines: tuple[Line, ...]
    unfolded: bool

    @property
    def attention(self) -> int:
        return sum(line.attention for line in self.lines)


@dataclass(frozen=True)
class Digest:
    """The evidence in a few numbers, for the top of the page and for the mail."""

    circuits: int
    plants: int
    beaten: int
    best: Line | None
    worst: Line | None
    with_failures: int
    attention: int
    changed: int


def _serves(view: ApprovalView, pin: Pin, record: CircuitRecord | None) -> str:
    """The version that the target of this gate holds now."""
    stage = gate_stage(view.request.gate)
    if stage is None:
        return record.registry_version or "" if record else ""
    held = (one for one in view.deployments if one.stage is stage and one.key == pin.key)
    return next((one.model_version for one in held), "")


def _gates(view: ApprovalView, pin: Pin, record: CircuitRecord | None) -> tuple[GateResult, ...]:
    """Those of the stage that is asked about; before the registry those that the training was measured by."""
    if view.request.demands:
        return pin.judged(view.request.demands)
    return record.gates if record and record.training_hash == pin.training_hash else ()


def _line(view: ApprovalView, pin: Pin, record: CircuitRecord | None, change: ConfigChange | None) -> Line:
    champion = pin.metrics.champion_mse
    return Line(
        pin=pin,
        commit=view.release.commit if view.release else "",
        gates=_gates(view, pin, record),
        serves=_serves(view, pin, record),
        champion_ratio=pin.metrics.standardised_mse / champion if champion else None,
        bar=skill_bar(pin.metrics.skill_seasonal_naive),
        excluded_by=tuple(vote.login for vote in view.votes if pin.key in vote.excluded),
        change=change,
    )


def lines(view: ApprovalView) -> tuple[Line, ...]:
    """One line a pin, in the order of their numbers."""
    if view.release is None:
        return ()
    records = {record.key: record for record in view.circuits}
    changes = {change.key: change for change in view.changes or ()}
    pins = sorted(view.release.pins, key=lambda pin: in_order(pin.key))
    return tuple(_line(view, pin, records.get(pin.key), changes.get(pin.key)) for pin in pins)


def by_plant(shown: tuple[Line, ...]) -> tuple[PlantLines, ...]:
    """The plants with their lines, both the worst first."""
    few = len(shown) <= FEW
    groups = groupby(shown, lambda line: line.pin.key.plant_id)
    plants = (PlantLines(plant, tuple(sorted(group, key=_order)), few) for plant, group in groups)
    return tuple(sorted(plants, key=lambda plant: _order(plant.lines[0])))


def _order(line: Line) -> tuple[bool, bool, float, list[tuple[str, int]]]:
    return line.order


def left_out(view: ApprovalView) -> tuple[CircuitRecord, ...]:
    """Circuits that the same run handled and that are not part of what is asked."""
    if view.release is None:
        return ()
    pinned = {pin.key for pin in view.release.pins}
    run, reasons = view.release.run, (Verdict.GATED_OUT, Verdict.QUARANTINED)
    candidates = (one for one in view.circuits if one.run == run and one.verdict in reasons)
    return tuple(
        sorted((one for one in candidates if one.key not in pinned), key=lambda one: in_order(one.key))
    )


def digest(view: ApprovalView) -> Digest:
    shown = lines(view)
    by_skill = sorted(shown, key=lambda line: line.skill)
    return Digest(
        circuits=len(shown),
        plants=len({line.pin.key.plant_id for line in shown}),
        beaten=sum(line.skill > 0 for line in shown),
        best=by_skill[-1] if by_skill else None,
        worst=by_skill[0] if by_skill else None,
        with_failures=sum(bool(line.failed) for line in shown),
        attention=sum(line.attention for line in shown),
        changed=sum(bool(line.change and line.change.changed) for line in shown),
    )
