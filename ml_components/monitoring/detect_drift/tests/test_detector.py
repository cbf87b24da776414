"""Drift on made-up sensors: what moves together is no drift, what leaves the others is; gaps alarm nobody."""

import numpy as np
import pytest
from calibration import Calibration, independent_values, student_quantile
from detector import Detector, Findings, Stretch, prediction_drift, window_days
from verdict import Kind

SENSORS = ("a", "b", "c", "d")
DAY = 24


def _plant(days: int, seed: int = 0) -> np.ndarray:
    """Four sensors that follow one slow load, each with noise of its own."""
    random = np.random.default_rng(seed)
    load = np.zeros(days * DAY)
    for step in range(1, len(load)):
        load[step] = 0.995 * load[step - 1] + 0.1 * random.standard_normal()
    daily = np.sin(2 * np.pi * np.arange(len(load)) / DAY)
    noise = random.standard_normal((len(load), len(SENSORS)))
    return 50.0 + (load + 0.3 * daily)[:, None] * [5.0, 3.0, -4.0, 2.0] + noise


def _findings(reference: np.ndarray, current: np.ndarray) -> list[tuple[str | None, Kind]]:
    found = Detector(SENSORS, Stretch(reference, 60)).judge(Stretch(current, 60))
    return [(one.finding.sensor, one.kind) for one in found.observed]


@pytest.mark.parametrize("seed", range(4))
def test_undrifted_weeks_alarm_nobody_though_raw_ks_would(seed: int) -> None:
    values = _plant(378, seed)
    found = Detector(SENSORS, Stretch(values[: 364 * DAY], 60)).judge(Stretch(values[364 * DAY :], 60))
    assert found.observed == []
    assert min(figures["data"]["raw_p"] for figures in found.sensors.values()) < 1e-6


@pytest.mark.parametrize("sensor", range(4))
def test_a_sensor_that_leaves_the_others_is_found(sensor: int) -> None:
    values = _plant(378)
    current = values[364 * DAY :].copy()
    current[:, sensor] += values[:, sensor].std()
    assert (SENSORS[sensor], Kind.RESIDUAL) in _findings(values[: 364 * DAY], current)


@pytest.mark.parametrize(("copies", "share"), [(1, 0.005), (2, 0.025 / 8), (4, 0.025 / 16)])
def test_the_more_sensors_the_stricter_each_is_judged(copies: int, share: float) -> None:
    values = np.concatenate([_plant(378, seed) for seed in range(copies)], 1)
    sensors = tuple(map(str, range(values.shape[1])))
    found = Detector(sensors, Stretch(values[: 364 * DAY], 60)).judge(Stretch(values[364 * DAY :], 60))
    limits = {figures["residual"]["limit"] for figures in found.sensors.values()}
    assert limits == {round(student_quantile(1 - share, 26 - 1 + 12), 4)}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_plant_that_runs_harder_moves_no_residual(seed: int) -> None:
    values = _plant(378, seed)
    current = values[364 * DAY :] + np.array([5.0, 3.0, -4.0, 2.0])
    assert Kind.RESIDUAL not in {kind for _, kind in _findings(values[: 364 * DAY], current)}


def test_a_broken_sensor_is_judged_no_further_and_disturbs_no_other() -> None:
    values = _plant(378)
    current = values[364 * DAY :].copy()
    current[100:, 2] = 50.0
    assert _findings(values[: 364 * DAY], current) == [("c", Kind.DATA_QUALITY)]


def test_constant_and_missing_references_are_not_judged() -> None:
    values = _plant(378)
    values[:, 0] = 3.0
    reference, current = values[: 364 * DAY].copy(), values[364 * DAY :].copy()
    reference[:, 1] = np.nan
    current[:, 0] += 1e-9 * np.arange(len(current))
    found = Detector(SENSORS, Stretch(reference, 60)).judge(Stretch(current, 60))
    assert [(one.name, one.sensor) for one in found.not_judged] == [("constant", "a"), ("no-reference", "b")]
    assert [(one.finding.name, one.finding.sensor) for one in found.observed] == [("range", "a")]


def test_gaps_in_reference_and_current_alarm_nobody() -> None:
    values = _plant(378)
    random = np.random.default_rng(3)
    values[random.random(values.shape) < 0.03] = np.nan
    values[1000:1600, 1] = np.nan
    assert _findings(values[: 364 * DAY], values[364 * DAY :]) == []


@pytest.mark.parametrize(("days", "window"), [(364, 14), (112, 14), (111, 7), (56, 7), (55, None), (0, None)])
def test_the_window_suits_the_reference(days: int, window: int | None) -> None:
    assert window_days(days) == window


def test_forecasts_that_move_are_prediction_drift() -> None:
    blocks = np.random.default_rng(5).standard_normal((26, 336))
    same, moved = Findings(), Findings()
    prediction_drift(same, "a", blocks[1:], blocks[0])
    prediction_drift(moved, "a", blocks[1:], blocks[0] + 1.0)
    assert (same.observed, [one.kind for one in moved.observed]) == ([], [Kind.PREDICTION])


def test_independent_values_shrink_with_autocorrelation() -> None:
    random = np.random.default_rng(0)
    slow = np.repeat(random.standard_normal((4000, 10)), 10, axis=1)
    white = random.standard_normal(slow.shape)
    assert independent_values(white) == pytest.approx(100, rel=0.1)
    assert independent_values(slow) == pytest.approx(10, rel=0.1)
    assert np.isnan(independent_values(white[:3]))


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [(0.995, 12, 3.0545), (0.995, 37, 2.7154), (0.999, 20, 3.5518), (0.95, 10, 1.8125)],
)
def test_students_quantiles_are_the_tables(probability: float, freedom: int, expected: float) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=2e-3)


def test_a_sensor_with_few_blocks_is_not_calibrated() -> None:
    distances = np.full((2, 12), 0.2) + np.arange(12) * 0.01
    distances[1, 5:] = np.nan
    calibration = Calibration.of(distances)
    assert calibration.blocks.tolist() == [12, 5]
    assert np.isnan(calibration.mean[1])
    assert calibration.score(0, 0.9) > calibration.limit(0, 0.005) > calibration.score(0, 0.25)
