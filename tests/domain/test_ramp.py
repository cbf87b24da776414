"""Ramps: their steps, and the verdict on what a bake measured."""

from dataclasses import replace
from math import inf, nan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from busbar.domain.policies import Bake, RampPolicy, RollbackPolicy
from busbar.domain.ramp import (
    ForecastError,
    Measured,
    Step,
    Verdict,
    decide,
    decide_fleet,
    hold_look_hours,
    look_back,
    steps,
    steps_between_kinds,
)

PROD = RampPolicy(steps=(10, 25, 50, 100))
ROLLBACK = RollbackPolicy()
GOOD = Measured(
    runs=1,
    rows=24 * 72,
    latency_ms=3.0,
    error=ForecastError(24, 0.30, 0.5),
    champion=ForecastError(24, 0.31, 0.5),
)
FIRST = replace(GOOD, champion=None)


def verdict(measured: Measured, *, first: bool = False, hours: float = 0.0, **limits: object) -> Verdict:
    return decide(PROD, replace(ROLLBACK, **limits), measured, first=first, hours=hours).verdict  # type: ignore[arg-type] - a test's own


# --- steps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "first", "shares"),
    [
        ((100,), False, [(0, 100, False)]),
        ((100,), True, [(0, 100, False)]),
        ((50, 100), False, [(0, 50, True), (50, 100, False)]),
        ((10, 25, 50, 100), False, [(0, 10, True), (10, 25, True), (25, 50, True), (50, 100, False)]),
        ((10, 25, 50, 100), True, [(0, 100, True)]),
    ],
)
def test_each_step_adds_a_part_and_only_the_last_is_not_baked(
    policy: tuple[int, ...], first: bool, shares: list[tuple[int, int, bool]]
):
    found = steps(RampPolicy(steps=policy), first=first)
    assert [(step.offset, step.share, step.baked) for step in found] == shares


def test_the_parts_of_a_ramp_are_all_windows_once():
    found = steps(PROD, first=False)
    assert [window for step in found for window in range(step.offset, step.share)] == list(range(100))


def test_a_first_deployment_is_baked_on_exactly_the_windows_that_a_verdict_needs():
    assert steps(PROD, first=True) == (Step(100, look_back=24),)


MIRRORED = replace(PROD, mirror_percent=10)


@pytest.mark.parametrize(
    ("policy", "first", "online", "mirrored"),
    [
        (MIRRORED, False, True, [10, 0, 0, 0, 0]),
        (MIRRORED, False, False, [0, 0, 0, 0]),  # a batch deployment is sent no copies
        (MIRRORED, True, True, [0]),  # nobody's requests to copy yet
        (PROD, False, True, [0, 0, 0, 0]),
        (RampPolicy(mirror_percent=50), False, True, [50, 0]),
    ],
)
def test_requests_are_mirrored_before_any_is_answered(
    policy: RampPolicy, first: bool, online: bool, mirrored: list[int]
):
    found = steps(policy, first=first, online=online)
    assert [step.mirrored for step in found] == mirrored
    assert all(step.share == 0 and step.baked and step.added == 100 for step in found if step.mirrored)


@pytest.mark.parametrize(("policy", "expected"), [(PROD, (Step(0, look_back=24),)), (RampPolicy(), ())])
def test_between_kinds_nothing_is_split(policy: RampPolicy, expected: tuple[Step, ...]):
    assert steps_between_kinds(policy) == expected


@pytest.mark.parametrize(
    ("step", "place", "progress"),
    [
        (Step(25, 10), "at 25 %", "25 % of windows"),
        (Step(0, mirrored=10), "mirrored 10 %", "10 % of requests mirrored"),
        (Step(0), "beside what serves", "beside what serves"),
    ],
)
def test_a_step_says_where_it_is(step: Step, place: str, progress: str):
    assert (step.place, step.progress) == (place, progress)


@pytest.mark.parametrize(
    ("windows", "percent"), [(24, 10), (24, 25), (24, 50), (1, 1), (1000, 50), (24, 100)]
)
def test_a_replay_goes_back_far_enough(windows: int, percent: int):
    """Windows fall to a share by their hash: of ten thousand such draws not three have too few."""
    count, dice = look_back(windows, percent), Random(7)
    mean, deviation = count * percent / 100, (count * percent / 100 * (1 - percent / 100)) ** 0.5
    draws = [mean + deviation * dice.gauss() for _ in range(10_000)]
    assert sum(draw < windows for draw in draws) < 3
    assert count < 8 * (windows + 12) * 100 / percent


