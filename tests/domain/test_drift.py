"""A circuit's drift verdict: which finding counts, what the stage's limits let pass, what is remembered."""

from dataclasses import replace
from typing import Any

import pytest

from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import CircuitDrift, DriftVerdict, judge, not_judged, remembered
from busbar.domain.policies import AlertPolicy, Stage
from tests.domain.drifts import finding, report

KEY = CircuitKey("PLANT1", "CIRC1")
ALERTS = AlertPolicy(model_drift=0.10, data_drift=0.15)
DATA, RESIDUAL = finding("data drift"), finding("residual drift")
BROKEN = finding("data-quality", sentence="flow is stuck")
MODEL = finding(
    "model drift", None, measured=1.4, limit=1.1, sentence="the error is 1.4 times that of training"
)
PREDICTION = finding("prediction drift")
SEEN_ONCE = finding("data drift", severity="watch")


def verdict(*findings: dict[str, Any], **given: Any) -> CircuitDrift:
    return judge(KEY, "2025-12-09", report(*findings, **given), ALERTS)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ((), DriftVerdict.SOUND),
        ((SEEN_ONCE,), DriftVerdict.WATCH),
        ((DATA,), DriftVerdict.DATA),
        ((RESIDUAL,), DriftVerdict.DATA),
        ((MODEL,), DriftVerdict.MODEL),
        ((PREDICTION,), DriftVerdict.PREDICTION),
        ((DATA, MODEL, PREDICTION), DriftVerdict.MODEL),
        ((SEEN_ONCE, PREDICTION), DriftVerdict.PREDICTION),
        ((MODEL, DATA, BROKEN), DriftVerdict.DATA_QUALITY),
    ],
)
def test_the_finding_that_counts_most_is_the_verdict(
    findings: tuple[dict[str, Any], ...], expected: DriftVerdict
):
    assert verdict(*findings).verdict is expected
    assert verdict(*reversed(findings)).verdict is expected


def test_each_limit_of_the_stage_has_its_verdict():
    assert verdict(DATA, distance=0.16).verdict is DriftVerdict.DATA
    small = verdict(DATA, distance=0.14)
    assert small.verdict is DriftVerdict.WATCH
    assert small.sentence == (
        "PLANT1/CIRC1: watch: flow has moved (its distance of 0.14 is within data_drift 0.15)"
    )
    assert verdict(MODEL).excess == pytest.approx(4.0)
    assert verdict(DATA, distance=0.30).excess == pytest.approx(2.0)


def test_broken_data_is_never_mended_by_training():
    assert not verdict(BROKEN, MODEL, DATA).verdict.mended_by_training


def test_the_verdict_says_why_in_a_sentence():
    assert verdict(MODEL, DATA).sentence == (
        "PLANT1/CIRC1: model drift: the error is 1.4 times that of training, and 1 more"
    )
    assert verdict().sentence == "PLANT1/CIRC1: no drift"


def test_what_cannot_be_judged_says_so():
    young = report()
    young["drift"]["not_judged"] = [{"name": "short-reference", "sentence": "it has 12 days of readings"}]
    assert judge(KEY, "2025-12-09", young, ALERTS).sentence == (
        "PLANT1/CIRC1: not judged: it has 12 days of readings"
    )
    failed = report() | {"drift": {"problem": "no reading up to 2025-12-09"}}
    assert judge(KEY, "2025-12-09", failed, ALERTS) == not_judged(
        KEY, "2025-12-09", "no reading up to 2025-12-09"
    )


@pytest.mark.parametrize(
    ("validation", "told"),
    [
        ({"valid": True, "sentence": "sound"}, ""),
        ({"valid": False, "sentence": "PLANT1/CIRC1: flow is flat"}, "PLANT1/CIRC1: flow is flat"),
        ({"problem": "no forecast: score first"}, "no forecast: score first"),
    ],
)
def test_forecasts_that_may_not_be_relied_on_are_told(validation: dict[str, Any], told: str):
    assert judge(KEY, "2025-12-09", report() | {"validation": validation}, ALERTS).forecasts == told


def test_a_limit_of_nothing_at_all_leaves_figures_finite():
    strict = AlertPolicy(model_drift=0.0, data_drift=0.0)
    assert judge(KEY, "d", report(DATA, distance=0.3), strict).excess == pytest.approx(30.0)


# --- what is remembered -------------------------------------------------------------------------------------


def day(number: int, found: DriftVerdict = DriftVerdict.SOUND) -> CircuitDrift:
    return CircuitDrift(KEY, f"2025-12-{number:02}", found, str(found))


def test_days_leave_marks_the_newest_is_the_record():
    record = remembered(None, Stage.PROD, day(8), "8th")
    record = replace(record, response="asked", incident="drift-1")
    record = remembered(record, Stage.PROD, day(9, DriftVerdict.DATA), "9th")
    assert (record.judged, record.at, record.response, record.incident) == (
        day(9, DriftVerdict.DATA), "9th", "", "drift-1",
    )  # fmt: skip
    assert [(mark.day, mark.verdict) for mark in record.marks] == [
        ("2025-12-08", DriftVerdict.SOUND), ("2025-12-09", DriftVerdict.DATA),
    ]  # fmt: skip
    before = record.before("2025-12-09")
    assert before is not None
    assert before.verdict is DriftVerdict.SOUND
    assert record.before("2025-12-08") is None


def test_a_day_that_is_judged_again_replaces_its_mark_and_keeps_what_was_done():
    record = replace(remembered(None, Stage.PROD, day(9, DriftVerdict.DATA), "then"), response="asked")
    again = remembered(record, Stage.PROD, day(9), "now")
    assert [mark.verdict for mark in again.marks] == [DriftVerdict.SOUND]
    assert (again.judged, again.response) == (day(9), "asked")


def test_a_day_made_up_for_leaves_only_its_mark():
    record = remembered(None, Stage.PROD, day(9), "9th")
    late = remembered(record, Stage.PROD, day(7, DriftVerdict.WATCH), "late")
    assert late.judged == day(9)
    assert [mark.day for mark in late.marks] == ["2025-12-07", "2025-12-09"]


def test_marks_are_kept_for_a_month():
    record = None
    for number in range(1, 32):
        record = remembered(record, Stage.PROD, day(number), "")
    assert record is not None
    assert (len(record.marks), record.marks[0].day) == (30, "2025-12-02")
