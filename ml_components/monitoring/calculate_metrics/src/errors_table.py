"""Rolling errors of the forecasts whose hour has come, and the Delta table that keeps them by day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from shared.circuit import Circuit
from shared.delta import replace_rows, text_column, time_column
from shared.query import equal, moment, select_if_there, text
from shared.readings import load_grid

CIRCUIT = ""  # the row that speaks for all sensors


@dataclass(frozen=True)
class Pairs:
    """Forecasts with their readings [pairs], of one deployment and model version; `sensor` indexes the circuit's.

    naive: the reading one season before the forecast's, as it was known when the forecast was issued; NaN without.
    """

    deployment: str
    model_version: str
    sensor: np.ndarray
    forecast: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    actual: np.ndarray
    naive: np.ndarray
    issues: int


def measure(pairs: Pairs, sensors: tuple[str, ...], training: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Errors by sensor and of the circuit; `training` has the champion's `mae` and `rmse` by sensor.

    The circuit's `ratio` is the mean of its sensors': they differ in scale, their ratios do not.
    """
    own = {
        sensor: _errors(pairs, pairs.sensor == index, training.get(sensor))
        for index, sensor in enumerate(sensors)
        if (pairs.sensor == index).any()
    }
    whole = {
        "pairs": int(sum(one["pairs"] for one in own.values())),
        **{
            key: _mean([one[key] for one in own.values()])
            for key in ("mae", "rmse", "wape", "ratio", "coverage")
        },
        "skill_seasonal_naive": _mean([one["skill_seasonal_naive"] for one in own.values()]),
    }
    return {"circuit": whole, "sensors": own}


def _errors(
    pairs: Pairs, mine: np.ndarray, training: dict[str, float] | None
) -> dict[str, float | int | None]:
    miss = pairs.forecast[mine] - pairs.actual[mine]
    total = float(np.abs(pairs.actual[mine]).sum())
    rmse = float(np.sqrt(np.mean(miss**2)))
    compared = ~np.isnan(pairs.naive[mine])
    naive = float(np.mean((pairs.naive[mine] - pairs.actual[mine])[compared] ** 2)) if compared.any() else 0.0
    inside = (pairs.lower[mine] <= pairs.actual[mine]) & (pairs.actual[mine] <= pairs.upper[mine])
    return {
        "pairs": int(mine.sum()),
        "mae": float(np.abs(miss).mean()),
        "rmse": rmse,
        "wape": float(np.abs(miss).sum()) / total if total else None,
        "skill_seasonal_naive": 1.0 - float(np.mean(miss[compared] ** 2)) / naive if naive > 0 else None,
        "ratio": rmse / training["rmse"] if training and training.get("rmse") else None,
        "coverage": float(inside.mean()),
    }


def read_pairs(
    circuit: Circuit, forecasts: str, readings: str, day: date, days: int, season: int
) -> list[Pairs]:
    """The pairs of the `days` days up to the end of `day` (UTC), a `Pairs` for each deployment's model version."""
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    start = end - timedelta(days=days)
    rows = select_if_there(
        forecasts,
        "SELECT sensor, to_unixtime(time) AS at, to_unixtime(issued_at) AS issued, forecast, lower, upper, "  # noqa: S608 every text is quoted
        f"deployment, model_version FROM rows WHERE {_circuit(circuit)} "
        f"AND sensor IN ({', '.join(map(text, circuit.sensors))}) "
        f"AND time >= {moment(start)} AND time < {moment(end)}",
    )
    if rows is None or not rows.num_rows:
        return []
    step = circuit.frequency_minutes * 60
    issued = rows.column("issued").to_numpy()
    first = datetime.fromtimestamp(int(issued.min()) - season * step, UTC)
    actuals = _Actuals.read(circuit, readings, first, end)
    known = {sensor: index for index, sensor in enumerate(circuit.sensors)}
    sensor = np.array([known[name] for name in rows.column("sensor").to_pylist()])
    at = rows.column("at").to_numpy()
    actual = actuals.of(sensor, at)
    # the last season that was complete at the issue time
    seasons_back = -(-(at - issued + step) // (season * step))
    naive = actuals.of(sensor, at - seasons_back * season * step)
    names = list(
        zip(rows.column("deployment").to_pylist(), rows.column("model_version").to_pylist(), strict=True)
    )
    columns = {name: rows.column(name).to_numpy() for name in ("forecast", "lower", "upper")}
    found: list[Pairs] = []
    for deployment, version in sorted(set(names)):
        mine = np.array([name == (deployment, version) for name in names]) & ~np.isnan(actual)
        if mine.any():
            cells = {name: values[mine] for name, values in columns.items()}
            found.append(
                Pairs(
                    deployment,
                    version,
                    sensor[mine],
                    actual=actual[mine],
                    naive=naive[mine],
                    issues=len(np.unique(issued[mine])),
                    **cells,
                )
            )
    return found


@dataclass(frozen=True)
class _Actuals:
    """Readings [steps, sensors] on the circuit's grid, from `first` (seconds) on."""

    first: int
    step: int
    values: np.ndarray

    @classmethod
    def read(cls, circuit: Circuit, readings: str, start: datetime, end: datetime) -> "_Actuals":
        step = circuit.frequency_minutes * 60
        begin = int(start.timestamp()) // step * step
        grid = load_grid(circuit, readings, datetime.fromtimestamp(begin, UTC), end)
        return cls(begin, step, grid.values)

    def of(self, sensor: np.ndarray, at: np.ndarray) -> np.ndarray:
        """What the sensors read at these seconds; NaN where nothing was, or outside the grid."""
        row = (at - self.first) // self.step
        inside = (row >= 0) & (row < len(self.values))
        return np.where(inside, self.values[np.where(inside, row, 0), sensor], np.nan)


def remember(table: str, circuit: Circuit, day: date, measured: list[tuple[Pairs, dict[str, Any]]]) -> int:
    """Put the day's errors in the place of what stood there for it; the table's new version."""
    from arro3.core import Array, DataType, Table

    rows = [
        (pairs, sensor, errors)
        for pairs, document in measured
        for sensor, errors in [(CIRCUIT, document["circuit"]), *document["sensors"].items()]
    ]
    count = len(rows)
    figures = ("mae", "rmse", "wape", "skill_seasonal_naive", "ratio", "coverage")
    now = int(datetime.now(UTC).timestamp() * 10**6)
    content = Table.from_pydict(
        {
            "plant_id": text_column([circuit.plant_id] * count),
            "circuit_id": text_column([circuit.circuit_id] * count),
            "day": text_column([day.isoformat()] * count),
            "deployment": text_column([pairs.deployment for pairs, _, _ in rows]),
            "model_version": text_column([pairs.model_version for pairs, _, _ in rows]),
            "sensor": text_column([sensor for _, sensor, _ in rows]),
            "pairs": Array([errors["pairs"] for _, _, errors in rows], type=DataType.int64()),
            **{
                name: Array([errors[name] for _, _, errors in rows], type=DataType.float64())
                for name in figures
            },
            "measured_at": time_column(np.full(count, now)),
        }
    )
    return replace_rows(table, content, f"{_circuit(circuit)} AND day = '{day.isoformat()}'")


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _circuit(circuit: Circuit) -> str:
    return equal(plant_id=circuit.plant_id, circuit_id=circuit.circuit_id)