# --- the verdict ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "expected", "said"),
    [
        (GOOD, Verdict.ADVANCE, "24 windows: max_error_percent passed: 0 (limit ≤ 5)"),
        (replace(GOOD, failed_runs=1), Verdict.ROLL_BACK, "max_error_percent failed: 100 (limit ≤ 5)"),
        (replace(GOOD, runs=100, failed_runs=5), Verdict.ADVANCE, "max_error_percent passed: 5 "),
        (replace(GOOD, runs=100, failed_runs=6), Verdict.ROLL_BACK, "max_error_percent failed: 6 "),
        (replace(GOOD, failed_rows=24 * 72), Verdict.ROLL_BACK, "max_failed_rows_percent failed: 50 "),
        (replace(GOOD, failed_rows=1), Verdict.ADVANCE, "max_failed_rows_percent passed: 0.05"),
        (replace(GOOD, latency_ms=2000.0), Verdict.ADVANCE, "max_latency_p95_ms passed: 2000 "),
        (replace(GOOD, latency_ms=2000.5), Verdict.ROLL_BACK, "max_latency_p95_ms failed: 2000 "),
        (
            replace(GOOD, error=ForecastError(24, 0.33, 0.5)),
            Verdict.ROLL_BACK,
            "max_error_over_champion failed: 1.065 (limit ≤ 1.05)",
        ),
        (
            replace(GOOD, error=ForecastError(24, 0.60, 1.0)),
            Verdict.ADVANCE,
            "max_error_over_champion passed: 0.9677",  # other units, the same relative to seasonal-naive
        ),
        (replace(GOOD, champion=None), Verdict.HOLD, "too little data: the champion's forecast error is missing"),
        (replace(GOOD, error=None), Verdict.HOLD, "too little data: 0 of 24 windows"),
        (replace(GOOD, error=ForecastError(23, 9.0, 0.5)), Verdict.HOLD, "too little data: 23 of 24 windows"),
        (replace(GOOD, latency_ms=None), Verdict.HOLD, "too little data: no row was scored"),
        (replace(GOOD, live_windows=0), Verdict.HOLD, "too little data: no window was scored live"),
        (replace(GOOD, live_windows=1), Verdict.ADVANCE, "24 windows"),
        (Measured(), Verdict.HOLD, "too little data: 0 of 24 windows"),
        (Measured(runs=1, failed_runs=1), Verdict.ROLL_BACK, "max_error_percent failed: 100"),
    ],
)  # fmt: skip
def test_a_verdict_has_its_numbers(measured: Measured, expected: Verdict, said: str):
    ruling = decide(PROD, ROLLBACK, measured, first=False, hours=0)
    assert ruling.verdict is expected
    assert said in ruling.sentence


NOTHING = [
    replace(GOOD, error=ForecastError(24, nan, 0.5)),
    replace(GOOD, error=ForecastError(24, 0.3, nan)),
    replace(GOOD, error=ForecastError(24, 0.3, inf)),
    replace(GOOD, error=ForecastError(24, inf, 0.5)),
    replace(GOOD, error=ForecastError(24, 0.3, 0.0)),
    replace(GOOD, champion=ForecastError(24, nan, 0.5)),
    replace(GOOD, champion=ForecastError(24, inf, 0.5)),
    replace(GOOD, champion=ForecastError(24, 0.3, nan)),
    replace(GOOD, champion=ForecastError(0, 0.3, 0.5)),
    replace(GOOD, champion=ForecastError(24, 0.3, 0.0)),
    replace(GOOD, latency_ms=nan),
    replace(GOOD, runs=0),
    replace(GOOD, rows=0),
]


@pytest.mark.parametrize("measured", NOTHING)
def test_what_is_no_number_never_advances(measured: Measured):
    assert verdict(measured) is not Verdict.ADVANCE
    assert verdict(measured, hours=72) is Verdict.ROLL_BACK


def test_a_stuck_sensor_that_is_forecast_as_well_as_before_goes_on():
    stuck = ForecastError(24, 0.0, 0.0)
    assert verdict(replace(GOOD, error=stuck, champion=stuck)) is Verdict.ADVANCE
    assert verdict(replace(GOOD, error=ForecastError(24, 0.1, 0.0), champion=stuck)) is Verdict.ROLL_BACK


def test_a_first_deployment_says_that_there_is_nothing_to_compare_with():
    ruling = decide(PROD, ROLLBACK, FIRST, first=True, hours=0)
    assert ruling.verdict is Verdict.ADVANCE
    assert ruling.sentence.endswith("first deployment, there is nothing to compare with")
    assert verdict(replace(FIRST, failed_runs=1), first=True) is Verdict.ROLL_BACK


def test_a_hold_ends_for_want_of_data():
    few = replace(GOOD, error=ForecastError(3, 0.3, 0.5))
    assert verdict(few, hours=71.9) is Verdict.HOLD
    ruling = decide(PROD, ROLLBACK, few, first=False, hours=72)
    assert (ruling.verdict, ruling.sentence) == (
        Verdict.ROLL_BACK,
        "too little data: 3 of 24 windows within 72 h",
    )


def test_without_automatic_rollback_what_would_go_back_is_held():
    ruling = decide(
        PROD, replace(ROLLBACK, enabled=False), replace(GOOD, failed_runs=1), first=False, hours=99
    )
    assert ruling.verdict is Verdict.HOLD
    assert ruling.sentence == "max_error_percent failed: 100 (limit ≤ 5); automatic rollback is off"
    assert verdict(GOOD, enabled=False) is Verdict.ADVANCE


