"""What a fleet keeps, for how long, and why: nothing that something kept still needs is ever purged."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from busbar.domain import names
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.wording import counted

REGISTRY = "registry"


class Kind(StrEnum):
    """What is kept, in the order of purging: of two kinds only the earlier ever needs the later."""

    MODEL = "model"
    DATA_ASSET = "data asset"
    JOB = "job"


_ORDER = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, order=True)
class Item:
    """One thing that can be purged. `place` is a stage or `registry`; a job (its files and logs) has no version."""

    kind: Kind
    place: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        name = f"{self.name}:{self.version}" if self.version else self.name
        return f"{self.kind} {name} in {'the registry' if self.place == REGISTRY else self.place}"


@dataclass(frozen=True)
class Holding:
    """An item that is there, since when, for how many days it is kept anyway, and what it cannot do without."""

    item: Item
    since: datetime
    days: int
    needs: tuple[Item, ...] = ()

    def expired(self, now: datetime) -> bool:
        return now - self.since > timedelta(days=self.days)


@dataclass(frozen=True)
class Root:
    """An item that stays whatever its age, and why: `reason` is what the item does or is."""

    item: Item
    reason: str


@dataclass(frozen=True)
class Ruling:
    """An item's fate in a sentence."""

    item: Item
    reason: str


@dataclass(frozen=True)
class RetentionPlan:
    """What goes, in the order in which it goes; what stays although it is old; how many are young enough."""

    purge: tuple[Ruling, ...] = ()
    kept: tuple[Ruling, ...] = ()
    young: int = 0

    @property
    def sentence(self) -> str:
        counts = [
            f"{counted(number, kind)}"
            for kind in Kind
            if (number := sum(ruling.item.kind is kind for ruling in self.purge))
        ]
        gone = ", ".join(counts) or "nothing"
        return f"{gone} to purge; {len(self.kept)} kept although old, {self.young} young enough"


def model(place: str, name: str, version: str) -> Item:
    return Item(Kind.MODEL, place, name, version)


def job(place: str, name: str) -> Item:
    return Item(Kind.JOB, place, name)


def data_asset(name: str, version: str) -> Item:
    """Data assets live in dev alone."""
    return Item(Kind.DATA_ASSET, Stage.DEV, name, version)


def released(release: ReleaseSet, reason: str) -> list[Root]:
    """Everything that a release set pins: its models where they are and where they may go, their jobs and data."""
    return [Root(item, reason) for pin in release.pins for item in _pinned(pin)]


def newest(record: CircuitRecord) -> list[Root]:
    """What a circuit's latest training used and made: the champion of the next one, and its evidence."""
    reason, name = f"is of {record.key}'s latest training", names.model(record.key)
    found = [
        data_asset(names.data_asset(record.key), record.cutoff_date),
        job(Stage.DEV, record.job) if record.job else None,
        model(Stage.DEV, name, record.model_version) if record.model_version else None,
        model(REGISTRY, name, record.registry_version) if record.registry_version else None,
    ]
    return [Root(item, reason) for item in found if item]


def _pinned(pin: Pin) -> tuple[Item, ...]:
    return (
        model(REGISTRY, pin.model_name, pin.model_version),
        model(Stage.DEV, pin.model_name, pin.model_version),
        data_asset(names.data_asset(pin.key), pin.data_asset_version),
        job(Stage.DEV, pin.job),
    )


def plan(holdings: Iterable[Holding], roots: Iterable[Root], now: datetime) -> RetentionPlan:
    """Rule on every holding: a root stays, what is young stays, what either needs stays; the rest goes.

    What goes goes before what it needs, so that a crash in between leaves nothing that lacks a part.
    """
    held = {holding.item: holding for holding in holdings}
    protected = _protected(held, roots, now)
    old = sorted((item for item, holding in held.items() if holding.expired(now)), key=_purge_order)
    purge = (Ruling(item, _age(held[item], now)) for item in old if item not in protected)
    kept = (Ruling(item, protected[item]) for item in old if item in protected)
    return RetentionPlan(tuple(purge), tuple(kept), len(held) - len(old))


def _protected(held: dict[Item, Holding], roots: Iterable[Root], now: datetime) -> dict[Item, str]:
    """Each item that must stay with its reason: the roots, and whatever is needed by what stays."""
    reasons: dict[Item, str] = {}
    for root in roots:
        reasons.setdefault(root.item, root.reason)
    young = (item for item, holding in held.items() if not holding.expired(now))
    waiting = deque([*reasons, *young])
    while waiting:
        item = waiting.popleft()
        for needed in held[item].needs if item in held else ():
            if needed not in reasons:
                reasons[needed] = f"is needed by {item}" + (
                    f", which {reasons[item]}" if item in reasons else ""
                )
                waiting.append(needed)
    return reasons


def _purge_order(item: Item) -> tuple[int, Item]:
    return _ORDER[item.kind], item


def _age(holding: Holding, now: datetime) -> str:
    age = (now - holding.since).days
    return f"{counted(age, 'day')} old, kept for {holding.days}, and nothing refers to it"
