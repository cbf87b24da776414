"""What is purged and what is kept: a table, and a property over wild fleets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import RetentionPolicy, Stage
from busbar.domain.records import CircuitRecord
from busbar.domain.release import ReleaseSet
from busbar.domain.retention import (
    PLACES,
    REGISTRY,
    Holding,
    Item,
    Kind,
    RetentionPlan,
    Root,
    agreed,
    data_asset,
    days,
    job,
    model,
    newest,
    plan,
    released,
)
from busbar.domain.training import Verdict
from tests.domain.test_release import ONE

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAME = "PLANT1_CIRC1_model"
DEV_3, SHARED_3 = model(Stage.DEV, NAME, "3"), model(REGISTRY, NAME, "3")
DATA, JOB = data_asset("PLANT1_CIRC1", "2025-12-09"), job(Stage.DEV, ONE.job)


def holding(item: Item, age: int, *needs: Item, days: int = 30) -> Holding:
    return Holding(item, NOW - timedelta(days=age), days, needs)


def chain(*, model_age: int = 90) -> list[Holding]:
    """A model, the data it was trained on and the job that made it: all old but perhaps the model."""
    return [holding(JOB, 90), holding(DATA, 90), holding(DEV_3, model_age, DATA, JOB)]


def purged(found: RetentionPlan) -> list[Item]:
    return [ruling.item for ruling in found.purge]


def test_what_is_old_and_needed_by_nothing_goes_before_what_it_needs():
    found = plan(chain(), (), NOW)
    assert purged(found) == [DEV_3, JOB, DATA]
    assert found.purge[0].reason == "90 days old, kept for 30, and nothing refers to it"
    assert found.sentence == "1 model, 1 job, 1 data asset to purge; 0 kept although old, 0 young enough"


@pytest.mark.parametrize(("age", "goes"), [(29, False), (30, False), (31, True)])
def test_an_age_of_exactly_the_limit_is_kept(age: int, goes: bool):
    assert purged(plan([holding(DEV_3, age)], (), NOW)) == [DEV_3] * goes


def test_a_young_model_keeps_its_old_job_and_data():
    found = plan(chain(model_age=1), (), NOW)
    assert (purged(found), found.young) == ([], 1)
    assert [(ruling.item, ruling.reason) for ruling in found.kept] == [
        (JOB, "is needed by model PLANT1_CIRC1_model:3 in dev"),
        (DATA, "is needed by model PLANT1_CIRC1_model:3 in dev"),
    ]


def test_a_root_keeps_all_that_it_needs_and_every_reason_names_it():
    found = plan(chain(), [Root(DEV_3, "serves PLANT1/CIRC1 in prod")], NOW)
    assert purged(found) == []
    assert [ruling.reason for ruling in found.kept] == [
        "serves PLANT1/CIRC1 in prod",
        "is needed by model PLANT1_CIRC1_model:3 in dev, which serves PLANT1/CIRC1 in prod",
        "is needed by model PLANT1_CIRC1_model:3 in dev, which serves PLANT1/CIRC1 in prod",
    ]
    assert found.sentence == "nothing to purge; 3 kept although old, 0 young enough"


def test_the_first_reason_counts():
    roots = [Root(JOB, "is of a run under way"), Root(JOB, "is in open release r-1")]
    assert plan(chain(), roots, NOW).kept[0].reason == "is of a run under way"


def test_a_release_keeps_the_models_the_jobs_and_the_data_of_its_pins():
    release = ReleaseSet("train-1", "c" * 40, "data-scientist", (ONE,), "env")
    assert {root.item for root in released(release, "is in open release r-1")} == {DEV_3, SHARED_3, JOB, DATA}


RECORD = CircuitRecord(
    CircuitKey("PLANT1", "CIRC1"), "0123456789ab", Verdict.TRAINED, "passed", "train-1", "c" * 40, "2025-12-09", "now"
)  # fmt: skip


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (RECORD, {DATA}),
        (replace(RECORD, job=ONE.job), {DATA, JOB}),
        (replace(RECORD, job=ONE.job, model_version="3", registry_version="3"), {DATA, JOB, DEV_3, SHARED_3}),
    ],
)
def test_a_circuits_latest_training_is_kept(record: CircuitRecord, kept: set[Item]):
    roots = newest(record)
    assert {root.item for root in roots} == kept
    assert {root.reason for root in roots} == {"is of PLANT1/CIRC1's latest training"}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (SHARED_3, "model PLANT1_CIRC1_model:3 in the registry"),
        (JOB, f"job {ONE.job} in dev"),
        (DATA, "data asset PLANT1_CIRC1:2025-12-09 in dev"),
    ],
)
def test_an_item_says_what_it_is(item: Item, said: str):
    assert str(item) == said


# --- whatever the ages ------------------------------------------------------------------------------------

ITEMS = [
    Item(kind, place, f"n{number}") for kind in Kind for place in ("dev", REGISTRY) for number in range(3)
]
ORDER = list(Kind)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Holding], list[Root]]:
    """Wild ages, needs that point to any later kind (to what is gone as well), any roots."""
    holdings: list[Holding] = []
    for item in draw(st.lists(st.sampled_from(ITEMS), unique=True)):
        later = [other for other in ITEMS if ORDER.index(other.kind) > ORDER.index(item.kind)]
        needs = draw(st.lists(st.sampled_from(later), unique=True)) if later else []
        holdings.append(holding(item, draw(st.integers(-10, 10**5)), *needs, days=draw(st.integers(0, 400))))
    return holdings, [Root(item, "is served") for item in draw(st.lists(st.sampled_from(ITEMS)))]


def reachable(holdings: list[Holding], start: set[Item]) -> set[Item]:
    """What `start` needs, and what that needs: written otherwise than the rule under test."""
    needs = {holding.item: set(holding.needs) for holding in holdings}
    seen = set(start)
    while grown := {need for item in seen for need in needs.get(item, set[Item]())} - seen:
        seen |= grown
    return seen


@given(fleets())
def test_nothing_that_a_root_or_a_young_item_needs_is_ever_purged(fleet: tuple[list[Holding], list[Root]]):
    holdings, roots = fleet
    young = {holding.item for holding in holdings if not holding.expired(NOW)}
    gone = set(purged(plan(holdings, roots, NOW)))
    assert not gone & reachable(holdings, {root.item for root in roots} | young)


@given(fleets())
def test_all_else_that_is_old_goes_and_every_ruling_says_why(fleet: tuple[list[Holding], list[Root]]):
    holdings, roots = fleet
    found = plan(holdings, roots, NOW)
    ruled = [ruling.item for ruling in (*found.purge, *found.kept)]
    assert sorted(ruled) == sorted(holding.item for holding in holdings if holding.expired(NOW))
    assert len(ruled) + found.young == len(holdings)
    assert all(ruling.reason for ruling in (*found.purge, *found.kept))
    young = {holding.item for holding in holdings if not holding.expired(NOW)}
    safe = reachable(holdings, {root.item for root in roots} | young)
    assert {ruling.item for ruling in found.kept} <= safe


@given(fleets(), st.integers(0, 30))
def test_a_crash_anywhere_leaves_nothing_without_what_it_needs(
    fleet: tuple[list[Holding], list[Root]], done: int
):
    holdings, roots = fleet
    there = {holding.item for holding in holdings}
    left = there - set(purged(plan(holdings, roots, NOW))[:done])
    for holding in holdings:
        if holding.item in left:
            assert set(holding.needs) & there <= left


# --- terms, places and what was shown ---------------------------------------------------------------------

TERMS = {
    Stage.DEV: RetentionPolicy(30, 14, 60, 30),
    Stage.TEST: RetentionPolicy(90, 30, 180, 90),
    Stage.PROD: RetentionPolicy(365, 90, 730, 180),
}


@pytest.mark.parametrize(
    ("kind", "place", "kept_for"),
    [
        (Kind.MODEL, Stage.DEV, 30),
        (Kind.MODEL, REGISTRY, 365),
        (Kind.DATA_ASSET, Stage.DEV, 60),
        (Kind.JOB, Stage.DEV, 14),
        (Kind.JOB, Stage.TEST, 30),
        (Kind.JOB, Stage.PROD, 90),
    ],
)
def test_the_stages_say_for_how_long(kind: Kind, place: str, kept_for: int):
    assert days(TERMS, kind, place) == kept_for
    assert (kind, place) in PLACES


def test_a_place_is_ruled_on_alone_and_still_keeps_what_others_need():
    young = holding(model(REGISTRY, NAME, "3"), 1, DATA)
    found = plan([*chain(), young], (), NOW, place=Stage.DEV)
    assert (purged(found), [ruling.item for ruling in found.kept], found.young) == ([DEV_3, JOB], [DATA], 0)


def test_what_was_shown_and_is_needed_or_gone_by_now_stays():
    shown = plan([*chain(), holding(SHARED_3, 90)], (), NOW)
    found = agreed(plan(chain(), [Root(DEV_3, "serves PLANT1/CIRC1 in prod")], NOW), shown)
    assert purged(found) == []
    assert [(ruling.item, ruling.reason) for ruling in found.kept] == [
        (DEV_3, "serves PLANT1/CIRC1 in prod"),
        (JOB, "is needed by model PLANT1_CIRC1_model:3 in dev, which serves PLANT1/CIRC1 in prod"),
        (DATA, "is needed by model PLANT1_CIRC1_model:3 in dev, which serves PLANT1/CIRC1 in prod"),
        (SHARED_3, "is gone already, or young again"),
    ]


def test_what_nobody_was_shown_stays():
    shown = plan([holding(JOB, 90)], (), NOW)
    assert purged(agreed(plan(chain(), (), NOW), shown)) == [JOB]
