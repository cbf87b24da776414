"""What a fleet keeps, for how long, and why: nothing that something kept still needs is ever purged."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from busbar.domain import names
from busbar.domain.policies import RetentionPolicy, Stage
from busbar.domain.records import CircuitRecord
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.wording import counted

REGISTRY = "registry"


class Kind(StrEnum):
    """What is kept, in the order of purging: of two kinds only the earlier ever needs the later."""

    MODEL = "model"
    JOB = "job"
    DATA_ASSET = "data asset"


PLACES = (
    (Kind.MODEL, Stage.DEV.value),
    (Kind.MODEL, REGISTRY),
    (Kind.DATA_ASSET, Stage.DEV.value),
    *((Kind.JOB, stage.value) for stage in Stage),
)
"""What is kept where."""

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
    """An item that is there, since when, for how many days it is kept anyway, and what it cannot do without.

    `owner` is the orchestration that made it, where that is known.
    """

    item: Item
    since: datetime
    days: int
    needs: tuple[Item, ...] = ()
    owner: str = ""

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
        gone = of_each_kind(ruling.item for ruling in self.purge)
        return f"{gone} to purge; {len(self.kept)} kept although old, {self.young} young enough"


def of_each_kind(items: Iterable[Item]) -> str:
    """`2 models, 1 job`, or `nothing`."""
    counts = Counter(item.kind for item in items)
    return ", ".join(counted(counts[kind], kind) for kind in Kind if counts[kind]) or "nothing"


def days(terms: Mapping[Stage, RetentionPolicy], kind: Kind, place: str) -> int:
    """For how long something is kept. The registry serves test and prod: as long as either of them says."""
    stages = (Stage.TEST, Stage.PROD) if place == REGISTRY else (Stage(place),)
    return max(_days(terms.get(stage, RetentionPolicy()), kind) for stage in stages)


def predictions_before(terms: Mapping[Stage, RetentionPolicy], now: datetime) -> date:
    """Forecasts issued before this day (UTC) are purged: all stages' lie in one table, so the longest term holds."""
    longest = max(terms.get(stage, RetentionPolicy()).predictions_days for stage in Stage)
    return (now.astimezone(UTC) - timedelta(days=longest)).date()


def drift_reports_before(
    terms: Mapping[Stage, RetentionPolicy], place: str, now: datetime
) -> dict[Stage, date]:
    """A stage's drift reports and plots of days before this one (UTC) are purged: they are kept as long as its logs."""
    today = now.astimezone(UTC)
    return {
        stage: (today - timedelta(days=terms.get(stage, RetentionPolicy()).logs_days)).date()
        for stage in Stage
        if place in ("", stage)
    }


def agreed(found: RetentionPlan, shown: RetentionPlan) -> RetentionPlan:
    """What a plan of now and one that somebody was shown both purge; what only the older one does stays, and why.

    The reasons are those of now.
    """
    wanted = {ruling.item for ruling in shown.purge}
    kept = tuple(ruling for ruling in found.kept if ruling.item in wanted)
    left = wanted - {ruling.item for ruling in (*found.purge, *kept)}
    gone = tuple(Ruling(item, "is gone already, or young again") for item in sorted(left, key=_purge_order))
    purge = tuple(ruling for ruling in found.purge if ruling.item in wanted)
    return RetentionPlan(purge, (*kept, *gone), found.young)


def model(place: str, name: str, version: str) -> Item:
    return Item(Kind.MODEL, place, name, version)


def job(place: str, name: str) -> Item:
    return Item(Kind.JOB, place, name)


def data_asset(name: str, version: str) -> Item:
    """Data assets live in dev alone."""
    return Item(Kind.DATA_ASSET, Stage.DEV, name, version)


def released(release: ReleaseSet, reason: str) -> list[Root]:
    """Everything that a release set pins: its models where they are and where they may go, their jobs and data."""
    return [Root(item, reason) for pin in release.pins for item in pinned(pin)]


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


def pinned(pin: Pin) -> tuple[Item, ...]:
    """A model where it is and where it may go, its job and its data."""
    return (
        model(REGISTRY, pin.model_name, pin.model_version),
        model(Stage.DEV, pin.model_name, pin.model_version),
        data_asset(names.data_asset(pin.key), pin.data_asset_version),
        job(Stage.DEV, pin.job),
    )


def plan(holdings: Iterable[Holding], roots: Iterable[Root], now: datetime, place: str = "") -> RetentionPlan:
    """Rule on every holding: a root stays, what is young stays, what either needs stays; the rest goes.

    With a `place` only what is there is ruled on. What goes goes before what it needs, so that a crash in between
    leaves nothing that lacks a part.
    """
    held = {holding.item: holding for holding in holdings}
    protected = _protected(held, roots, now)
    asked = [item for item in held if place in ("", item.place)]
    old = sorted((item for item in asked if held[item].expired(now)), key=_purge_order)
    purge = (Ruling(item, _age(held[item], now)) for item in old if item not in protected)
    kept = (Ruling(item, protected[item]) for item in old if item in protected)
    return RetentionPlan(tuple(purge), tuple(kept), len(asked) - len(old))


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


def _days(policy: RetentionPolicy, kind: Kind) -> int:
    return {
        Kind.MODEL: policy.models_days,
        Kind.DATA_ASSET: policy.datasets_days,
        Kind.JOB: policy.logs_days,
    }[kind]


def _purge_order(item: Item) -> tuple[int, Item]:
    return _ORDER[item.kind], item


def _age(holding: Holding, now: datetime) -> str:
    age = (now - holding.since).days
    return f"{counted(age, 'day')} old, kept for {holding.days}, and nothing refers to it"
