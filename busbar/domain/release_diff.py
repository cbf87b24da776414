"""What differs between two release sets, circuit by circuit."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from busbar.domain.circuits import CircuitKey
from busbar.domain.release import Pin, ReleaseSet

type Said = str | float | None


def _measured(name: str) -> Callable[[Pin], Said]:
    return lambda pin: getattr(pin.metrics, name)


def _limits(pin: Pin) -> str:
    """The circuit's own limits, those that are set."""
    limits = ((item.name, getattr(pin.thresholds, item.name)) for item in fields(pin.thresholds))
    return ", ".join(f"{name} {limit:g}" for name, limit in limits if limit is not None) or "none"


ASPECTS: dict[str, Callable[[Pin], Said]] = {
    "model": lambda pin: f"v{pin.model_version}",
    "model name": lambda pin: pin.model_name,
    "training hash": lambda pin: pin.training_hash,
    "cutoff date": lambda pin: pin.cutoff_date,
    "data asset": lambda pin: pin.data_asset_version,
    "Delta version": lambda pin: pin.delta_version,
    "environment": lambda pin: pin.environment,
    "scored anew by": lambda pin: pin.rescored_to or None,
    "served in environment": lambda pin: pin.moved_to or None,
    "training component": lambda pin: pin.component_version,
    "scoring component": lambda pin: pin.scoring_version,
    "serving": lambda pin: pin.serving.value,
    "job": lambda pin: pin.job,
    "configuration": lambda pin: pin.circuit_config,
    "limits": _limits,
    "MAE": _measured("mae"),
    "RMSE": _measured("rmse"),
    "R²": _measured("r2"),
    "accuracy": _measured("accuracy"),
    "precision": _measured("precision"),
    "recall": _measured("recall"),
    "MSE": _measured("standardised_mse"),
    "seasonal-naive's MSE": _measured("seasonal_naive_mse"),
    "champion's MSE": _measured("champion_mse"),
    "skill over seasonal-naive": _measured("skill_seasonal_naive"),
}
"""Everything that a pin says, by the word that pages and sentences use."""

TOLD = ("model", "model name", "cutoff date", "data asset", "environment", "MAE", "skill over seasonal-naive")
"""The aspects that a sentence names."""


@dataclass(frozen=True)
class Aspect:
    """One thing that a circuit's pins say differently."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} → {self.after}"


@dataclass(frozen=True)
class Change:
    """A circuit's pin then and now; None where that release set has none. One of both is there."""

    before: Pin | None
    after: Pin | None

    @property
    def key(self) -> CircuitKey:
        return _either(self).key

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def aspects(self) -> tuple[Aspect, ...]:
        """What the two pins say differently; nothing where there is one pin only."""
        before, after = self.before, self.after
        if before is None or after is None:
            return ()
        said = ((name, read(before), read(after)) for name, read in ASPECTS.items())
        return tuple(
            Aspect(name, _text(then), _text(now)) for name, then, now in said if repr(then) != repr(now)
        )

    @property
    def told(self) -> tuple[Aspect, ...]:
        """The differences that say most; all of them where none of these differs."""
        return tuple(aspect for aspect in self.aspects if aspect.name in TOLD) or self.aspects

    @property
    def sentence(self) -> str:
        if self.kind != "changed":
            pin = _either(self)
            return f"{pin.key} {self.kind}: v{pin.model_version}, cutoff date {pin.cutoff_date}"
        return f"{self.key} changed: {', '.join(map(str, self.told))}"


@dataclass(frozen=True)
class Diff:
    """`changes` by circuit; `same` are the circuits that both release sets pin alike."""

    before: str
    after: str
    changes: tuple[Change, ...]
    same: tuple[CircuitKey, ...]

    def of(self, kind: str) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.kind == kind)

    @property
    def sentence(self) -> str:
        counts = [f"{len(self.of(kind))} {kind}" for kind in ("added", "removed", "changed") if self.of(kind)]
        return f"{self.before} → {self.after}: {', '.join([*counts, f'{len(self.same)} as before'])}"


def diff(before: ReleaseSet, after: ReleaseSet) -> Diff:
    """From one release set to another; `diff(b, a)` is the same the other way round."""
    then, now = ({pin.key: pin for pin in release.pins} for release in (before, after))
    changes = [Change(then.get(key), now.get(key)) for key in sorted(then.keys() | now.keys())]
    same = [change for change in changes if change.kind == "changed" and not change.aspects]
    return Diff(
        before.id,
        after.id,
        tuple(change for change in changes if change not in same),
        tuple(change.key for change in same),
    )


def _either(change: Change) -> Pin:
    pin = change.after or change.before
    if pin is None:
        raise ValueError("a change has a pin on one side at least")
    return pin


def _text(said: Said) -> str:
    """Numbers with six significant digits."""
    match said:
        case None:
            return "–"
        case float() | int():
            return f"{said:.6g}"
        case _:
            return said
