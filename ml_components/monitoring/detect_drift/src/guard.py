"""Is the data fit to be judged at all? What is wrong with it is a sensor to repair, never a model to retrain."""

from dataclasses import dataclass

import numpy as np
from shared.findings import Finding

KIND = "data-quality"
MAX_MISSING = 0.05
# Beyond the reference's own range, in shares of it; a record is no fault.
RANGE_MARGIN = 2.0
MIN_STUCK_HOURS = 24
# A run of equal values is stuck when it is this many times as long as any that the reference has seen.
STUCK_FACTOR = 2.0
# At the value that it reads most often, a sensor may rest for longer than elsewhere.
REST_FACTOR = 2
# A reference may have been stuck itself, so many times; what it did more often is its habit.
MAX_STUCK_BEFORE = 3


@dataclass(frozen=True)
class Runs:
    """The longest runs, in rows, that are not yet stuck: at the sensor's most frequent value, and elsewhere.

    That value is often a floor: no rain, nothing above the limit of detection.
    """

    usual: float
    at_usual: int
    elsewhere: int

    @classmethod
    def of(cls, values: np.ndarray, shortest: int) -> "Runs":
        """From the reference's readings [rows] in order of time, NaN where nothing was read."""
        seen, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        usual = float(seen[counts.argmax()]) if len(seen) else np.nan
        lengths, of = runs(values)
        at = of == usual
        return cls(usual, _longest(lengths[at], REST_FACTOR * shortest), _longest(lengths[~at], shortest))

    def limit(self, value: float) -> int:
        """The longest run at `value` that is not yet stuck."""
        return self.at_usual if value == self.usual else self.elsewhere


def _longest(lengths: np.ndarray, shortest: int) -> int:
    """What the reference's runs allow: each is judged by the shorter ones, for it may have been stuck itself."""
    limit = shortest
    ordered = np.sort(lengths[lengths * STUCK_FACTOR > shortest])
    for rank, length in enumerate(ordered):
        if length > limit and len(ordered) - rank <= MAX_STUCK_BEFORE:
            break
        limit = max(limit, round(STUCK_FACTOR * length))
    return limit


def runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and values of all runs of equal readings; a gap ends a run."""
    change = np.flatnonzero(np.diff(values) != 0)  # NaN differs from everything
    starts = np.concatenate([[0], change + 1]) if len(values) else np.empty(0, int)
    lengths = np.diff(np.concatenate([starts, [len(values)]]))
    of = values[starts]
    return lengths[~np.isnan(of)], of[~np.isnan(of)]


def check_sensor(sensor: str, reference: np.ndarray, current: np.ndarray, minutes: int) -> list[Finding]:
    """What is wrong with the sensor's current readings [rows], seen from its reference."""
    seen = current[~np.isnan(current)]
    if not len(seen):
        return [Finding("vanished", sensor, f"{sensor} has no reading in the window", 1.0, MAX_MISSING)]
    found = [_missing(sensor, current), _silent(sensor, current, minutes)]
    if (~np.isnan(reference)).any():
        found += [_stuck(sensor, reference, current, minutes), _range(sensor, reference, seen)]
    return [finding for finding in found if finding]


def _missing(sensor: str, current: np.ndarray) -> Finding | None:
    share = float(np.isnan(current).mean())
    if share <= MAX_MISSING:
        return None
    sentence = f"{sensor}: {share:.1%} of the readings are missing (limit {MAX_MISSING:.0%})"
    return Finding("missing", sensor, sentence, share, MAX_MISSING)


def _silent(sensor: str, current: np.ndarray, minutes: int) -> Finding | None:
    """Nothing at all on the last day, though the window as a whole may pass."""
    day = max(1, 1440 // minutes)
    if not np.isnan(current[-day:]).all():
        return None
    steps = len(current) - 1 - int(np.flatnonzero(~np.isnan(current))[-1])
    hours = steps * minutes / 60.0
    return Finding("silent", sensor, f"{sensor}: no reading for {hours:.0f} h", hours, 24.0)


def _stuck(sensor: str, reference: np.ndarray, current: np.ndarray, minutes: int) -> Finding | None:
    known = Runs.of(reference, max(2, MIN_STUCK_HOURS * 60 // minutes))
    lengths, of = runs(current)
    limits = np.array([known.limit(value) for value in of])
    worst = int(np.argmax(lengths - limits))
    if lengths[worst] <= limits[worst]:
        return None
    hours, allowed = (steps * minutes / 60.0 for steps in (lengths[worst], limits[worst]))
    sentence = f"{sensor} is stuck: {of[worst]:g} for {hours:.0f} h (the reference allows {allowed:.0f})"
    return Finding("stuck", sensor, sentence, float(lengths[worst]), float(limits[worst]))


def _range(sensor: str, reference: np.ndarray, seen: np.ndarray) -> Finding | None:
    low, high = float(np.nanmin(reference)), float(np.nanmax(reference))
    margin = RANGE_MARGIN * (high - low)
    beyond = np.maximum(seen - (high + margin), (low - margin) - seen)
    worst = float(seen[int(beyond.argmax())])
    if beyond.max() <= 0:
        return None
    limit = high + margin if worst > high else low - margin
    sentence = f"{sensor} read {worst:g}, far outside what the reference has seen ({low:g} to {high:g})"
    return Finding("range", sensor, sentence, worst, limit)
