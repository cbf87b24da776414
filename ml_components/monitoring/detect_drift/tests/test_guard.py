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
        pytest.param(_changed(slice(7, 8), 50.0), [], id="a record"),
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


def _stood(*spells: slice) -> np.ndarray:
    reference = REFERENCE.copy()
    for spell in spells:
        reference[spell] = reference[spell.start]
    return reference


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param(_stood(slice(500, 600)), id="once"),
        pytest.param(_stood(slice(100, 172), slice(500, 610), slice(1200, 1368)), id="three times"),
    ],
)
def test_that_the_reference_was_stuck_itself_excuses_nothing(reference: np.ndarray) -> None:
    assert _names(_changed(slice(100, 150), 20.05), reference) == ["stuck"]
    assert _names(CURRENT, reference) == []


def test_what_the_reference_did_again_and_again_is_no_fault() -> None:
    spells = [slice(start, start + 100) for start in range(100, 2300, 400)]
    assert _names(_changed(slice(100, 250), 20.05), _stood(*spells)) == []


@pytest.mark.parametrize(("hours", "names"), [(48, []), (49, ["stuck"])])
def test_a_sensor_may_rest_for_two_days_where_it_rests_most(hours: int, names: list[str]) -> None:
    reference = np.maximum(REFERENCE, 20.0)
    current = _changed(slice(100, 100 + hours), 20.0)
    current[[99, 100 + hours]] = 21.3
    assert _names(current, reference) == names


def test_runs_end_at_a_change_and_at_a_gap() -> None:
    lengths, of = runs(np.array([1.0, 1.0, NAN, 1.0, 2.0, 2.0, 2.0]))
    assert (lengths.tolist(), of.tolist()) == ([2, 1, 3], [1.0, 1.0, 2.0])
    assert runs(np.empty(0))[0].tolist() == []


def test_limits_are_known_apart_for_the_usual_value() -> None:
    assert Runs.of(np.array([0.0, 0.0, 0.0, 5.0, 5.0, 0.0, NAN]), 1) == Runs(0.0, 2, 1)
    assert Runs.of(np.array([0.0, 0.0, 0.0, 5.0, 5.0, 0.0, NAN]), 24) == Runs(0.0, 48, 24)


def test_figures_stand_beside_the_sentence() -> None:
    [finding] = check_sensor("flow", REFERENCE, _changed(slice(0, 84), NAN), 60)
    assert finding.document() == {
        "name": "missing",
        "sensor": "flow",
        "sentence": "flow: 25.0% of the readings are missing (limit 5%)",
        "measured": 0.25,
        "limit": 0.05,
    }
