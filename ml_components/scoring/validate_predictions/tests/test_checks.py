"""Each fault of a forecast has its name; what sensors really do has none."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from checks import Forecast, check, check_freshness, check_presence
from shared.circuit import Limits

HOURS = np.arange(28 * 24)
READINGS = (
    20.0 + 5.0 * np.sin(2 * np.pi * HOURS / 24) + 0.2 * np.random.default_rng(0).standard_normal(len(HOURS))
)
GOOD = 20.0 + 5.0 * np.sin(2 * np.pi * np.arange(24) / 24)


def _forecast(values: np.ndarray, readings: np.ndarray = READINGS) -> Forecast:
    return Forecast("flow", values, values - 1.0, values + 1.0, readings)


def _changed(where: slice | int, value: float) -> np.ndarray:
    values = GOOD.copy()
    values[where] = value
    return values


@pytest.mark.parametrize(
    ("values", "names"),
    [
        pytest.param(GOOD, [], id="sound"),
        pytest.param(_changed(3, np.nan), ["null"], id="a hole"),
        pytest.param(_changed(slice(None), np.nan), ["null"], id="nothing"),
        pytest.param(_changed(3, np.inf), ["null"], id="infinite"),
        pytest.param(GOOD + 15.0, ["range", "jump"], id="far above"),
        pytest.param(_changed(12, 13.0), ["jump"], id="a spike"),
        pytest.param(_changed(slice(None), 20.0), ["flat"], id="a line"),
        pytest.param(20.0 + 0.2 * (GOOD - 20.0), [], id="timid, but not flat"),
    ],
)
def test_faults_are_named(values: np.ndarray, names: list[str]) -> None:
    assert [finding.name for finding in check(_forecast(values), None)] == names


def test_an_interval_that_does_not_hold_its_forecast_is_a_fault() -> None:
    [finding] = check(Forecast("flow", GOOD, GOOD + 0.5, GOOD + 1.0, READINGS), None)
    assert (finding.name, finding.measured) == ("interval", 1.0)


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        (Limits(None, 24.0), ["limit"]),
        (Limits(16.0, None), ["limit"]),
        (Limits(10.0, 30.0), []),
        (Limits(), []),
    ],
)
def test_a_limit_that_will_be_passed_is_told(limits: Limits, names: list[str]) -> None:
    assert [finding.name for finding in check(_forecast(GOOD), limits)] == names


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param(np.full(100, np.nan), id="nothing read"),
        pytest.param(np.full(100, 20.0), id="a constant sensor, forecast as it is"),
        pytest.param(np.array([20.0]), id="one reading"),
    ],
)
def test_little_to_compare_with_is_no_fault(readings: np.ndarray) -> None:
    assert check(_forecast(np.full(24, 20.0), readings), None) == []


def test_a_sensor_that_steps_may_step() -> None:
    readings = np.repeat([0.0, 10.0, 0.0, 10.0], 50)
    assert check(_forecast(np.repeat([10.0, 0.0], 12), readings), None) == []


@pytest.mark.parametrize(("hours", "names"), [(0, []), (1, []), (2, ["stale"]), (50, ["stale"])])
def test_freshness(hours: int, names: list[str]) -> None:
    due = datetime(2025, 3, 1, tzinfo=UTC)
    found = check_freshness(due - timedelta(hours=hours), due, timedelta(hours=1))
    assert [finding.name for finding in found] == names


def test_a_sensor_without_forecast_is_absent() -> None:
    [finding] = check_presence(("flow", "level"), {"flow": _forecast(GOOD)})
    assert (finding.name, finding.sensor) == ("absent", "level")
