"""Readings of one circuit out of the Delta table, on a regular grid of time steps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import yaml

from shared.circuit import Circuit
from shared.errors import InputError
from shared.query import equal, moment, select, text
from shared.storage import is_remote, read_below, resolve

_EQUALITY = re.compile(r"""\s*col\(["'](\w+)["']\)\s*==\s*["']([^"']*)["']\s*""")


@dataclass(frozen=True)
class TrainingData:
    """What an MLTable file pins: a Delta table, a version of it, and equalities on its columns."""

    table: str
    version: int | None
    where: dict[str, str]


@dataclass(frozen=True)
class Series:
    """Values [steps, sensors] in sensor units, NaN where nothing was read; step k starts at start + k · step."""

    start: datetime
    step: timedelta
    sensors: tuple[str, ...]
    values: np.ndarray

    @property
    def missing_share(self) -> float:
        """Share of cells without a reading."""
        return float(np.isnan(self.values).mean()) if self.values.size else 1.0

    def time(self, index: int) -> datetime:
        """When step `index` starts."""
        return self.start + index * self.step


def read_mltable(uri: str) -> TrainingData:
    """Parse the MLTable file in (or at) `uri`; raises `InputError` on what this reader does not understand."""
    folder = resolve(uri)
    folder = folder.removesuffix("/MLTable")
    try:
        document = yaml.safe_load(read_below(folder, "MLTable"))
        [path] = document["paths"]
        table = path["folder"]
        steps = [step for entry in document.get("transformations", []) for step in entry.items()]
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{folder}/MLTable must name one folder with a Delta table: {error!r}") from error
    if not is_remote(table) and not Path(table).is_absolute():
        table = f"{folder}/{table}"
    version, where = None, {}
    for name, argument in steps:
        match name, argument:
            case "read_delta_lake", {"version_as_of": int(version), **rest} if not rest:
                pass
            case "filter", str():
                where |= _equalities(argument)
            case _:
                raise InputError(f"{folder}/MLTable: {name} {argument!r} is not understood")
    return TrainingData(resolve(table), version, where)


def _equalities(expression: str) -> dict[str, str]:
    found = [_EQUALITY.fullmatch(term.strip(" ()")) for term in expression.split(" and ")]
    if None in found:
        raise InputError(f'filter {expression!r} is not understood: use col("a") == "b" and col("c") == "d"')
    return {match[1]: match[2] for match in found if match}


def load_training_series(circuit: Circuit, uri: str) -> Series:
    """The circuit's readings of the `training_days` before the end of its cutoff date."""
    data = read_mltable(uri)
    for column, wanted in (("plant_id", circuit.plant_id), ("circuit_id", circuit.circuit_id)):
        if data.where.get(column, wanted) != wanted:
            raise InputError(f"training_data is of {column} {data.where[column]}, circuit_config of {wanted}")
    start = circuit.cutoff - timedelta(days=circuit.training_days)
    return load_series(circuit, data.table, start, circuit.cutoff, data.version)


def load_series(
    circuit: Circuit, table_uri: str, start: datetime, end: datetime, version: int | None = None
) -> Series:
    """Mean per time step in [start, end), leading and trailing steps without any reading cut off.

    NaN and infinite values count as not read. A series without rows when nothing was read; raises `InputError` when
    the table is not there.
    """
    minutes = circuit.frequency_minutes
    rows = select(
        table_uri,
        f"""
        SELECT sensor, to_unixtime(date_bin(INTERVAL '{minutes} minutes', time)) AS second, avg(value) AS value
        FROM rows
        WHERE {_of(circuit)} AND time >= {moment(start)} AND time < {moment(end)}
        GROUP BY 1, 2""",  # noqa: S608 every text is quoted
        version,
    )
    if not rows.num_rows:
        return Series(start, timedelta(minutes=minutes), circuit.sensors, np.empty((0, len(circuit.sensors))))
    sensors = rows.column("sensor").to_pylist()
    step = timedelta(minutes=minutes)
    positions = rows.column("second").to_numpy() // (minutes * 60)
    return _on_grid(circuit.sensors, sensors, positions, rows.column("value").to_numpy(), step)


def load_grid(circuit: Circuit, table_uri: str, start: datetime, end: datetime) -> Series:
    """The same for every step in [start, end), also where nothing was read at all."""
    found = load_series(circuit, table_uri, start, end)
    grid = np.full(((end - start) // found.step, len(found.sensors)), np.nan)
    if len(found.values):
        first = (found.start - start) // found.step
        grid[max(first, 0) : first + len(found.values)] = found.values[max(-first, 0) :]
    return Series(start, found.step, found.sensors, grid)


def newest_reading(circuit: Circuit, table_uri: str, before: datetime) -> datetime | None:
    """When the circuit's newest reading before a moment was taken; None without one."""
    where = f"{_of(circuit)} AND time < {moment(before)}"
    rows = select(table_uri, f"SELECT max(time) AS newest FROM rows WHERE {where}")  # noqa: S608 as above
    [newest] = rows.column("newest").to_pylist()
    return newest


def _of(circuit: Circuit) -> str:
    """SQL condition: a finite reading of the circuit's sensors."""
    return (
        f"{equal(plant_id=circuit.plant_id, circuit_id=circuit.circuit_id)} "
        f"AND sensor IN ({', '.join(map(text, circuit.sensors))}) "
        "AND value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308"
    )


def _on_grid(
    names: tuple[str, ...], sensors: Sequence[str], positions: np.ndarray, values: np.ndarray, step: timedelta
) -> Series:
    first = int(positions.min())
    grid = np.full((int(positions.max()) - first + 1, len(names)), np.nan)
    column = {name: index for index, name in enumerate(names)}
    grid[positions - first, [column[sensor] for sensor in sensors]] = values
    return Series(datetime.fromtimestamp(0, UTC) + first * step, step, names, grid)
