"""Issue times: which windows a run forecasts, and the readings they look back on."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

import numpy as np
from shared.circuit import Circuit
from shared.errors import InputError
from shared.forecaster import Forecaster
from shared.readings import Series, load_series, newest_reading
from shared.windows import latest_look_backs


class Mode(StrEnum):
    """A forecast looks ahead of the day's end; a replay forecasts what has been read since, and writes nothing."""

    FORECAST = "forecast"
    REPLAY = "replay"


@dataclass(frozen=True)
class Share:
    """The part [offset, offset + share) of all windows that falls to one deployment."""

    offset: float = 0.0
    share: float = 1.0

    def holds(self, circuit: Circuit, issued: datetime) -> bool:
        """Whether the window's fixed hash in [0, 1) lies in the part."""
        digest = sha256(f"{circuit.name}/{issued.isoformat()}".encode()).digest()
        return self.offset <= int.from_bytes(digest[:6]) / 2**48 < self.offset + self.share


def load_recent(
    circuit: Circuit, model: Forecaster, table: str, day: date, windows: int, mode: Mode
) -> Series:
    """The readings that the last `windows` windows up to the end of `day` (UTC) need.

    Raises `InputError` when the model is of another circuit; when nothing was read on `day` (forecast) or at all up
    to its end (replay).
    """
    if model.sensors != circuit.sensors or model.metadata["frequency_minutes"] != circuit.frequency_minutes:
        raise InputError(f"the model forecasts {model.sensors}, circuit_config names {circuit.sensors}")
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end, step = begin + timedelta(days=1), timedelta(minutes=circuit.frequency_minutes)
    newest = newest_reading(circuit, table, end)
    if newest is None or (mode is Mode.FORECAST and newest < begin):
        raise InputError(
            f"no reading of {circuit.name} {'on' if mode is Mode.FORECAST else 'up to'} {day}: "
            "run etl_merge first, or score an earlier day"
        )
    # A gap at the first window's start is filled from readings before it.
    reach = model.metadata["look_back"] + windows + model.metadata["max_gap"] + _ahead(model, mode)
    return load_series(circuit, table, newest - reach * step, end)


def issue_times(series: Series, model: Forecaster, windows: int, mode: Mode) -> list[datetime]:
    """The last `windows` steps at which the newest reading, or in a replay the end of the horizon, was there."""
    newest = len(series.values) - _ahead(model, mode)
    return [series.time(newest - back) for back in reversed(range(windows))]


def look_backs(model: Forecaster, series: Series, issued: list[datetime]) -> np.ndarray:
    """[windows, look_back, sensors] that end at `issued`; NaN from a long gap on."""
    look_back = model.metadata["look_back"]
    if not issued:
        return np.empty((0, look_back, len(series.sensors)))
    ends = _rows(series, issued)
    missing = max(0, look_back - int(ends.min()))
    values = np.vstack([np.full((missing, len(series.sensors)), np.nan), series.values])
    return latest_look_backs(values, ends + missing, look_back, model.metadata["max_gap"])


def actuals(model: Forecaster, series: Series, issued: list[datetime]) -> np.ndarray:
    """[windows, horizon, sensors] that were read from `issued` on; NaN where nothing was."""
    rows = _rows(series, issued)[:, None] + np.arange(model.metadata["horizon"])
    known = (rows >= 0) & (rows < len(series.values))
    return np.where(known[..., None], series.values[np.where(known, rows, 0)], np.nan)


def _ahead(model: Forecaster, mode: Mode) -> int:
    return int(model.metadata["horizon"]) if mode is Mode.REPLAY else 0


def _rows(series: Series, issued: list[datetime]) -> np.ndarray:
    return np.array([(at - series.start) // series.step for at in issued], np.int64)
