"""What differs between two release sets, and that nothing that differs is left out."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.gates import Metrics
from busbar.domain.policies import Thresholds
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.release_diff import Aspect, Change, diff
from tests.domain.pins import pin, release, releases

ONE, TWO, THREE = pin("CIRC1"), pin("CIRC2"), pin("CIRC3")
NEWER = pin("CIRC2", "4", mae=0.9)


def test_added_removed_changed_and_the_same():
    found = diff(release(ONE, TWO), release(TWO, THREE, run="other"))
    assert [change.sentence for change in found.changes] == [
        "PLANT1/CIRC1 removed: v3, cutoff date 2025-12-03",
        "PLANT1/CIRC3 added: v3, cutoff date 2025-12-03",
    ]
    assert found.same == (TWO.key,)
    assert found.sentence.endswith(": 1 added, 1 removed, 1 as before")


def test_a_change_says_then_and_now():
    before, after = release(ONE, TWO), release(ONE, NEWER)
    found = diff(before, after)
    (change,) = found.changes
    assert change.sentence == (
        "PLANT1/CIRC2 changed: model v3 → v4, "
        "cutoff date 2025-12-03 → 2025-12-04, data asset 2025-12-03 → 2025-12-04, MAE 1 → 0.9"
    )
    assert Aspect("training hash", "000000000003", "000000000004") in change.aspects
    assert found.sentence == f"{before.id} → {after.id}: 1 changed, 1 as before"


def test_a_change_that_no_sentence_names_first_is_told_all_the_same():
    found = diff(release(ONE), release(replace(ONE, thresholds=Thresholds(max_mae=6))))
    assert [change.sentence for change in found.changes] == ["PLANT1/CIRC1 changed: limits none → max_mae 6"]


OTHER: dict[str, Any] = {
    "key": CircuitKey("PLANT9", "CIRC1"),
    "metrics": replace(ONE.metrics, champion_mse=0.5),
    "thresholds": Thresholds(min_recall=0.5),
    "serving": Serving.ONLINE,
}


@pytest.mark.parametrize("name", [item.name for item in fields(Pin)])
def test_no_field_of_a_pin_differs_unseen(name: str):
    """A field that somebody adds to the pin has to be added to the diff."""
    other = replace(ONE, **{name: OTHER.get(name, "other")})
    assert diff(release(ONE), release(other)).changes


@pytest.mark.parametrize("name", [item.name for item in fields(Metrics)])
def test_no_metric_differs_unseen(name: str):
    other = replace(ONE, metrics=replace(ONE.metrics, **{name: 0.123456789}))
    (change,) = diff(release(ONE), release(other)).changes
    assert [aspect.after for aspect in change.aspects] == ["0.123457"]


@settings(deadline=None, max_examples=50)
@given(releases(), releases())
def test_the_way_back_is_the_inverse(a: ReleaseSet, b: ReleaseSet):
    there, back = diff(a, b), diff(b, a)
    assert back.changes == tuple(Change(change.after, change.before) for change in there.changes)
    assert back.same == there.same
    swapped = [
        [Aspect(one.name, one.after, one.before) for one in change.aspects] for change in there.changes
    ]
    assert swapped == [list(change.aspects) for change in back.changes]


@settings(deadline=None, max_examples=50)
@given(releases(), st.randoms())
def test_nothing_differs_from_itself_in_whatever_order(a: ReleaseSet, random: Any):
    shuffled = list(a.pins)
    random.shuffle(shuffled)
    other = replace(a, pins=tuple(shuffled))
    assert other.digest == a.digest
    assert diff(a, other).changes == ()
    assert diff(a, other).same == tuple(sorted(pin.key for pin in a.pins))


@settings(deadline=None, max_examples=50)
@given(releases(), releases())
def test_every_circuit_is_told_once(a: ReleaseSet, b: ReleaseSet):
    found = diff(a, b)
    told = [change.key for change in found.changes] + list(found.same)
    assert sorted(told) == sorted({pin.key for pin in (*a.pins, *b.pins)})
    assert all(change.sentence for change in found.changes)
