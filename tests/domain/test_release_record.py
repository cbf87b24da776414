"""A release set on its way: legs, ends, and which circuits a newer one takes over."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.release_record import (
    Held,
    Leg,
    Origin,
    Place,
    ReleaseRecord,
    ReleaseStatus,
    Superseded,
    composed_before,
    overlap,
    went_back,
)
from tests.domain.pins import pin, release

ONE, TWO, THREE = (CircuitKey("PLANT1", f"CIRC{number}") for number in (1, 2, 3))


def record(
    *circuits: CircuitKey, at: str = "12:00", status: ReleaseStatus = ReleaseStatus.OPEN
) -> ReleaseRecord:
    composed = release(*[pin(key.circuit_id) for key in circuits], run=f"train-{at}")
    made = ReleaseRecord.of(composed, Origin.TRAINING, f"2025-12-09T{at}:00.000+00:00")
    return replace(made, status=status)


OLD, NEW = record(ONE, TWO), record(TWO, THREE, at="13:00")


def test_a_record_is_of_its_release():
    composed = release(pin("CIRC2"), pin("CIRC1"))
    made = ReleaseRecord.of(composed, Origin.HAND, "now")
    assert (made.id, made.digest, made.circuits) == (composed.id, composed.digest, (ONE, TWO))
    assert made.open


def test_places_but_the_registry_are_stages():
    assert [place.stage for place in Place] == [None, Stage.TEST, Stage.PROD]


@pytest.mark.parametrize(
    ("older", "newer", "taken"),
    [
        (OLD, NEW, (TWO,)),
        (NEW, OLD, ()),
        (OLD, OLD, ()),
        (OLD, record(THREE, at="13:00"), ()),
        (OLD, record(ONE, TWO, THREE, at="13:00"), (ONE, TWO)),
        (record(ONE, TWO, status=ReleaseStatus.RELEASED), NEW, ()),
        (OLD, record(TWO, at="13:00", status=ReleaseStatus.REJECTED), (TWO,)),
    ],
)
def test_a_newer_one_takes_over_what_both_pin(
    older: ReleaseRecord, newer: ReleaseRecord, taken: tuple[CircuitKey, ...]
):
    assert overlap(older, newer) == taken
    assert older.superseded_by(newer, "later").overtaken == taken


def test_a_circuit_is_taken_over_once():
    newest = record(ONE, TWO, at="14:00")
    twice = OLD.superseded_by(NEW, "later").superseded_by(newest, "later").superseded_by(newest, "later")
    assert twice.superseded == (Superseded(TWO, NEW.id), Superseded(ONE, newest.id))
    assert twice.successors == (NEW.id, newest.id)


def test_of_the_same_moment_one_is_first():
    one, other = record(ONE), record(ONE, TWO)
    assert composed_before(one, other) is not composed_before(other, one)


def test_a_place_is_noted_once_and_the_first_end_counts():
    leg = Leg(Place.TEST, "1 of 2 deployed", "later", (ONE,))
    noted = OLD.after(Leg(Place.TEST, "early", "early")).after(leg)
    assert noted.legs == (leg,)
    assert (noted.leg(Place.TEST), noted.leg(Place.PROD), noted.sentence) == (leg, None, "1 of 2 deployed")
    ended = noted.ended(ReleaseStatus.RELEASED, "done", "end")
    assert ended.ended(ReleaseStatus.FAILED, "no", "later") == ended
    assert (ended.status, ended.sentence, ended.open) == (ReleaseStatus.RELEASED, "done", False)


KEYS = st.sets(st.sampled_from([ONE, TWO, THREE]), min_size=1)
TIMES = st.sampled_from(["12:00", "12:01", "12:02"])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(KEYS, TIMES), min_size=1, max_size=5))
def test_whoever_looks_first_every_circuit_ends_with_the_newest(
    described: list[tuple[set[CircuitKey], str]],
):
    """Each release set may look at the open ones before or after the others: the outcome is the same."""
    records = {one.id: one for one in (replace(record(*sorted(keys), at=at)) for keys, at in described)}
    for looker in list(records):
        for id, other in records.items():
            records[id] = other.superseded_by(records[looker], "later")
            records[looker] = records[looker].superseded_by(other, "later")
    for key in (ONE, TWO, THREE):
        pinning = [one for one in records.values() if key in one.circuits]
        left = [one for one in pinning if key not in one.overtaken]
        assert len(left) == min(1, len(pinning))
        assert all(not composed_before(left[0], one) for one in pinning if left)


REASON = "rolled back by operator: it drifts"


def test_a_release_set_that_serves_nothing_any_more_is_rolled_back():
    served = OLD.after(Leg(Place.PROD, "2 of 2", "t", (ONE, TWO))).ended(ReleaseStatus.RELEASED, "done", "t")
    one_left = went_back(Place.PROD, (ONE,), REASON, "t2")(served)
    leg = one_left.leg(Place.PROD)
    assert leg
    assert (one_left.status, leg.reached, leg.held) == (
        ReleaseStatus.RELEASED,
        (TWO,),
        (Held(ONE, REASON),),
    )
    none_left = went_back(Place.PROD, (TWO,), REASON, "t3")(one_left)
    assert (none_left.status, none_left.sentence) == (ReleaseStatus.ROLLED_BACK, REASON)


def test_a_release_set_that_went_back_before_it_was_through_is_rolled_back():
    assert went_back(Place.PROD, (ONE, TWO), REASON, "t")(OLD).status is ReleaseStatus.ROLLED_BACK


def test_a_release_set_that_is_retried_is_open_again():
    assert OLD.ended(ReleaseStatus.FAILED, "it broke off", "t").reopened("t2").open
    assert OLD.reopened("t2") == OLD
