"""What refers to what: a table, and a property over wild fleets: what somebody may still need is never purged."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.records import (
    Candidate,
    CircuitRecord,
    DeploymentRecord,
    RolledBack,
    RunRecord,
    RunStatus,
    ScoringRecord,
    Served,
)
from busbar.domain.references import References, Training, roots, stage_sets
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.release_record import Leg, Origin, Place, ReleaseRecord
from busbar.domain.retention import (
    REGISTRY,
    Holding,
    Item,
    agreed,
    data_asset,
    job,
    model,
    plan,
)
from busbar.domain.training import Verdict
from tests.domain.pins import COMMIT, pin, release

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = [CircuitKey("PLANT1", f"CIRC{number}") for number in (1, 2)]
VERSIONS = ("1", "2", "3", "4")
PINS = [pin(key.circuit_id, version) for key in KEYS for version in VERSIONS]
KEY = KEYS[0]


def served(one: Pin) -> Served:
    name = names.deployment(one.key, one.model_version)
    return Served(name, one.model_name, one.model_version, one.cutoff_date, one.circuit_config, "now")


def deployment(active: Pin, stage: Stage = Stage.PROD) -> DeploymentRecord:
    return DeploymentRecord.first(active.key, stage, "be", served(active))


def mark(one: Pin) -> RolledBack:
    return RolledBack(served(one).deployment, one.model_version, None, "rollback-1", "operator", "bad", "now")


def old(item: Item, *needs: Item, owner: str = "") -> Holding:
    return Holding(item, NOW - timedelta(days=1000), 30, needs, owner)


def everything() -> list[Holding]:
    """All that ever was trained, all of it old: each model in dev needs its job and its data."""
    found: list[Holding] = []
    for one in PINS:
        data, made_by = data_of(one), job(Stage.DEV, one.job)
        found += [
            old(model(Stage.DEV, one.model_name, one.model_version), made_by, data),
            old(model(REGISTRY, one.model_name, one.model_version)),
            old(made_by, data, owner=f"train-{COMMIT}-{one.key.plant_id}-{one.key.circuit_id}"),
            old(data),
        ]
    return found


def data_of(one: Pin) -> Item:
    return data_asset(names.data_asset(one.key), one.data_asset_version)


def whole(one: Pin) -> set[Item]:
    """A model wherever it is, with all that made it."""
    places = (Stage.DEV.value, REGISTRY)
    models = {model(place, one.model_name, one.model_version) for place in places}
    return models | {job(Stage.DEV, one.job), data_of(one)}


def kept(references: References) -> dict[Item, str]:
    holdings = everything()
    return {ruling.item: ruling.reason for ruling in plan(holdings, roots(references, holdings), NOW).kept}


FIRST, SECOND, THIRD, FOURTH = PINS[:4]
CANDIDATE = Candidate(**vars(served(THIRD)))


@pytest.mark.parametrize(
    ("record", "needed", "reason"),
    [
        (deployment(FIRST), FIRST, "serves PLANT1/CIRC1 in prod"),
        (replace(deployment(FIRST), candidate=CANDIDATE), THIRD, "ramps up for PLANT1/CIRC1 in prod"),
        (replace(deployment(FIRST), previous=served(SECOND)), SECOND, "is what PLANT1/CIRC1 in prod goes back to"),
        (
            deployment(FIRST, Stage.TEST).marked(mark(FOURTH)),
            FOURTH,
            "was rolled back for PLANT1/CIRC1 in test, which somebody may lift",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pins", [(), tuple(PINS)], ids=["pins unknown", "pins known"])
def test_a_deployment_keeps_all_parts_of_it(
    record: DeploymentRecord, needed: Pin, reason: str, pins: tuple[Pin, ...]
):
    found = kept(References(deployments=(record,), pins=pins))
    assert whole(needed) <= found.keys()
    assert {found[model(place, needed.model_name, needed.model_version)] for place in ("dev", REGISTRY)} == {
        reason
    }


def test_what_nothing_refers_to_goes():
    found = kept(References(deployments=(deployment(FIRST),), pins=tuple(PINS)))
    assert set(found) == whole(FIRST)


def test_a_release_set_that_is_kept_keeps_its_pins_its_replays_and_its_notebook():
    asked = release(FIRST, SECOND)
    replay = job(Stage.PROD, f"deploy-prod-{asked.id}-wave-1-PLANT1-CIRC1--bake25-a1-candidate")
    notebook = job(Stage.DEV, f"evidence-{asked.id}")
    holdings = [
        old(replay, owner=f"deploy-prod-{asked.id}-wave-1-PLANT1-CIRC1"),
        old(notebook, owner=f"evidence-{asked.id}"),
        old(job(Stage.PROD, "deploy-prod-r-0-PLANT1-CIRC1--bake25-a1-candidate"), owner="deploy-prod-r-0"),
    ]
    found = roots(References(releases=((asked, "is in release set r-1, which is open"),)), holdings)
    assert {root.item for root in found} == whole(FIRST) | whole(SECOND) | {replay, notebook}
    assert {root.reason for root in found} == {"is in release set r-1, which is open"}


def test_every_revision_of_a_circuits_data_is_kept():
    record = circuit(FIRST)
    revision = data_asset(names.data_asset(KEY), f"{FIRST.cutoff_date}.2")
    found = roots(References(circuits=(record,)), [old(revision)])
    assert revision in {root.item for root in found}


def test_what_a_run_under_way_trains_on_and_has_made_is_kept():
    run = RunRecord("train-c-1", COMMIT, "develop", "data-scientist", RunStatus.WAITING, "", "now")
    training = Training(run, {KEY: SECOND.cutoff_date})
    found = kept(References(trainings=(training,)))
    assert found[data_of(SECOND)] == "is of train-c-1, which is waiting"
    assert {job(Stage.DEV, one.job) for one in PINS} <= found.keys()  # all of that commit


def test_the_latest_scoring_and_the_latest_merge_are_kept():
    scoring = ScoringRecord(KEY, Stage.TEST, "2026-01-01", "score-1", "completed", 3, "now")
    together = replace(scoring, job="catch-up-test-2026-01-01-1")
    found = roots(References(scorings=(scoring, together), last_merge="merge-1"), ())
    assert {(root.item, root.reason) for root in found} == {
        (job(Stage.TEST, "score-1"), "is the latest scoring of PLANT1/CIRC1"),
        (job(Stage.DEV, together.job), "is the latest scoring of PLANT1/CIRC1"),
        (job(Stage.DEV, "merge-1"), "is the latest merge"),
    }


def test_of_each_stage_the_last_two_release_sets_are_kept():
    def record(number: int, *places: Place, reached: bool = True) -> ReleaseRecord:
        legs = tuple(Leg(place, "", "now", (KEY,) if reached else ()) for place in places)
        base = ReleaseRecord.of(release(FIRST, run=str(number)), Origin.TRAINING, f"2026-01-0{number}")
        return replace(base, id=f"r-{number}", legs=legs)

    both = (Place.REGISTRY, Place.TEST, Place.PROD)
    newest_first = [
        record(6, Place.REGISTRY),
        record(5, Place.TEST, Place.PROD, reached=False),
        record(4, Place.REGISTRY, Place.TEST),
        record(3, *both),
        record(2, *both),
        record(1, *both),
    ]
    assert stage_sets(newest_first) == {
        "r-4": "is in release set r-4, one of the last two in test",
        "r-3": "is in release set r-3, one of the last two in test",
        "r-2": "is in release set r-2, one of the last two in prod",
    }


def circuit(one: Pin) -> CircuitRecord:
    return CircuitRecord(
        one.key, one.training_hash, Verdict.TRAINED, "passed", "train-1", COMMIT, one.cutoff_date, "now",
        job=one.job, model_version=one.model_version,
    )  # fmt: skip


# --- whatever the state -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """A fleet: what serves where, what is open, what trains; and which of all things are still there."""

    references: References
    holdings: list[Holding]

    def needed(self) -> Iterator[Pin]:
        """Every model that serves, may serve or is decided about: found otherwise than by the rule under test."""
        by_name = {(one.model_name, one.model_version): one for one in PINS}
        for record in self.references.deployments:
            parts = [record, record.candidate, record.previous]
            yield from (by_name[part.model_name, part.model_version] for part in parts if part)
            for one in record.rolled_back:
                yield by_name[names.model(record.key), one.model_version]
        for kept_whole, _ in self.references.releases:
            yield from kept_whole.pins
        for record in self.references.circuits:
            yield next(one for one in PINS if one.job == record.job)


def of(key: CircuitKey) -> st.SearchStrategy[Pin]:
    return st.sampled_from([one for one in PINS if one.key == key])


@st.composite
def deployments(draw: st.DrawFn, stage: Stage, key: CircuitKey) -> DeploymentRecord:
    record = deployment(draw(of(key)), stage)
    if draw(st.booleans()):
        record = replace(record, previous=served(draw(of(key))), previous_stands=draw(st.booleans()))
    if draw(st.booleans()):
        record = replace(record, candidate=Candidate(**vars(served(draw(of(key))))))
    for one in draw(st.lists(of(key), max_size=2)):
        record = record.marked(mark(one))
    return record


@st.composite
def states(draw: st.DrawFn) -> State:
    places = [(stage, key) for stage in Stage for key in KEYS]
    serving = [draw(deployments(*place)) for place in draw(st.lists(st.sampled_from(places), unique=True))]
    sets: list[ReleaseSet] = [
        release(*[draw(of(key)) for key in draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1))])
        for _ in range(draw(st.integers(0, 2)))
    ]
    references = References(
        deployments=tuple(serving),
        circuits=tuple(circuit(one) for one in draw(st.lists(st.sampled_from(PINS), max_size=2))),
        releases=tuple((one, f"is in release set {one.id}") for one in sets),
        pins=tuple(PINS),
    )
    return State(references, draw(st.lists(st.sampled_from(everything()), unique_by=lambda one: one.item)))


@given(states())
def test_nothing_that_serves_may_serve_or_is_decided_about_is_ever_purged(state: State):
    found = plan(state.holdings, roots(state.references, state.holdings), NOW)
    gone = {ruling.item for ruling in found.purge}
    for one in state.needed():
        assert not gone & whole(one), f"{one.model_name}:{one.model_version} loses parts"


@given(states())
def test_all_else_goes(state: State):
    found = plan(state.holdings, roots(state.references, state.holdings), NOW)
    safe = {item for one in state.needed() for item in whole(one)}
    needs = {one.item: set(one.needs) for one in state.holdings}
    while grown := {need for item in safe for need in needs.get(item, set[Item]())} - safe:
        safe |= grown
    assert {ruling.item for ruling in found.kept} <= safe
    assert len(found.purge) + len(found.kept) == len(state.holdings)


@given(states(), states())
def test_what_came_to_be_needed_since_it_was_shown_stays(before: State, after: State):
    """The same things are there; what refers to them has changed."""
    holdings = before.holdings
    shown = plan(holdings, roots(before.references, holdings), NOW)
    fresh = plan(holdings, roots(after.references, holdings), NOW)
    found = agreed(fresh, shown)
    gone = {ruling.item for ruling in found.purge}
    for state in (before, after):
        for one in state.needed():
            assert not gone & whole(one)
    assert {ruling.item for ruling in (*found.purge, *found.kept)} == {ruling.item for ruling in shown.purge}
    assert gone == {ruling.item for ruling in shown.purge} & {ruling.item for ruling in fresh.purge}
