"""What is on record of drift, on real tables and blobs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest

from busbar.clients.drifts import Drifts
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import CircuitDrift, DriftFinding, DriftRecord, DriftVerdict, remembered
from busbar.domain.drift_plan import Action, DriftPlan, Incident, IncidentStatus, Response
from busbar.domain.errors import NotFound
from busbar.domain.policies import Stage
from tests.azure import LocalAzure

DAY = "2025-12-09"


@pytest.fixture
def drifts(local_azure: LocalAzure) -> Drifts:
    return Drifts(local_azure.settings)


@pytest.fixture
def key() -> CircuitKey:
    return CircuitKey(f"P{uuid4().hex[:12]}", "CIRC1")


def judged(key: CircuitKey, day: str = DAY) -> CircuitDrift:
    finding = DriftFinding("data drift", "flow", "flow has moved", 3, DriftVerdict.DATA, 0.3, 0.1, 0.31, 2.1)
    return CircuitDrift(key, day, DriftVerdict.DATA, f"{key}: data drift", (finding,), 2.1, 1.04)


def incident(key: CircuitKey, opened: str = "2025-12-10T02:00:00+00:00") -> Incident:
    return Incident(
        f"drift-prod-{uuid4().hex[:8]}", Stage.PROD, DAY, "run", DriftVerdict.DATA, (key,), ("moved",), False,
        opened, opened,
    )  # fmt: skip


def test_a_circuits_record_is_kept_by_stage(drifts: Drifts, key: CircuitKey):
    assert drifts.record(Stage.PROD, key) is None
    drifts.change_record(Stage.PROD, key, lambda before: remembered(before, Stage.PROD, judged(key), "now"))
    record = drifts.record(Stage.PROD, key)
    assert record == remembered(None, Stage.PROD, judged(key), "now")
    assert record in drifts.records(Stage.PROD)
    assert record not in drifts.records(Stage.TEST)


def test_no_writer_of_a_record_is_lost(drifts: Drifts, key: CircuitKey):
    def judge(number: int) -> DriftRecord:
        day = f"2025-12-{number:02}"
        return drifts.change_record(
            Stage.PROD, key, lambda before: remembered(before, Stage.PROD, judged(key, day), "now")
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(judge, range(1, 9)))
    record = drifts.record(Stage.PROD, key)
    assert record is not None
    assert len(record.marks) == 8


def test_an_incident_stays_as_it_was_first_written(drifts: Drifts, key: CircuitKey):
    first = incident(key)
    drifts.add_incident(first)
    ended = drifts.change_incident(first.id, lambda one: replace(one, status=IncidentStatus.REJECTED))
    drifts.add_incident(first)
    assert drifts.incident(first.id) == ended
    with pytest.raises(NotFound):
        drifts.change_incident("drift-nothing", lambda one: one)


def test_incidents_are_listed_newest_first(drifts: Drifts, key: CircuitKey):
    early, late = incident(key), incident(key, "2025-12-11T02:00:00+00:00")
    for one in (early, late):
        drifts.add_incident(one)
    mine = [one for one in drifts.incidents(Stage.PROD) if key in one.circuits]
    assert mine == [late, early]
    assert not [one for one in drifts.incidents(Stage.TEST) if key in one.circuits]


def test_reports_plots_and_plans_are_found_again(drifts: Drifts, key: CircuitKey):
    assert drifts.report(Stage.PROD, key, DAY) is None
    assert drifts.plot(Stage.PROD, key, DAY) is None
    drifts.save_report(Stage.PROD, key, DAY, {"drift": {"severity": "none", "model_ratio": None}})
    drifts.save_plot(Stage.PROD, key, DAY, b"<svg/>")
    assert drifts.report(Stage.PROD, key, DAY) == {"drift": {"severity": "none", "model_ratio": None}}
    assert drifts.plot(Stage.PROD, key, DAY) == b"<svg/>"
    run = f"monitor-{uuid4().hex[:8]}"
    plan = DriftPlan(
        (Response(key, Action.ASK, "asked", "drift-1", news=True),), (incident(key),), "1 circuit"
    )
    assert drifts.plan(run) is None
    drifts.save_plan(run, plan)
    assert drifts.plan(run) == plan


def test_reports_and_plots_of_before_a_day_are_deleted_but_for_those_that_stay(
    drifts: Drifts, key: CircuitKey
):
    days = ("2020-01-01", "2020-01-02", "2020-01-03")
    for stage in (Stage.TEST, Stage.PROD):
        for day in days:
            drifts.save_report(stage, key, day, {"day": day})
            drifts.save_plot(stage, key, day, b"<svg/>")
    drifts.purge(Stage.PROD, date(2020, 1, 3), {(key, "2020-01-01")})
    kept = [(drifts.report(Stage.PROD, key, day), drifts.plot(Stage.PROD, key, day)) for day in days]
    assert [(bool(report), bool(plot)) for report, plot in kept] == [
        (True, True),
        (False, False),
        (True, True),
    ]
    assert all(drifts.report(Stage.TEST, key, day) for day in days)
