"""The audit log: who decided what, in a chain in which every entry carries the digest of the one before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

FINGERPRINT_DIGITS = 8

GENESIS = "0" * 64
"""What the first entry carries as the digest before it."""


@dataclass(frozen=True)
class Head:
    """The end of the chain: the sequence (from 1) and digest of its last entry."""

    sequence: int
    digest: str


EMPTY = Head(0, GENESIS)


@dataclass(frozen=True)
class Entry:
    """One decision. `subject` is what it is about (a release, a request, a circuit), `actor` a login or a rule.

    `id` is the caller's: appended again it changes nothing. `at` is ISO 8601, UTC; `details` is plain JSON;
    `previous` is the digest of the entry before, `digest` that of this one.
    """

    id: str
    sequence: int
    at: str
    kind: str
    subject: str
    actor: str
    sentence: str
    details: Mapping[str, Any]
    previous: str
    digest: str

    def says(self, other: "Entry") -> bool:
        """Whether both say the same, whenever and wherever in the chain they were written."""
        return _statement(self) == _statement(other)


def fingerprint(said: str) -> str:
    """What an entry's id ends with where a run that is retried may come to say something else under it."""
    return hashlib.sha256(said.encode()).hexdigest()[:FINGERPRINT_DIGITS]


class Fault(StrEnum):
    """What can be wrong with a chain."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    FORKED = "forked"


@dataclass(frozen=True)
class ChainVerdict:
    """Whether a chain is whole; `entry` is the id of the first broken one (what should be there is not: None)."""

    sentence: str
    entries: int
    fault: Fault | None = None
    sequence: int | None = None
    entry: str | None = None

    @property
    def whole(self) -> bool:
        return self.fault is None


def digest(entry: Entry) -> str:
    """SHA-256 of an entry's canonical JSON (sorted keys, no spaces, ASCII), its own digest left out."""
    content = {item.name: getattr(entry, item.name) for item in fields(entry) if item.name != "digest"}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def chained(
    head: Head,
    at: str,
    *,
    id: str,
    kind: str,
    subject: str,
    actor: str,
    sentence: str,
    details: Mapping[str, Any],
) -> Entry:
    """The entry that follows `head`."""
    entry = Entry(
        id, head.sequence + 1, at, kind, subject, actor, sentence, dict(details), head.digest, digest=""
    )
    return replace(entry, digest=digest(entry))


def verify(entries: Iterable[Entry], head: Head | None = None) -> ChainVerdict:
    """Whether `entries`, in the order in which they are kept, are the whole chain up to `head`.

    Without a `head` entries that were cut off at the end are not missed. Entries beyond it were appended since it
    was read, and have to follow as well.
    """
    kept = list(entries)
    before = EMPTY
    for place, entry in enumerate(kept):
        if fault := _fault(entry, before, kept[place:]):
            return _broken(fault, entry, before, len(kept))
        before = Head(entry.sequence, entry.digest)
        if head and head.sequence == entry.sequence and head.digest != entry.digest:
            sentence = f"entry {entry.sequence} ({entry.id}) does not have the digest that the head names"
            return ChainVerdict(sentence, len(kept), Fault.FORKED, entry.sequence, entry.id)
    if head and head.sequence > before.sequence:
        sentence = f"at the end {_span(before.sequence + 1, head.sequence)} removed: the head says so"
        return ChainVerdict(sentence, len(kept), Fault.REMOVED, before.sequence + 1)
    return ChainVerdict(f"{len(kept)} entries, each follows the one before it", len(kept))


def _fault(entry: Entry, before: Head, rest: list[Entry]) -> Fault | None:
    expected = before.sequence + 1
    if digest(entry) != entry.digest:
        return Fault.ALTERED
    if entry.sequence > expected:
        return Fault.REORDERED if any(later.sequence == expected for later in rest) else Fault.REMOVED
    if entry.sequence < expected or entry.previous != before.digest:
        return Fault.FORKED
    return None


def _broken(fault: Fault, entry: Entry, before: Head, count: int) -> ChainVerdict:
    name, expected = f"entry {entry.sequence} ({entry.id})", before.sequence + 1
    match fault:
        case Fault.ALTERED:
            sentence = f"{name} was altered: its content does not have the digest that it was written with"
        case Fault.REORDERED:
            sentence = f"{name} was reordered: it stands where entry {expected} belongs"
        case Fault.REMOVED:
            sentence = f"before {name} {_span(expected, entry.sequence - 1)} removed"
        case Fault.FORKED if entry.sequence < expected:
            sentence = f"{name} is a fork: entry {expected} belongs in its place"
        case Fault.FORKED:
            sentence = (
                f"{name} is a fork: it was written after another entry {before.sequence} than the one kept"
            )
    return ChainVerdict(sentence, count, fault, entry.sequence, entry.id)


def _span(first: int, last: int) -> str:
    return f"entry {first} was" if first == last else f"entries {first} to {last} were"


def _statement(entry: Entry) -> str:
    return _canonical([entry.id, entry.kind, entry.subject, entry.actor, entry.sentence, entry.details])


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
