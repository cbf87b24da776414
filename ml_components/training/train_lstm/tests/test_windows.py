"""Splits, gaps and windows: in order of time, and blind to the future."""

from datetime import timedelta

import numpy as np
import pytest
from conftest import END, SMALL
from shared.circuit import Limits, parse_circuit
from shared.errors import InputError
from shared.metrics import errors, exceedances, seasonal_naive, skill
from shared.readings import Series
from shared.windows import latest_look_backs, make_windows, rows_needed, split_rows, split_windows

NAN = np.nan


def _circuit(**changes):
    return parse_circuit(
        {
            "plant_id": "PLANT1",
            "circuit_id": "CIRC1",
            "sensors": ["a"],
            "cutoff_date": "2025-02-28",
            "hyperparameters": SMALL,
            **changes,
        }
    )


def _series(values: np.ndarray) -> Series:
    return Series(END, timedelta(hours=1), ("a",), values)


def _column(*values: float) -> np.ndarray:
    return np.array(values, float)[:, None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1, 2, 3, 4], [1, 2, 3, 4], id="complete"),
        pytest.param([1, NAN, 3, 4], [1, 2, 3, 4], id="a short gap inside is interpolated"),
        pytest.param([1, 2, 3, NAN], [1, 2, 3, 3], id="a gap at the end is held"),
        pytest.param([1, 2, NAN, NAN], [1, 2, 2, 2], id="up to the longest gap"),
        pytest.param([1, NAN, NAN, NAN], [1, 1, 1, NAN], id="and no further"),
        pytest.param([NAN, 2, 3, 4], [NAN, 2, 3, 4], id="nothing is made up before the first reading"),
    ],
)
def test_look_backs_fill_short_gaps_from_the_past_alone(values, expected) -> None:
    filled = latest_look_backs(_column(*values), np.array([4]), 4, max_gap=2)
    np.testing.assert_array_equal(filled[0, :, 0], expected)


def test_the_future_changes_no_look_back() -> None:
    random = np.random.default_rng(3)
    values = np.where(random.random((200, 3)) < 0.2, NAN, random.standard_normal((200, 3)))
    ends = np.arange(30, 120)
    for cut in (30, 60, 90):
        planted = values.copy()
        planted[cut:] = 1e6
        before = ends[ends <= cut]
        np.testing.assert_array_equal(
            latest_look_backs(values, before, 24, 3), latest_look_backs(planted, before, 24, 3)
        )


def test_later_parts_change_no_earlier_part() -> None:
    circuit = _circuit()
    values = np.random.default_rng(1).standard_normal((400, 1))
    values[::17] = NAN
    split = split_rows(circuit, _series(values))
    planted = values.copy()
    planted[split.train :] = 1e6
    one, other = (split_windows(circuit, _series(given))["train"] for given in (values, planted))
    for field in ("inputs", "targets", "truth"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_parts_share_no_target() -> None:
    circuit, values = _circuit(), np.arange(400.0)[:, None]
    parts = split_windows(circuit, _series(values))
    targets = [set(parts[name].truth.ravel()) for name in ("train", "validation", "test")]
    assert max(targets[0]) < min(targets[1]) < min(targets[2])
    assert parts["validation"].inputs.min() < min(targets[1])  # its look-back reaches into the training part


def test_a_long_gap_leaves_its_windows_out_and_a_short_one_does_not_count_as_truth() -> None:
    values = np.arange(60.0)[:, None]
    values[30] = NAN
    values[40:50] = NAN
    windows = make_windows(values, 0, 60, 8, 4, max_gap=3)
    assert not np.isnan(windows.inputs).any()
    assert np.isnan(windows.truth[windows.starts == 20]).sum() == 1
    assert not np.isnan(windows.targets[windows.starts == 20]).any()
    assert {39, 40, 41} & set(windows.starts) == set()


def test_one_sensors_gap_leaves_the_others_alone() -> None:
    values = np.arange(120.0).reshape(60, 2)
    values[20:40, 1] = NAN
    windows = make_windows(values, 0, 60, 8, 4, max_gap=3)
    assert len(windows) == 60 - 12 + 1
    assert not np.isnan(windows.truth[..., 0]).any()
    assert np.isnan(windows.truth[windows.starts == 30, :, 1]).all()


def test_too_few_rows_says_how_many_are_needed() -> None:
    circuit = _circuit()
    needed = rows_needed(circuit)
    with pytest.raises(
        InputError, match=rf"{needed - 1} rows of PLANT1/CIRC1 before cutoff 2025-02-28, needs ≥ {needed}"
    ):
        split_rows(circuit, _series(np.ones((needed - 1, 1))))
    assert split_rows(circuit, _series(np.ones((needed, 1)))).end == needed


def test_errors_count_cells_with_a_reading() -> None:
    forecast, truth = np.zeros((1, 3, 2)), np.array([[[1.0, NAN], [3.0, NAN], [NAN, NAN]]])
    found = errors(forecast, truth)
    np.testing.assert_array_equal(found.mse, [5.0, NAN])
    np.testing.assert_array_equal(found.mae, [2.0, NAN])
    assert found.mean() == {"mse": 5.0, "mae": 2.0}


def test_seasonal_naive_repeats_the_last_season() -> None:
    inputs = np.arange(6.0).reshape(1, 6, 1)
    assert seasonal_naive(inputs, 5, 3)[0, :, 0].tolist() == [3, 4, 5, 3, 4]


@pytest.mark.parametrize(("mse", "baseline", "expected"), [(1, 2, 0.5), (2, 1, -1), (1, 0, 0)])
def test_skill(mse: float, baseline: float, expected: float) -> None:
    assert skill(mse, baseline) == expected


def test_exceedances_count_both_sides_of_the_limits() -> None:
    truth = np.array([[[11.0], [-1.0], [5.0], [NAN]]])
    forecast = np.array([[[12.0], [5.0], [20.0], [20.0]]])
    assert exceedances(forecast, truth, ("a",), {"a": Limits(0.0, 10.0)}) == (0.5, 0.5)
    assert exceedances(forecast, truth, ("a",), {"a": Limits(high=100.0)}) == (None, None)
    assert exceedances(forecast, truth, ("a",), {}) == (None, None)
