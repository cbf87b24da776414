"""What is asked for when circuits drift: never beyond the budget, never in cool-down, never for broken data."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import CircuitDrift, DriftVerdict
from busbar.domain.drift_plan import Action, DriftPlan, Incident, IncidentStatus, Occasion, Seen, plan
from busbar.domain.policies import MonitoringPolicy, Stage

POLICY = MonitoringPolicy(cooldown_days=14, retrains_a_day=4, retrains_a_week=6, plant_wide=3)
TODAY = date(2026, 1, 20)
NOW = Occasion(Stage.PROD, "2026-01-19", "monitor-prod-2026-01-19", "2026-01-20T02:30:00+00:00")


def key(plant: int, circuit: int) -> CircuitKey:
    return CircuitKey(f"PLANT{plant}", f"CIRC{circuit}")


def seen(
    which: CircuitKey,
    verdict: DriftVerdict = DriftVerdict.DATA,
    excess: float = 1.5,
    before: DriftVerdict | None = None,
) -> Seen:
    return Seen(CircuitDrift(which, "2026-01-19", verdict, f"{which}: {verdict}", excess=excess), before)


def incident(
    *circuits: CircuitKey,
    days_ago: int,
    status: IncidentStatus = IncidentStatus.COMMITTED,
    run: str = "other",
) -> Incident:
    at = f"{TODAY - timedelta(days=days_ago)}T03:00:00+00:00"
    return Incident(
        id=f"drift-{days_ago}", stage=Stage.PROD, day="2026-01-01", run=run, verdict=DriftVerdict.DATA,
        circuits=circuits, lines=tuple(map(str, circuits)), plant_wide=False, opened=at, at=at, status=status,
    )  # fmt: skip


def actions(made: DriftPlan) -> dict[CircuitKey, Action]:
    return {response.key: response.action for response in made.responses}


A, B, C, D, E = (key(1, number) for number in range(1, 6))
OTHER = key(2, 1)


@pytest.mark.parametrize(
    ("verdict", "action"),
    [
        (DriftVerdict.SOUND, Action.NOTHING),
        (DriftVerdict.NOT_JUDGED, Action.NOTHING),
        (DriftVerdict.WATCH, Action.NOTHING),
        (DriftVerdict.PREDICTION, Action.TELL),
        (DriftVerdict.DATA_QUALITY, Action.TELL),
        (DriftVerdict.DATA, Action.ASK),
        (DriftVerdict.MODEL, Action.ASK),
    ],
)
def test_only_what_a_training_mends_is_asked_for(verdict: DriftVerdict, action: Action):
    made = plan([seen(A, verdict)], [], POLICY, NOW)
    assert actions(made) == {A: action}
    assert len(made.incidents) == (action is Action.ASK)


def test_circuits_that_drift_by_themselves_are_asked_about_one_by_one():
    made = plan([seen(A), seen(B), seen(OTHER)], [], POLICY, NOW)
    assert [one.circuits for one in made.incidents] == [(A,), (B,), (OTHER,)]
    assert made.incidents[0].sentence == "PLANT1/CIRC1: data drift"


def test_a_plant_that_drifts_as_one_is_asked_about_once():
    made = plan([seen(A), seen(B), seen(C), seen(OTHER)], [], POLICY, NOW)
    wide, single = made.incidents
    assert (wide.circuits, wide.plant_wide, single.circuits) == ((A, B, C), True, (OTHER,))
    assert wide.sentence == "PLANT1, plant-wide: data drift of CIRC1, CIRC2, CIRC3 on the same day"
    assert wide.lines == tuple(f"{one}: data drift" for one in (A, B, C))


def test_different_kinds_are_not_one_incident():
    made = plan([seen(A), seen(B), seen(C, DriftVerdict.MODEL)], [], POLICY, NOW)
    assert [one.circuits for one in made.incidents] == [(A,), (B,), (C,)]


def test_it_is_plant_wide_though_most_of_it_cools_down():
    made = plan([seen(A), seen(B), seen(C)], [incident(A, B, days_ago=3)], POLICY, NOW)
    assert [(one.circuits, one.plant_wide) for one in made.incidents] == [((C,), True)]


def test_the_most_severe_go_first_and_the_rest_waits():
    circuits = [seen(key(number, 1), excess=float(number)) for number in range(1, 7)]
    made = plan(circuits, [], POLICY, NOW)
    assert [one.circuits[0].plant_id for one in made.incidents] == ["PLANT6", "PLANT5", "PLANT4", "PLANT3"]
    assert actions(made)[key(2, 1)] is Action.DEFERRED
    deferred = next(one for one in made.responses if one.key == key(1, 1))
    assert deferred.sentence == "deferred: 4 retrains a day are asked for already, the more severe first"


def test_a_week_has_a_budget_too():
    made = plan([seen(A), seen(B)], [incident(C, D, E, OTHER, key(3, 1), days_ago=2)], POLICY, NOW)
    assert sorted(actions(made).values()) == [Action.DEFERRED, Action.ASK]
    assert next(one for one in made.responses if one.action is Action.DEFERRED).sentence == (
        "deferred: 6 retrains a week are asked for already, the more severe first"
    )
    assert (
        len(plan([seen(A)], [incident(*[key(4, n) for n in range(1, 9)], days_ago=7)], POLICY, NOW).incidents)
        == 1
    )


@pytest.mark.parametrize(
    ("days_ago", "status", "asked"),
    [
        (1, IncidentStatus.COMMITTED, False),
        (13, IncidentStatus.REJECTED, False),
        (13, IncidentStatus.EXPIRED, False),
        (14, IncidentStatus.COMMITTED, True),
        (20, IncidentStatus.WAITING, False),
        (1, IncidentStatus.FAILED, True),
    ],
)
def test_nobody_is_asked_again_soon(days_ago: int, status: IncidentStatus, asked: bool):
    made = plan([seen(A)], [incident(A, days_ago=days_ago, status=status)], POLICY, NOW)
    assert (actions(made)[A] is Action.ASK) is asked


def test_cooling_down_says_until_when_and_why():
    made = plan([seen(A)], [incident(A, days_ago=3, status=IncidentStatus.REJECTED)], POLICY, NOW)
    assert made.responses[0].sentence == (
        "not asked again before 2026-01-31: drift-3 was rejected on 2026-01-17"
    )


def test_news_is_told_once():
    broken = DriftVerdict.DATA_QUALITY
    made = plan(
        [seen(A, broken), seen(B, broken, before=DriftVerdict.SOUND), seen(C, broken, before=broken)],
        [], POLICY, NOW,
    )  # fmt: skip
    assert [one.news for one in made.responses] == [True, True, False]


def test_the_whole_is_a_sentence():
    made = plan(
        [seen(A), seen(B), seen(C), seen(OTHER, DriftVerdict.SOUND), seen(key(2, 2), DriftVerdict.DATA_QUALITY)],
        [incident(B, days_ago=1)], POLICY, NOW,
    )  # fmt: skip
    assert made.sentence == (
        "5 circuits judged: 1 no drift, 3 data drift, 1 data quality; 2 retrains asked for in 1 incident; "
        "1 cooling down"
    )
    assert plan([], [], POLICY, NOW).sentence == "no circuit is served"


# --- whatever comes -----------------------------------------------------------------------------------------

KEYS = st.builds(key, st.integers(1, 4), st.integers(1, 8))
DRIFTS = st.lists(
    st.builds(seen, KEYS, st.sampled_from(DriftVerdict), st.floats(0, 1e6)),
    max_size=40,
    unique_by=lambda one: one.drift.key,
)
PAST = st.lists(
    st.builds(
        lambda keys, days, status: incident(*sorted(keys), days_ago=days, status=status),
        st.sets(KEYS, min_size=1, max_size=5), st.integers(0, 30), st.sampled_from(IncidentStatus),
    ),
    max_size=8,
)  # fmt: skip
POLICIES = st.builds(
    MonitoringPolicy,
    cooldown_days=st.integers(1, 30),
    retrains_a_day=st.integers(0, 12),
    retrains_a_week=st.integers(0, 20),
    plant_wide=st.integers(2, 6),
)


@given(DRIFTS, PAST, POLICIES)
def test_it_never_asks_for_more_than_the_budget(
    drifts: list[Seen], past: list[Incident], policy: MonitoringPolicy
):
    asked = sum(len(one.circuits) for one in plan(drifts, past, policy, NOW).incidents)
    today = sum(len(one.circuits) for one in past if one.opened[:10] == TODAY.isoformat())
    week = sum(len(one.circuits) for one in past if one.opened[:10] > (TODAY - timedelta(days=7)).isoformat())
    assert asked <= max(0, min(policy.retrains_a_day - today, policy.retrains_a_week - week))


@given(DRIFTS, PAST, POLICIES)
def test_it_never_asks_in_cool_down_nor_about_what_training_does_not_mend(
    drifts: list[Seen], past: list[Incident], policy: MonitoringPolicy
):
    asked = [one for opened in plan(drifts, past, policy, NOW).incidents for one in opened.circuits]
    since = (TODAY - timedelta(days=policy.cooldown_days)).isoformat()
    cooling = {
        one for known in past for one in known.circuits
        if known.status is not IncidentStatus.FAILED and known.at[:10] > since
    }  # fmt: skip
    mended = {one.drift.key for one in drifts if one.drift.verdict.mended_by_training}
    assert not cooling & set(asked)
    assert set(asked) <= mended
    assert len(asked) == len(set(asked))


@given(DRIFTS, PAST, POLICIES, st.data())
def test_it_is_the_same_plan_in_any_order_and_planned_again(
    drifts: list[Seen], past: list[Incident], policy: MonitoringPolicy, data: st.DataObject
):
    made = plan(drifts, past, policy, NOW)
    shuffled, turned = data.draw(st.permutations(drifts)), data.draw(st.permutations(past))
    assert plan(shuffled, turned, policy, NOW) == made
    assert plan(drifts, [*past, *made.incidents], policy, NOW) == made


@given(DRIFTS, PAST, POLICIES)
def test_every_circuit_gets_one_response_with_a_reason(
    drifts: list[Seen], past: list[Incident], policy: MonitoringPolicy
):
    made = plan(drifts, past, policy, NOW)
    assert sorted(one.key for one in made.responses) == sorted(one.drift.key for one in drifts)
    assert all(one.sentence for one in made.responses if one.action is not Action.NOTHING)
    opened = {one.id for one in made.incidents}
    assert {one.incident for one in made.responses if one.action is Action.ASK} == opened


def test_another_run_of_the_day_sees_what_the_first_asked():
    made = plan([seen(A)], [], POLICY, NOW)
    again = plan([seen(A)], made.incidents, POLICY, replace(NOW, run="monitor-prod-2026-01-19-120000"))
    assert actions(again) == {A: Action.COOLING}