def test_a_hold_is_looked_at_again_before_it_is_over():
    assert 0 < hold_look_hours(RampPolicy(bake=Bake.LIVE, hold_hours=72)) < 72


# --- parts ------------------------------------------------------------------------------------------------


def test_the_steps_of_a_ramp_add_up():
    second = Measured(1, 1, 10, 2, 9.0, 4, ForecastError(72, 0.6, 0.5), ForecastError(72, 0.7, 0.5))
    assert GOOD.plus(second) == Measured(
        2, 1, 24 * 72 + 10, 2, 9.0, 4,
        ForecastError(96, pytest.approx(0.525), 0.5),  # type: ignore[arg-type] - compares like a float
        ForecastError(96, pytest.approx(0.6025), 0.5),  # type: ignore[arg-type] - compares like a float
    )  # fmt: skip


def test_nothing_adds_nothing():
    assert GOOD.plus(Measured()) == GOOD == Measured().plus(GOOD)


COUNTS = some.integers(0, 200)
NUMBERS = some.floats(min_value=0)
ERRORS = some.none() | some.builds(ForecastError, COUNTS, NUMBERS, NUMBERS)
ANYTHING = some.builds(
    Measured, COUNTS, COUNTS, COUNTS, COUNTS, some.none() | NUMBERS, some.none() | COUNTS, ERRORS, ERRORS
)
LESS = some.floats(0, 1)
HOURS = some.floats(0, 100)


@given(ANYTHING, some.booleans(), HOURS, COUNTS, COUNTS, NUMBERS, LESS, LESS)
def test_worse_numbers_never_turn_a_rollback_into_an_advance(
    measured: Measured,
    first: bool,
    hours: float,
    runs: int,
    rows: int,
    latency: float,
    error: float,
    left: float,
):
    worse = replace(
        measured,
        runs=measured.runs + runs,
        failed_runs=measured.failed_runs + runs,
        failed_rows=measured.failed_rows + rows,
        latency_ms=None if measured.latency_ms is None else measured.latency_ms + latency,
        error=measured.error and replace(
            measured.error,
            mse=measured.error.mse * (1 + error),
            windows=int(measured.error.windows * left),
        ),
    )  # fmt: skip
    if verdict(measured, first=first, hours=hours) is Verdict.ROLL_BACK:
        assert verdict(worse, first=first, hours=hours) is not Verdict.ADVANCE


@given(ANYTHING, some.booleans(), HOURS)
def test_an_advance_has_every_number_it_needs(measured: Measured, first: bool, hours: float):
    ruling = decide(PROD, ROLLBACK, measured, first=first, hours=hours)
    assert ruling.sentence
    if ruling.verdict is Verdict.ADVANCE:
        assert measured.windows >= PROD.windows
        assert first or measured.champion
        assert all(result.passed for result in ruling.results)
        assert {result.gate for result in ruling.results} >= {"max_error_percent", "max_latency_p95_ms"}


@given(ANYTHING, HOURS)
def test_more_time_never_takes_an_advance_or_a_rollback_back(measured: Measured, hours: float):
    early, late = verdict(measured, hours=hours), verdict(measured, hours=hours + 1)
    assert early is late or early is Verdict.HOLD


# --- the fleet --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "rolled_back", "expected"),
    [
        (0, 0, Verdict.ADVANCE),
        (1, 1, Verdict.ADVANCE),  # one circuit says nothing about the others
        (2, 1, Verdict.ADVANCE),
        (2, 2, Verdict.ROLL_BACK),
        (10, 3, Verdict.ADVANCE),  # exactly the limit
        (10, 4, Verdict.ROLL_BACK),
        (25, 7, Verdict.ADVANCE),
        (25, 8, Verdict.ROLL_BACK),
    ],
)
def test_a_bad_fleet_goes_back(changed: int, rolled_back: int, expected: Verdict):
    assert decide_fleet(ROLLBACK, changed, rolled_back).verdict is expected
    assert decide_fleet(replace(ROLLBACK, enabled=False), changed, rolled_back).verdict is Verdict.ADVANCE


def test_a_fleets_verdict_says_its_numbers():
    ruling = decide_fleet(ROLLBACK, 10, 4)
    assert ruling.sentence == "4 of 10 circuits rolled back, more than 30 %"
    assert [str(result) for result in ruling.results] == ["max_fleet_percent failed: 40 (limit ≤ 30)"]


@given(some.integers(1, 200), some.integers(0, 200), some.integers(1, 10))
def test_more_rollbacks_never_save_a_fleet(changed: int, rolled_back: int, more: int):
    changed = max(changed, rolled_back + more)
    if decide_fleet(ROLLBACK, changed, rolled_back).verdict is Verdict.ROLL_BACK:
        assert decide_fleet(ROLLBACK, changed, rolled_back + more).verdict is Verdict.ROLL_BACK
