"""Forecast one circuit from its latest readings and write the forecasts, with intervals, to a Delta table.

A repeat replaces what it wrote before: the same circuit, issue time and deployment never stand there twice.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

import numpy as np
from shared.circuit import Circuit, load_circuit
from shared.delta import replace_rows, text_column, time_column
from shared.errors import LOG, InputError, run_command
from shared.forecaster import Forecaster
from shared.readings import Series, load_series
from shared.storage import resolve
from shared.windows import latest_look_backs

if TYPE_CHECKING:
    from arro3.core import Table

OUTPUTS = ("forecast", "lower", "upper")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scored:
    """Forecasts of the windows issued at `issued` [windows]; each output is [windows, horizon, sensors]."""

    issued: list[datetime]
    step: timedelta
    outputs: dict[str, np.ndarray]


def main() -> None:
    """Command line: load, forecast, write, report."""
    arguments = _arguments()
    clock = _Clock()
    circuit = load_circuit(arguments.circuit_config)
    model = Forecaster.load(arguments.model)
    day = _day(arguments.score_date)
    if arguments.windows < 1:
        raise InputError(f"windows must be at least 1, got {arguments.windows}")
    series = load_latest(circuit, model, resolve(arguments.sensor_data), day, arguments.windows)
    load_seconds = clock.lap()
    issued = issue_times(series, arguments.windows)
    chosen = [at for at in issued if in_share(circuit, at, arguments.window_offset, arguments.window_share)]
    scored = forecast(model, series, chosen)
    predict_seconds = clock.lap()
    rows = forecast_rows(circuit, scored, arguments.model_version, arguments.deployment)
    version = None
    if rows.num_rows:
        predicate = replaced(circuit, chosen, arguments.deployment)
        version = replace_rows(resolve(arguments.forecasts), rows, predicate)
    summary = {
        "schema_version": 1,
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "deployment": arguments.deployment,
        "model_version": arguments.model_version,
        "score_date": day.isoformat(),
        "issued_at": [at.isoformat() for at in chosen],
        "windows": {"available": len(issued), "scored": len(chosen)},
        "rows": rows.num_rows,
        "skipped_sensors": skipped_sensors(circuit, scored),
        "seconds": {"load": load_seconds, "predict": predict_seconds, "write": clock.lap()},
        "delta_version": version,
    }
    Path(arguments.summary).write_text(json.dumps(summary, indent=2), encoding="utf-8")
    LOG.info("%s: %d forecasts of %d windows", circuit.name, rows.num_rows, len(chosen))


def load_latest(circuit: Circuit, model: Forecaster, table: str, day: date, windows: int) -> Series:
    """The readings that the last `windows` look-backs up to the end of `day` need.

    Raises `InputError` when the model is of another circuit, or nothing was read on `day`.
    """
    if model.sensors != circuit.sensors or model.metadata["frequency_minutes"] != circuit.frequency_minutes:
        raise InputError(f"the model forecasts {model.sensors}, circuit_config names {circuit.sensors}")
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    step = timedelta(minutes=circuit.frequency_minutes)
    # A gap at the first window's start is filled from readings before it.
    reach = model.metadata["look_back"] + windows + model.metadata["max_gap"]
    series = load_series(circuit, table, end - timedelta(days=1) - reach * step, end)
    if not len(series.values) or series.time(len(series.values)) <= end - timedelta(days=1):
        raise InputError(
            f"no reading of {circuit.name} on {day}: run etl_merge first, or score an earlier day"
        )
    return series


def issue_times(series: Series, windows: int) -> list[datetime]:
    """The ends of the last `windows` look-backs: just after the newest reading, and the steps before it."""
    newest = len(series.values)
    return [series.time(newest - back) for back in reversed(range(windows))]


def in_share(circuit: Circuit, issued: datetime, offset: float, share: float) -> bool:
    """Whether the window falls to this run: its fixed hash in [0, 1) lies in [offset, offset + share)."""
    digest = sha256(f"{circuit.name}/{issued.isoformat()}".encode()).digest()
    return offset <= int.from_bytes(digest[:6]) / 2**48 < offset + share


def forecast(model: Forecaster, series: Series, issued: list[datetime]) -> Scored:
    """Forecasts of the look-backs that end at `issued`; NaN for a sensor whose look-back has a long gap."""
    look_back, horizon = model.metadata["look_back"], model.metadata["horizon"]
    if not issued:
        nothing = np.empty((0, horizon, len(series.sensors)))
        return Scored([], series.step, dict.fromkeys(OUTPUTS, nothing))
    ends = np.array([(at - series.start) // series.step for at in issued])
    missing = max(0, look_back - int(ends.min()))
    values = np.vstack([np.full((missing, len(series.sensors)), np.nan), series.values])
    look_backs = latest_look_backs(values, ends + missing, look_back, model.metadata["max_gap"])
    outputs = model.predict(look_backs, *OUTPUTS)
    return Scored(issued, series.step, dict(zip(OUTPUTS, outputs, strict=True)))


def forecast_rows(circuit: Circuit, scored: Scored, model_version: str, deployment: str) -> "Table":
    """One row a window, step ahead and sensor, as the forecasts table holds them."""
    from arro3.core import Array, Table

    windows, steps, sensors = np.nonzero(~np.isnan(scored.outputs["forecast"]))
    count = len(windows)
    issued = np.array([_microseconds(at) for at in scored.issued], np.int64)[windows]
    ahead = steps * int(scored.step.total_seconds() * 10**6)
    now = np.full(count, _microseconds(datetime.now(UTC)))
    cells = {name: values[windows, steps, sensors] for name, values in scored.outputs.items()}
    return Table.from_pydict(
        {
            "plant_id": text_column([circuit.plant_id] * count),
            "circuit_id": text_column([circuit.circuit_id] * count),
            "sensor": text_column([circuit.sensors[index] for index in sensors]),
            "issued_at": time_column(issued),
            "time": time_column(issued + ahead),
            **{name: Array.from_numpy(values) for name, values in cells.items()},
            "model_version": text_column([model_version] * count),
            "deployment": text_column([deployment] * count),
            "scored_at": time_column(now),
        }
    )


def replaced(circuit: Circuit, issued: list[datetime], deployment: str) -> str:
    """Delta predicate of the rows that a repeat of this run replaces."""
    kind = """'Timestamp(Microsecond, Some("UTC"))'"""  # the column's own: delta-rs compares file statistics as typed
    times = " OR ".join(
        f"issued_at = arrow_cast('{at.isoformat(timespec='seconds')}', {kind})" for at in issued
    )
    equal = {"plant_id": circuit.plant_id, "circuit_id": circuit.circuit_id, "deployment": deployment}
    columns = " AND ".join(f"{column} = '{value.replace("'", "''")}'" for column, value in equal.items())
    return f"{columns} AND ({times})"


def skipped_sensors(circuit: Circuit, scored: Scored) -> dict[str, str]:
    """Sensors without a forecast in some window, and why."""
    gaps = np.isnan(scored.outputs["forecast"]).any(1).sum(0)
    return {
        sensor: f"a long gap in the look-back of {count} windows"
        for sensor, count in zip(circuit.sensors, gaps.tolist(), strict=True)
        if count
    }


class _Clock:
    def __init__(self) -> None:
        self._at = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self._at = self._at, time.perf_counter()
        return round(self._at - before, 3)


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"score_date must be YYYY-MM-DD, got {text!r}") from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    parser.add_argument("--model", required=True, metavar="FOLDER", help="MLflow model folder of train_lstm")
    parser.add_argument(
        "--circuit_config", required=True, metavar="YAML", help="the circuit, everything resolved"
    )
    parser.add_argument(
        "--sensor_data", required=True, metavar="URI", help="abfss:// URI or folder of the readings"
    )
    parser.add_argument(
        "--forecasts", required=True, metavar="URI", help="abfss:// URI or folder of the forecasts"
    )
    parser.add_argument(
        "--score_date", required=True, metavar="YYYY-MM-DD", help="issue at the end of this day (UTC)"
    )
    parser.add_argument(
        "--model_version", required=True, metavar="TEXT", help="written beside every forecast"
    )
    parser.add_argument("--deployment", required=True, metavar="TEXT", help="written beside every forecast")
    parser.add_argument(
        "--window_share", type=float, default=1.0, metavar="0..1", help="share of the windows to score"
    )
    parser.add_argument(
        "--window_offset", type=float, default=0.0, metavar="0..1", help="where the share begins"
    )
    parser.add_argument("--windows", type=int, default=1, metavar="N", help="issue times: the last N steps")
    parser.add_argument("--summary", required=True, metavar="JSON", help="output: what was scored, how fast")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
