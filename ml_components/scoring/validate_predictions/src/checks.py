"""Is a forecast fit to be handed on? Each check names what is wrong with one sensor's newest forecasts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from shared.circuit import Limits
from shared.findings import Finding

# Forecasts beyond what was read before, by more than this share of its range, are not believed.
RANGE_MARGIN = 0.25
# A step is a jump when it is larger than any that was read, and than this many deviations (1.4826 · MAD) of them.
JUMP_DEVIATIONS = 4.0
# A forecast is flat when it varies by less than this share of the readings' own deviation over the horizon.
FLAT_SHARE = 0.01
_TINY = 1e-9


@dataclass(frozen=True)
class Forecast:
    """One sensor's forecasts [steps] in order of time, NaN where there is none; its readings before [rows]."""

    sensor: str
    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    readings: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """The readings that there are."""
        return self.readings[~np.isnan(self.readings)]


def check(forecast: Forecast, limits: Limits | None) -> list[Finding]:
    """What is wrong with one sensor's forecast."""
    checks = (_nulls(forecast), _interval(forecast), _range(forecast), _limits(forecast, limits))
    found = [*checks, _jump(forecast), _flat(forecast)]
    return [finding for finding in found if finding]


def check_freshness(issued: datetime, due: datetime, step: timedelta) -> list[Finding]:
    """Whether the newest forecasts were issued when they were due, give or take a step."""
    late = due - issued
    if late <= step:
        return []
    hours = late / timedelta(hours=1)
    sentence = f"the newest forecasts were issued {hours:.0f} h before they were due ({issued.isoformat()})"
    return [Finding("stale", None, sentence, hours, step / timedelta(hours=1))]


def check_presence(sensors: Iterable[str], found: Mapping[str, Forecast]) -> list[Finding]:
    """Sensors of the circuit without any forecast."""
    return [
        Finding("absent", sensor, f"{sensor} has no forecast") for sensor in sensors if sensor not in found
    ]


def _nulls(forecast: Forecast) -> Finding | None:
    share = float((~np.isfinite(forecast.values)).mean())
    if not share:
        return None
    return Finding(
        "null", forecast.sensor, f"{forecast.sensor}: {share:.0%} of the steps have no value", share, 0.0
    )


def _interval(forecast: Forecast) -> Finding | None:
    good = (forecast.lower <= forecast.values + _TINY) & (forecast.values <= forecast.upper + _TINY)
    share = float((~good & np.isfinite(forecast.values)).mean())
    if not share:
        return None
    sentence = f"{forecast.sensor}: {share:.0%} of the steps lie outside their own interval"
    return Finding("interval", forecast.sensor, sentence, share, 0.0)


def _range(forecast: Forecast) -> Finding | None:
    values, seen = forecast.values[np.isfinite(forecast.values)], forecast.seen
    if not len(values) or not len(seen):
        return None
    low, high = float(seen.min()), float(seen.max())
    margin = RANGE_MARGIN * (high - low) + _TINY * max(1.0, abs(low), abs(high))
    worst = float(values[np.argmax(np.maximum(values - high, low - values))])
    if low - margin <= worst <= high + margin:
        return None
    sentence = f"{forecast.sensor} is forecast at {worst:g}; it read {low:g} to {high:g} before"
    return Finding("range", forecast.sensor, sentence, worst, high + margin if worst > high else low - margin)


def _limits(forecast: Forecast, limits: Limits | None) -> Finding | None:
    """Not an error of the forecast: the alarm that it is made for."""
    values = forecast.values[np.isfinite(forecast.values)]
    if limits is None or not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if limits.high is not None and high > limits.high:
        sentence = f"{forecast.sensor} is forecast at {high:g}, above its limit {limits.high:g}"
        return Finding("limit", forecast.sensor, sentence, high, limits.high)
    if limits.low is not None and low < limits.low:
        sentence = f"{forecast.sensor} is forecast at {low:g}, below its limit {limits.low:g}"
        return Finding("limit", forecast.sensor, sentence, low, limits.low)
    return None


def _jump(forecast: Forecast) -> Finding | None:
    """A step of the forecast, the one from the last reading included, that readings do not make."""
    steps = np.diff(forecast.readings)
    usual = steps[~np.isnan(steps)]
    if len(usual) < 10 or not len(forecast.seen):
        return None
    centre = float(np.median(usual))
    # what was read is no jump: sensors with rare steps have a MAD near zero
    scale = max(
        1.4826 * float(np.median(np.abs(usual - centre))) * JUMP_DEVIATIONS, float(np.abs(usual).max())
    )
    ahead = np.diff(np.concatenate([forecast.seen[-1:], forecast.values]))
    ahead = ahead[np.isfinite(ahead)]
    if not len(ahead) or np.abs(ahead).max() <= scale + _TINY:
        return None
    worst = float(ahead[np.abs(ahead).argmax()])
    sentence = (
        f"{forecast.sensor} is forecast to jump by {worst:+g} in one step (readings: at most {scale:g})"
    )
    return Finding("jump", forecast.sensor, sentence, abs(worst), scale)


def _flat(forecast: Forecast) -> Finding | None:
    """A line where the readings move: the model gave up, or was fed a sensor that stood still."""
    values, seen = forecast.values[np.isfinite(forecast.values)], forecast.seen
    if len(values) < 3 or len(seen) < len(values):
        return None
    # over stretches as long as the horizon: a slow sensor moves little in one
    count = len(seen) // len(values)
    moves = float(np.median(np.ptp(seen[len(seen) - count * len(values) :].reshape(count, -1), axis=1)))
    if moves <= _TINY or float(np.ptp(values)) >= FLAT_SHARE * moves:
        return None
    sentence = (
        f"{forecast.sensor} is forecast flat at {values[0]:g}; its readings move by {moves:g} in such a time"
    )
    return Finding("flat", forecast.sensor, sentence, float(np.ptp(values)), FLAT_SHARE * moves)
