"""Gap filling, chronological splits and windows; nothing in a window's look-back comes from after its end."""

import math
from dataclasses import dataclass

import numpy as np

from shared.circuit import Circuit
from shared.errors import InputError
from shared.readings import Series

TRAIN_SHARE, VALIDATION_SHARE = 0.70, 0.15


@dataclass(frozen=True)
class Split:
    """Row ranges [0, train), [train, validation), [validation, end), in order of time."""

    train: int
    validation: int
    end: int


@dataclass(frozen=True)
class Windows:
    """inputs [windows, look_back, sensors] with short gaps filled; targets [windows, horizon, sensors].

    `truth` keeps NaN where nothing was read (errors are measured on it); `targets` has short gaps interpolated
    (models are fitted on it). A sensor whose window touches a long gap is NaN throughout.
    """

    inputs: np.ndarray
    targets: np.ndarray
    truth: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)


def split_rows(circuit: Circuit, series: Series) -> Split:
    """70 / 15 / 15 in order of time; raises `InputError` when there are too few rows."""
    rows, needed = len(series.values), rows_needed(circuit)
    if rows < needed:
        raise InputError(
            f"{rows} rows of {circuit.name} before cutoff {circuit.cutoff_date}, needs ≥ {needed}: "
            f"raise training_days (now {circuit.training_days}), move the cutoff date or check the ETL"
        )
    for sensor, column in zip(series.sensors, series.values.T, strict=True):
        if np.isnan(column).all():
            raise InputError(f"no reading of sensor {sensor} of {circuit.name} before {circuit.cutoff_date}")
    return Split(int(rows * TRAIN_SHARE), int(rows * (TRAIN_SHARE + VALIDATION_SHARE)), rows)


def split_windows(circuit: Circuit, series: Series) -> dict[str, Windows]:
    """Train, validation and test windows in order of time; raises `InputError` when there are too few rows."""
    chosen, split = circuit.hyperparameters, split_rows(circuit, series)
    ranges = {
        "train": (0, split.train),
        "validation": (split.train, split.validation),
        "test": (split.validation, split.end),
    }
    return {
        name: make_windows(series.values, first, end, chosen.look_back, chosen.horizon, chosen.max_gap)
        for name, (first, end) in ranges.items()
    }


def rows_needed(circuit: Circuit) -> int:
    """Rows that give the training part a look-back and two horizons, and each later part two horizons."""
    chosen = circuit.hyperparameters
    return math.ceil(
        max((chosen.look_back + 2 * chosen.horizon) / TRAIN_SHARE, 2 * chosen.horizon / VALIDATION_SHARE)
    )


def make_windows(
    values: np.ndarray, first: int, end: int, look_back: int, horizon: int, max_gap: int
) -> Windows:
    """Windows whose targets lie in rows [first, end); their look-back may reach before `first`.

    Rows from `end` on are not looked at.
    """
    starts = np.arange(max(0, first - look_back), end - look_back - horizon + 1)
    filled = _Filled.of(values[:end], max_gap)
    ahead = starts[:, None] + look_back + np.arange(horizon)
    inputs = filled.look_backs(starts, look_back)
    truth = np.where(np.isnan(inputs).any(1)[:, None, :], np.nan, values[ahead])
    keep = ~np.isnan(truth).all((1, 2))
    return Windows(inputs[keep], filled.between[ahead][keep], truth[keep], starts[keep])


def latest_look_backs(values: np.ndarray, ends: np.ndarray, look_back: int, max_gap: int) -> np.ndarray:
    """Look-backs [windows, look_back, sensors] that end just before the rows `ends`."""
    return _Filled.of(values, max_gap).look_backs(ends - look_back, look_back)


def fill_short_gaps(values: np.ndarray, max_gap: int) -> np.ndarray:
    """[rows, sensors] with gaps of at most `max_gap` rows interpolated: for looking back on what is over."""
    return _Filled.of(values, max_gap).between


@dataclass(frozen=True)
class _Filled:
    last: np.ndarray  # [rows, sensors]: the last row at or before this one with a reading
    held: np.ndarray  # the last reading, held for at most max_gap rows
    between: np.ndarray  # interpolated across gaps of at most max_gap rows

    @classmethod
    def of(cls, values: np.ndarray, max_gap: int) -> "_Filled":
        rows = np.arange(len(values))[:, None]
        seen = ~np.isnan(values)
        last = np.maximum.accumulate(np.where(seen, rows, -1), axis=0)
        following = np.minimum.accumulate(np.where(seen, rows, len(values))[::-1], axis=0)[::-1]
        before = np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), 0), np.nan)
        inside = np.minimum(following, len(values) - 1)
        after = np.where(following < len(values), np.take_along_axis(values, inside, 0), np.nan)
        share = (rows - last) / np.maximum(following - last, 1)
        short = following - last - 1 <= max_gap
        between = np.where(seen, values, np.where(short, before + share * (after - before), np.nan))
        return cls(last, np.where(rows - last <= max_gap, before, np.nan), between)

    def look_backs(self, starts: np.ndarray, look_back: int) -> np.ndarray:
        """Interpolated inside the window; a gap at its end is held, since its other side is the future."""
        rows = starts[:, None] + np.arange(look_back)
        past_last = rows[:, :, None] > self.last[starts + look_back - 1][:, None, :]
        return np.where(past_last, self.held[rows], self.between[rows])
