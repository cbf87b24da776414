"""The chain of the audit log: what was done to it is found, and named."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.audit import EMPTY, GENESIS, ChainVerdict, Entry, Fault, Head, chained, digest, verify

AT = "2025-12-09T12:00:00+00:00"


def a_chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    head = EMPTY
    for number in range(1, length + 1):
        entry = chained(
            head, AT, id=f"vote-{number}", kind="vote", subject="r-1", actor="ml-lead",
            sentence=f"ml-lead approved step {number}", details={"step": number, "excluded": []},
        )  # fmt: skip
        entries.append(entry)
        head = Head(entry.sequence, entry.digest)
    return entries


def resealed(entry: Entry, **changes: Any) -> Entry:
    """An entry that somebody changed and gave a digest that fits."""
    changed = replace(entry, **changes)
    return replace(changed, digest=digest(changed))


def test_anybody_can_compute_the_digest():
    """A chain written by one version of Busbar is verified by the next: the canonical form may not move."""
    canonical = (
        b'{"actor":"ml-lead","at":"2025-12-09T12:00:00+00:00","details":{"excluded":[],"step":1},"id":"vote-1",'
        b'"kind":"vote","previous":"' + b"0" * 64 + b'","sentence":"ml-lead approved step 1","sequence":1,'
        b'"subject":"r-1"}'
    )
    assert a_chain(1)[0].digest == hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_an_untouched_chain_is_whole(length: int):
    entries = a_chain(length)
    head = Head(length, entries[-1].digest) if entries else EMPTY
    assert verify(entries) == verify(entries, head)
    assert verify(entries, head).whole
    assert verify(entries, head).entries == length


def test_entries_appended_since_the_head_was_read_are_no_fault():
    entries = a_chain(5)
    assert verify(entries, Head(3, entries[2].digest)).whole


A, B, C, D, E = a_chain(5)
HEAD = Head(5, E.digest)
FORK = resealed(C, actor="somebody-else")

BROKEN = {
    "a sentence altered": ([A, replace(B, sentence="rejected"), C, D, E], Fault.ALTERED, 2, "vote-2"),
    "a detail altered": ([A, B, replace(C, details={"step": 4}), D, E], Fault.ALTERED, 3, "vote-3"),
    "a time altered": ([A, B, C, D, replace(E, at="2025-12-10T12:00:00+00:00")], Fault.ALTERED, 5, "vote-5"),
    "a digest altered": ([A, B, C, replace(D, digest=GENESIS), E], Fault.ALTERED, 4, "vote-4"),
    "altered and sealed again": ([A, B, FORK, D, E], Fault.FORKED, 4, "vote-4"),
    "the last one altered and sealed again": ([A, B, C, D, resealed(E, actor="x")], Fault.FORKED, 5, "vote-5"),
    "the first removed": ([B, C, D, E], Fault.REMOVED, 2, "vote-2"),
    "two removed": ([A, D, E], Fault.REMOVED, 4, "vote-4"),
    "the end removed": ([A, B, C], Fault.REMOVED, 4, None),
    "all removed": ([], Fault.REMOVED, 1, None),
    "two changed places": ([A, C, B, D, E], Fault.REORDERED, 3, "vote-3"),
    "the last put first": ([E, A, B, C, D], Fault.REORDERED, 5, "vote-5"),
    "two of the same number": ([A, B, C, FORK, D, E], Fault.FORKED, 3, "vote-3"),
    "the same twice": ([A, B, B, C, D, E], Fault.FORKED, 2, "vote-2"),
    "begun elsewhere": ([resealed(A, previous="1" * 64), B, C, D, E], Fault.FORKED, 1, "vote-1"),
    "numbered from nought": ([resealed(A, sequence=0), A, B, C, D, E], Fault.FORKED, 0, "vote-1"),
}  # fmt: skip


@pytest.mark.parametrize(("entries", "fault", "sequence", "entry"), BROKEN.values(), ids=BROKEN)
def test_the_first_broken_entry_is_named(
    entries: list[Entry], fault: Fault, sequence: int, entry: str | None
):
    verdict = verify(entries, HEAD)
    assert (verdict.whole, verdict.fault, verdict.sequence, verdict.entry) == (False, fault, sequence, entry)
    assert str(sequence) in verdict.sentence
    assert (entry or "removed") in verdict.sentence


def test_what_was_removed_is_counted():
    assert verify([A, D, E], HEAD).sentence == "before entry 4 (vote-4) entries 2 to 3 were removed"
    assert verify([A, B, C, D], HEAD).sentence == "at the end entry 5 was removed: the head says so"


def test_nobody_misses_the_end_without_a_head():
    assert verify([A, B, C]) == ChainVerdict("3 entries, each follows the one before it", 3)


@given(st.data(), st.integers(2, 12))
def test_no_change_goes_unnoticed(data: st.DataObject, length: int):
    """Whatever a hand does to one place of the chain: drop, swap, repeat or rewrite."""
    entries = a_chain(length)
    head = Head(length, entries[-1].digest)
    place = data.draw(st.integers(0, length - 1))
    other = data.draw(st.integers(0, length - 1).filter(lambda number: number != place))
    changed = list(entries)
    match data.draw(st.sampled_from(["drop", "swap", "repeat", "rewrite", "seal"])):
        case "drop":
            del changed[place]
        case "swap":
            changed[place], changed[other] = changed[other], changed[place]
        case "repeat":
            changed.insert(other, entries[place])
        case "rewrite":
            changed[place] = replace(entries[place], sentence=data.draw(st.text("ab é")) + "!")
        case _:
            changed[place] = resealed(entries[place], actor=data.draw(st.text("ab é")) + "!")
    verdict = verify(changed, head)
    assert not verdict.whole
    assert verdict.sentence


def test_the_same_said_again_is_the_same_wherever_it_stands():
    assert A.says(resealed(A, at="later", sequence=9, previous=GENESIS))
    assert not A.says(resealed(A, details={"step": 2, "excluded": []}))
    assert not A.says(B)
