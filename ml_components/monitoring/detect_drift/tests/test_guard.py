"""Data quality: what is wrong with a sensor is named, what is merely unusual is not."""

import numpy as np
import pytest
from guard import Runs, check_sensor, runs

RANDOM = np.random.default_rng(1)
REFERENCE = np.round(20.0 + 3.0 * np.sin(np.arange(2400) / 4) + RANDOM.standard_normal(2400), 1)
CURRENT = REFERENCE[-336:].copy()
NAN = np.nan


def _names(current: np.ndarray, reference: np.ndarray = REFERENCE) -> list[str]:
    return [finding.name for finding in check_sensor("flow", reference, current, 60)]


def _changed(where: slice, value: float) -> np.ndarray:
    current = CURRENT.copy()
    current[where] = value
    return current


@pytest.mark.parametrize(
    ("current", "names"),
    [
        pytest.param(CURRENT, [], id="as ever"),
        pytest.param(_changed(slice(50, 66), NAN), [], id="4.8 % missing"),
        pytest.param(_changed(slice(50, 67), NAN), ["missing"], id="5.1 % missing"),
        pytest.param(_changed(slice(-24, None), NAN), ["missing", "silent"], id="nothing on the last day"),
        pytest.param(_changed(slice(None), NAN), ["vanished"], id="nothing at all"),
        pytest.param(_changed(slice(100, 123), 20.0), [], id="a day alike"),
        pytest.param(_changed(slice(100, 126), 20.0), ["stuck"], id="more than a day alike"),
        pytest.param(_changed(slice(-30, None), CURRENT[-30]), ["stuck"], id="stuck until now"),
        pytest.param(_changed(slice(7, 8), 36.0), [], id="a record"),
        pytest.param(_changed(slice(7, 8), 999.0), ["range"], id="an impossible reading"),
        pytest.param(_changed(slice(7, 8), -999.0), ["range"], id="another one"),
    ],
)
def test_what_is_wrong_is_named(current: np.ndarray, names: list[str]) -> None:
    assert _names(current) == names


def test_a_sensor_that_rests_at_its_floor_may_rest_there_again() -> None:
    reference = np.maximum(np.round(np.sin(np.arange(2400) / 40) * 10, 1), 0.0)
    resting = np.zeros(120)
    assert _names(np.concatenate([resting, reference[:216]]), reference) == []
    assert _names(np.concatenate([resting + 4.2, reference[:216]]), reference) == ["stuck"]


def test_runs_end_at_a_change_and_at_a_gap() -> None:
    lengths, of = runs(np.array([1.0, 1.0, NAN, 1.0, 2.0, 2.0, 2.0]))
    assert (lengths.tolist(), of.tolist()) == ([2, 1, 3], [1.0, 1.0, 2.0])
    assert runs(np.empty(0))[0].tolist() == []


def test_the_longest_runs_are_known_apart_for_the_usual_value() -> None:
    assert Runs.of(np.array([0.0, 0.0, 0.0, 5.0, 5.0, 0.0, NAN])) == Runs(0.0, 3, 2)


def test_figures_stand_beside_the_sentence() -> None:
    [finding] = check_sensor("flow", REFERENCE, _changed(slice(0, 84), NAN), 60)
    assert finding.document() == {
        "name": "missing",
        "sensor": "flow",
        "sentence": "flow: 25.0% of the readings are missing (limit 5%)",
        "measured": 0.25,
        "limit": 0.05,
    }
