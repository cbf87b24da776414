"""What a commit changed."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.changes import Change, ChangeType, compare, content_digest
from busbar.domain.circuits import Circuit, CircuitKey, Fleet, Limits
from busbar.domain.policies import Policies, Thresholds


def circuit(name: str) -> Circuit:
    return Circuit(CircuitKey("PLANT1", name), ("x", "y"), date(2025, 12, 1), 90, 60, {"look_back": 96})


A, B = circuit("A"), circuit("B")


def fleet(*circuits: Circuit) -> Fleet:
    return Fleet("c0ffee", circuits, (), Policies())


def test_without_a_before_all_are_new():
    assert compare(None, fleet(B, A)) == (
        Change(A.key, ChangeType.NEW, "new circuit"),
        Change(B.key, ChangeType.NEW, "new circuit"),
    )


def test_new_modified_removed_and_untouched():
    moved = replace(B, cutoff_date=date(2025, 12, 9))
    assert compare(fleet(A, B, circuit("C")), fleet(moved, circuit("C"), circuit("D"))) == (
        Change(A.key, ChangeType.REMOVED, "removed"),
        Change(B.key, ChangeType.MODIFIED, "cutoff_date 2025-12-01 → 2025-12-09"),
        Change(CircuitKey("PLANT1", "D"), ChangeType.NEW, "new circuit"),
    )


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"training_days": 60}, "training_days 90 → 60"),
        ({"frequency_minutes": 30}, "frequency_minutes 60 → 30"),
        ({"sensors": ("x", "z")}, "sensors x, y → x, z"),
        ({"hyperparameters": {"look_back": 48}}, "look_back 96 → 48"),
        ({"hyperparameters": {"look_back": 96, "seed": 7}}, "seed – → 7"),
        ({"hyperparameters": {}}, "look_back 96 → –"),
        ({"delta_version": 0}, "delta_version – → 0"),
        ({"limits": {"x": Limits(high=80.0)}}, "limits.x.high – → 80.0"),
        ({"thresholds": Thresholds(max_mae=3.0)}, "thresholds.max_mae – → 3.0"),
        (
            {"cutoff_date": date(2025, 12, 9), "training_days": 60},
            "cutoff_date 2025-12-01 → 2025-12-09, training_days 90 → 60",
        ),
    ],
)
def test_the_sentence_says_what_differs(changes: dict[str, Any], detail: str):
    assert compare(fleet(A), fleet(replace(A, **changes))) == (Change(A.key, ChangeType.MODIFIED, detail),)


def test_who_owns_a_circuit_changes_nothing():
    assert compare(fleet(A), fleet(replace(A, owner="ml-lead"))) == ()


FILES = st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=4)


@given(FILES)
def test_the_digest_does_not_depend_on_order(files: dict[str, bytes]):
    assert content_digest(files) == content_digest(dict(reversed(files.items())))


@given(FILES, FILES)
def test_the_digest_tells_contents_apart(one: dict[str, bytes], other: dict[str, bytes]):
    assert (content_digest(one) == content_digest(other)) == (one == other)


def test_the_digest_cannot_be_shifted_between_names_and_contents():
    assert content_digest({"a": b"bc"}) != content_digest({"ab": b"c"})
    assert content_digest({"a": b"b\x001\x00", "c": b""}) != content_digest({"a": b"b\x001\x00c"})
    assert content_digest({}) == "e3b0c44298fc1c14"
