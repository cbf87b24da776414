import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.machine_learning.monitors.metrics import is_numerical, measure

TENS = [str(value) for value in range(10)]
SHIFTED = [str(value + 5) for value in range(10)]


@pytest.mark.parametrize(
    ("metric", "reference", "production", "expected"),
    [
        ("jensenShannonDistance", TENS, TENS, 0.0),
        ("jensenShannonDistance", ["a"] * 4, ["b"] * 4, 1.0),
        ("jensenShannonDistance", ["a", "b"], ["a", "a"], 0.5579230452841438),
        ("populationStabilityIndex", ["a", "b"], ["a", "b"], 0.0),
        ("populationStabilityIndex", ["a", "a", "a", "b"], ["a", "b", "b", "b"], math.log(3)),
        ("normalizedWassersteinDistance", TENS, SHIFTED, 5 / math.sqrt(8.25)),
        ("NormalizedWassersteinDistance", TENS, TENS, 0.0),
        ("nullValueRate", TENS, ["1", "", "2", ""], 0.5),
        ("dataTypeErrorRate", TENS, ["1", "x", "2", ""], 0.25),
        ("dataTypeErrorRate", ["a", "b"], ["1", "x"], 0.0),
        ("outOfBoundsRate", TENS, ["-1", "0", "9", "10"], 0.5),
        ("outOfBoundsRate", ["a", "b"], ["a", "c", "", "b"], 0.25),
    ],
)
def test_metrics(metric: str, reference: list[str], production: list[str], expected: float) -> None:
    assert measure(metric, reference, production) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["twoSampleKolmogorovSmirnovTest", "pearsonsChiSquaredTest", "any"])
def test_what_is_not_computed_has_no_value(metric: str) -> None:
    assert measure(metric, TENS, TENS) is None


@pytest.mark.parametrize(("reference", "production"), [([], TENS), (TENS, []), (["", ""], TENS)])
def test_nothing_has_no_metrics(reference: list[str], production: list[str]) -> None:
    assert measure("jensenShannonDistance", reference, production) is None


@pytest.mark.parametrize(
    ("sample", "expected"),
    [(["1", "2.5", "-1e3"], True), (["1", ""], True), (["1", "x"], False), (["nan"], False), ([], False)],
)
def test_what_is_numerical(sample: list[str], expected: bool) -> None:
    assert is_numerical(sample) is expected


COLUMNS = st.lists(
    st.one_of(st.text(max_size=3), st.floats(-1e6, 1e6).map(str), st.just("")), min_size=1, max_size=30
)


@given(COLUMNS, COLUMNS)
def test_any_columns_can_be_measured(reference: list[str], production: list[str]) -> None:
    distance = measure("jensenShannonDistance", reference, production)
    assert distance is None or 0 <= distance <= 1 + 1e-9
    for metric in ("nullValueRate", "dataTypeErrorRate", "outOfBoundsRate"):
        rate = measure(metric, reference, production)
        assert rate is None or 0 <= rate <= 1
    for metric in ("populationStabilityIndex", "normalizedWassersteinDistance"):
        value = measure(metric, reference, production)
        assert value is None or value >= 0
