"""Gates: what passes, what does not, and the sentence."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.errors import BadRequest
from busbar.domain.gates import GateInput, GateResult, Metrics, evaluate, passed, summary
from busbar.domain.policies import ScaleFreePolicy, Thresholds

GOOD = Metrics(mae=4.0, rmse=6.0, accuracy=0.9, standardised_mse=0.3, skill_seasonal_naive=0.3)

DOCUMENT: dict[str, Any] = {
    "metrics": {"mae": 1, "rmse": 1.9, "r2": 0.8, "accuracy": 0.93, "precision": None, "recall": 0.5},
    "standardised": {"mse": 0.31, "mae": 0.37},
    "baselines": {"seasonal_naive": {"mse": 0.45, "mae": 0.44}, "champion": {"mse": 0.4}},
    "skill": {"seasonal_naive": 0.31},
}


def results(
    metrics: Metrics = GOOD, policy: ScaleFreePolicy | None = None, **limits: float
) -> dict[str, bool]:
    found = evaluate(GateInput(metrics, Thresholds(**limits), policy or ScaleFreePolicy()))
    return {result.gate: result.passed for result in found}


def test_only_the_scale_free_gates_apply_where_nothing_is_set():
    assert results() == {"min_skill_seasonal_naive": True}


@pytest.mark.parametrize(
    ("limits", "metrics", "expected"),
    [
        ({"max_mae": 4.0}, {}, True),
        ({"max_mae": 3.9}, {}, False),
        ({"max_mae": 3.9}, {"mae": math.nan}, False),
        ({"max_rmse": 6.0}, {}, True),
        ({"max_rmse": 5.9}, {}, False),
        ({"min_accuracy": 0.9}, {}, True),
        ({"min_accuracy": 0.91}, {}, False),
        ({"min_precision": 0.8}, {"precision": 0.8}, True),
        ({"min_precision": 0.8}, {"precision": 0.7}, False),
        ({"min_precision": 0.8}, {"precision": None}, False),
        ({"min_recall": 0.8}, {"recall": 0.9}, True),
        ({"min_recall": 0.0}, {"recall": None}, False),
    ],
)
def test_absolute_limits(limits: dict[str, float], metrics: dict[str, Any], expected: bool):
    [gate] = limits
    assert results(replace(GOOD, **metrics), **limits)[gate] is expected


@pytest.mark.parametrize(
    ("skill", "limit", "expected"),
    [(0.01, 0.0, True), (0.0, 0.0, False), (-0.2, 0.0, False), (math.nan, 0.0, False), (-0.1, -0.2, True)],
)
def test_skill_must_be_above_its_limit(skill: float, limit: float, expected: bool):
    policy = ScaleFreePolicy(min_skill_seasonal_naive=limit)
    assert results(replace(GOOD, skill_seasonal_naive=skill), policy)["min_skill_seasonal_naive"] is expected


@pytest.mark.parametrize(
    ("mse", "champion", "expected"),
    [
        (0.30, 0.30, True),
        (0.315, 0.30, True),
        (0.316, 0.30, False),
        (0.10, 0.30, True),
        (math.nan, 0.30, False),
        (0.0, 0.0, True),
        (0.1, 0.0, False),
    ],
)
def test_at_most_a_margin_worse_than_the_champion(mse: float, champion: float, expected: bool):
    metrics = replace(GOOD, standardised_mse=mse, champion_mse=champion)
    assert results(metrics)["max_mse_over_champion"] is expected


def test_results_say_what_was_measured_and_what_was_asked():
    found = evaluate(
        GateInput(replace(GOOD, skill_seasonal_naive=0.0), Thresholds(max_mae=3.5), ScaleFreePolicy())
    )
    assert not passed(found)
    assert summary(found) == (
        "max_mae failed: 4 (limit ≤ 3.5); min_skill_seasonal_naive failed: 0 (limit > 0)"
    )
    assert str(GateResult("min_accuracy", True, 0.9, 0.85)) == "min_accuracy passed: 0.9 (limit ≥ 0.85)"


def test_all_passed():
    found = evaluate(GateInput(GOOD, Thresholds(max_mae=5), ScaleFreePolicy()))
    assert passed(found)
    assert summary(found) == "; ".join(map(str, found))
    assert "max_mae passed: 4 (limit ≤ 5)" in summary(found)


def test_metrics_are_read_from_the_evaluation():
    assert Metrics.read(DOCUMENT) == Metrics(
        mae=1.0,
        rmse=1.9,
        accuracy=0.93,
        r2=0.8,
        precision=None,
        recall=0.5,
        standardised_mse=0.31,
        seasonal_naive_mse=0.45,
        skill_seasonal_naive=0.31,
        champion_mse=0.4,
    )
    assert (
        Metrics.read(DOCUMENT | {"baselines": DOCUMENT["baselines"] | {"champion": None}}).champion_mse
        is None
    )


@pytest.mark.parametrize("name", list(DOCUMENT))
@pytest.mark.parametrize("value", [None, [], {}, "x", 7])
def test_what_the_evaluation_lacks_is_said(name: str, value: Any):
    with pytest.raises(BadRequest, match=r"metrics\.json: the evaluation did not report"):
        Metrics.read(DOCUMENT | {name: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mae", "mse", "champion", "seasonal_naive", "r2"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from([*DOCUMENT]), JSON), JSON)
def test_whatever_the_evaluation_says_gates_have_a_verdict(changes: dict[str, Any], precision: Any):
    document = {**DOCUMENT, "metrics": {**DOCUMENT["metrics"], "precision": precision}, **changes}
    try:
        metrics = Metrics.read(document)
    except BadRequest:
        return
    limits = Thresholds(5.0, 5.0, 0.5, 0.5, 0.5)
    assert all(
        isinstance(result.passed, bool) for result in evaluate(GateInput(metrics, limits, ScaleFreePolicy()))
    )
