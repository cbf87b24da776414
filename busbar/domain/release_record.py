"""Release sets on their way: who composed one from what, how far it has come, and what has superseded it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from busbar.domain.approval import Outcome
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.release import ReleaseSet


class Origin(StrEnum):
    """What a release set was composed from."""

    TRAINING = "training"
    HAND = "hand"
    TEST = "test"
    ENVIRONMENT = "environment"


class Place(StrEnum):
    """Where a release set goes, in this order."""

    REGISTRY = "registry"
    TEST = "test"
    PROD = "prod"

    @property
    def stage(self) -> Stage | None:
        return None if self is Place.REGISTRY else Stage(self)


class ReleaseStatus(StrEnum):
    """Open until its journey ends; `rejected` also when nobody decided in time."""

    OPEN = "open"
    RELEASED = "released"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled back"

    @classmethod
    def of(cls, done: bool, outcome: Outcome) -> "ReleaseStatus":
        """How a journey ended, by whether its last place took anything and by what people said there."""
        if done:
            return cls.RELEASED
        told = {
            Outcome.REJECTED: cls.REJECTED,
            Outcome.EXPIRED: cls.REJECTED,
            Outcome.SUPERSEDED: cls.SUPERSEDED,
            Outcome.CANCELLED: cls.CANCELLED,
        }
        return told.get(outcome, cls.FAILED)


@dataclass(frozen=True)
class Held:
    """A circuit that did not reach a place, and why."""

    key: CircuitKey
    reason: str


@dataclass(frozen=True)
class Leg:
    """How a release set fared at a place; `at` is ISO 8601, UTC."""

    place: Place
    sentence: str
    at: str
    reached: tuple[CircuitKey, ...] = ()
    held: tuple[Held, ...] = ()


@dataclass(frozen=True)
class Superseded:
    """A circuit that a newer release set has taken over."""

    key: CircuitKey
    by: str


@dataclass(frozen=True)
class ReleaseRecord:
    """A release set's line in the index. Times are ISO 8601, UTC; `run` is what composed it."""

    id: str
    digest: str
    origin: Origin
    run: str
    commit: str
    requester: str
    composed_at: str
    circuits: tuple[CircuitKey, ...]
    status: ReleaseStatus = ReleaseStatus.OPEN
    sentence: str = ""
    updated_at: str = ""
    legs: tuple[Leg, ...] = ()
    superseded: tuple[Superseded, ...] = ()

    @classmethod
    def of(cls, release: ReleaseSet, origin: Origin, at: str) -> "ReleaseRecord":
        circuits = tuple(sorted(pin.key for pin in release.pins))
        who = (release.run, release.commit, release.requester)
        return cls(release.id, release.digest, origin, *who, at, circuits, updated_at=at)

    @property
    def open(self) -> bool:
        return self.status is ReleaseStatus.OPEN

    @property
    def successors(self) -> tuple[str, ...]:
        """The release sets that have taken over some of its circuits, each once."""
        return tuple(dict.fromkeys(one.by for one in self.superseded))

    @property
    def overtaken(self) -> tuple[CircuitKey, ...]:
        return tuple(one.key for one in self.superseded)

    def leg(self, place: Place) -> Leg | None:
        return next((leg for leg in self.legs if leg.place is place), None)

    def after(self, leg: Leg) -> "ReleaseRecord":
        """With a leg more; the same place again replaces what was noted of it."""
        known = self.leg(leg.place)
        if known and replace(known, at=leg.at) == leg:
            return self
        others = tuple(known for known in self.legs if known.place is not leg.place)
        return replace(self, legs=(*others, leg), sentence=leg.sentence, updated_at=leg.at)

    def ended(self, status: ReleaseStatus, sentence: str, at: str) -> "ReleaseRecord":
        """At its end; the first end counts."""
        return replace(self, status=status, sentence=sentence, updated_at=at) if self.open else self

    def reopened(self, at: str) -> "ReleaseRecord":
        """On its way again, since somebody retried its journey."""
        return self if self.open else replace(self, status=ReleaseStatus.OPEN, updated_at=at)

    def superseded_by(self, newer: "ReleaseRecord", at: str) -> "ReleaseRecord":
        """Less the circuits that a newer release set pins. An ended one, and a newer one, stay as they are."""
        taken = [key for key in overlap(self, newer) if key not in self.overtaken]
        if not taken:
            return self
        more = tuple(Superseded(key, newer.id) for key in taken)
        return replace(self, superseded=(*self.superseded, *more), updated_at=at)


def went_back(
    place: Place, keys: tuple[CircuitKey, ...], reason: str, at: str
) -> Callable[[ReleaseRecord], ReleaseRecord]:
    """Takes away the circuits that were rolled back at a place; a release set that serves none there is rolled back."""

    def changed(record: ReleaseRecord) -> ReleaseRecord:
        known = record.leg(place) or Leg(place, reason, at)
        reached = tuple(key for key in known.reached if key not in keys)
        others = tuple(one for one in known.held if one.key not in keys)
        held = (*others, *(Held(key, reason) for key in keys))
        found = record.after(Leg(place, known.sentence, at, reached, held))
        return found if reached else replace(found, status=ReleaseStatus.ROLLED_BACK, sentence=reason)

    return changed


def overlap(older: ReleaseRecord, newer: ReleaseRecord) -> tuple[CircuitKey, ...]:
    """The circuits of an open release set that a newer one pins as well."""
    if not older.open or not composed_before(older, newer):
        return ()
    return tuple(key for key in older.circuits if key in set(newer.circuits))


def composed_before(one: ReleaseRecord, other: ReleaseRecord) -> bool:
    """The order of release sets; those of the same second are told apart by their ids."""
    return (one.composed_at, one.id) < (other.composed_at, other.id)
