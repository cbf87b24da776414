"""The index of release sets, on a real table service."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from busbar.clients.releases import Releases
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound
from busbar.domain.release_record import Leg, Origin, Place, ReleaseRecord, ReleaseStatus, Superseded
from tests.azure import LocalAzure
from tests.domain.pins import pin, release


@pytest.fixture
def releases(local_azure: LocalAzure) -> Releases:
    return Releases(local_azure.settings)


def a_record(second: int = 0, year: int = 2025) -> ReleaseRecord:
    """A release set of its own, composed `second` seconds after noon."""
    composed = release(pin("CIRC1"), pin("CIRC2"), run=f"train-{uuid4()}")
    return ReleaseRecord.of(composed, Origin.TRAINING, f"{year}-12-09T12:00:{second:02d}.500+00:00")


def test_a_record_is_added_once(releases: Releases):
    record = a_record()
    assert releases.get(record.id) is None
    assert releases.add(record) == record
    changed = releases.update(record.id, lambda one: replace(one, sentence="on its way"))
    assert releases.add(record) == changed
    assert releases.get(record.id) == changed


def test_the_newest_come_first_and_page_by_page(releases: Releases):
    records = [a_record(second, year=2190) for second in (3, 1, 2, 5, 4)]  # newer than those of other tests
    for record in records:
        releases.add(record)
    ordered = sorted(records, key=lambda one: one.composed_at, reverse=True)
    assert releases.newest(3) == ordered[:3]
    assert releases.newest(2, after=ordered[2].id) == ordered[3:5]
    assert releases.newest(1, after=ordered[0].id) == ordered[1:2]
    with pytest.raises(NotFound, match="no release r-nothing"):
        releases.newest(3, after="r-nothing")


def test_what_is_open_is_listed_until_it_ends(releases: Releases):
    records = [a_record(2), a_record(1)]
    for record in records:
        releases.add(record)
    own = {record.id for record in records}
    assert [one.id for one in releases.open() if one.id in own] == [records[1].id, records[0].id]
    for _ in range(2):
        ended = releases.update(
            records[0].id, lambda one: one.ended(ReleaseStatus.REJECTED, "rejected", "now")
        )
    assert ended.status is ReleaseStatus.REJECTED
    assert [one.id for one in releases.open() if one.id in own] == [records[1].id]
    releases.update(records[0].id, lambda one: one.reopened("later"))
    assert [one.id for one in releases.open() if one.id in own] == [records[1].id, records[0].id]
    assert records[0].id in [one.id for one in releases.newest(1000)]


def test_updates_at_the_same_time_lose_nothing(releases: Releases):
    record = releases.add(a_record())
    legs = [Leg(place, f"{place} reached", "now", (CircuitKey("P", "C"),)) for place in Place]
    takers = [Superseded(CircuitKey("PLANT1", f"CIRC{number}"), f"r-{number}") for number in range(5)]

    def with_leg(leg: Leg) -> None:
        releases.update(record.id, lambda one: one.after(leg))

    def taken(taker: Superseded) -> None:
        releases.update(record.id, lambda one: replace(one, superseded=(*one.superseded, taker)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(with_leg, legs))
        list(pool.map(taken, takers))
    found = releases.get(record.id)
    assert found
    assert {leg.place for leg in found.legs} == set(Place)
    assert set(found.superseded) == set(takers)


def test_an_update_of_an_unknown_release_says_so(releases: Releases):
    with pytest.raises(NotFound, match="no release r-unknown"):
        releases.update("r-unknown", lambda one: one)


def test_a_release_of_two_hundred_circuits_comes_back(releases: Releases):
    composed = release(
        *[pin(f"CIRC{n}", plant=f"PLANT{p}") for p in range(20) for n in range(10)], run=str(uuid4())
    )
    record = ReleaseRecord.of(composed, Origin.TEST, "2025-12-09T12:00:00.000+00:00")
    releases.add(record)
    full = releases.update(record.id, lambda one: one.after(Leg(Place.PROD, "x" * 200, "now", one.circuits)))
    assert releases.get(record.id) == full
    assert len(full.legs[0].reached) == 200


def test_pins_are_kept_by_circuit_and_version(releases: Releases):
    plant = f"P{uuid4().hex[:12]}"
    kept = pin("CIRC1", "3", plant=plant)
    releases.keep_pin(kept)
    releases.keep_pin(kept)
    assert releases.pin(kept.key, "3") == kept
    assert releases.pin(kept.key, "4") is None
