"""What a model's answers count as: good, skipped or failed; and its error on what was read since."""

import numpy as np
import pytest
from forecasting.forecast import Forecasts, forecast, latency, replay_error

METADATA = {"horizon": 2, "season": 2, "sensors": ["a", "b"], "deviation": [2.0, 10.0]}


class Repeats:
    """A model that repeats the last value, and gives what it is told to for one sensor."""

    sensors = ("a", "b")
    metadata = METADATA

    def __init__(self, broken: float | None = None) -> None:
        self.broken = broken

    def predict(self, inputs: np.ndarray, *outputs: str) -> tuple[np.ndarray, ...]:
        found = np.repeat(inputs[:, -1:], 2, axis=1)
        if self.broken is not None:
            found[..., 0] = self.broken
        return tuple(found + {"lower": -1.0, "forecast": 0.0, "upper": 1.0}[name] for name in outputs)


def _inputs() -> np.ndarray:
    return np.arange(12.0).reshape(1, 6, 2).repeat(3, 0)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_has_failed(broken: float) -> None:
    found = forecast(Repeats(broken), _inputs())
    assert (found.good.sum(), found.failed) == (6, 6)


def test_a_gap_is_skipped_and_does_not_count_as_failed() -> None:
    inputs = _inputs()
    inputs[0, 2, 1] = np.nan
    found = forecast(Repeats(), inputs)
    found.outputs["forecast"][0, :, 1] = np.nan
    assert (found.good.sum(), found.failed) == (10, 0)


def test_errors_are_in_units_of_the_training_parts_deviation() -> None:
    inputs = _inputs()
    found = forecast(Repeats(), inputs)
    truth = inputs[:, -1:] + np.array([[4.0, 10.0], [4.0, np.nan]])
    error = replay_error(Repeats(), found, inputs, truth)
    assert error == {"mae": 1.5, "mse": 2.5, "seasonal_naive_mse": pytest.approx(3.97), "windows": 3}


def test_where_nothing_was_read_there_is_no_error() -> None:
    inputs = _inputs()
    error = replay_error(Repeats(), forecast(Repeats(), inputs), inputs, np.full((3, 2, 2), np.nan))
    assert error == {"mae": None, "mse": None, "seasonal_naive_mse": None, "windows": 0}


def test_latency_is_of_the_windows() -> None:
    found = Forecasts({}, np.empty((0, 0)), np.arange(1.0, 22.0))
    assert latency(found) == {"p50": 11.0, "p95": 20.0}
