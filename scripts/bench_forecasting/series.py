"""Public sensor data as plain arrays."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from shared.circuit import Circuit, Hyperparameters
from shared.windows import Windows, make_windows

ETT = Path("ett") / "ETTh1.csv"
MONTH = 30 * 24  # rows: the papers' months have 30 days
STATIONS = {
    "air": ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3"),
    "weather": ("TEMP", "PRES", "DEWP", "RAIN", "WSPM"),
}
SHARES = (0.70, 0.85, 1.0)  # as split_rows cuts a circuit's readings


@dataclass(frozen=True)
class Case:
    """One circuit: values [rows, sensors] with NaN where nothing was read, and the ends of its three parts."""

    name: str
    sensors: tuple[str, ...]
    values: np.ndarray
    ends: tuple[int, int, int]

    def windows(self, chosen: Hyperparameters) -> tuple[Windows, Windows, Windows]:
        """Training, validation and test windows; the later ones' look-backs reach into the part before."""
        starts = (0, *self.ends[:2])
        train, validation, test = (
            make_windows(self.values, first, end, chosen.look_back, chosen.horizon, chosen.max_gap)
            for first, end in zip(starts, self.ends, strict=True)
        )
        return train, validation, test

    def circuit(self, chosen: Hyperparameters) -> Circuit:
        return Circuit("BENCH", self.name, self.sensors, date(2026, 1, 1), 0, 60, chosen, {})


def etth1(folder: Path) -> Case:
    """ETTh1 under the papers' protocol: 12, 4 and 4 months of 30 days."""
    columns, values = _columns(folder / ETT)
    sensors = columns[1:]
    return Case("ETTh1", sensors, values[:, 1:], (12 * MONTH, 16 * MONTH, 20 * MONTH))


def prsa(folder: Path) -> Iterator[Case]:
    """A station is a plant of two circuits."""
    for path in sorted((folder / "prsa").glob("*.csv")):
        for circuit, sensors in STATIONS.items():
            yield _case(path, f"{path.stem.split('_')[2]} {circuit}", sensors)


def station(folder: Path, name: str, sensors: tuple[str, ...]) -> Case:
    """One PRSA station as one circuit."""
    [path] = (folder / "prsa").glob(f"PRSA_Data_{name}_*.csv")
    return _case(path, name, sensors)


def _case(path: Path, name: str, sensors: tuple[str, ...]) -> Case:
    columns, values = _columns(path)
    train, validation, test = (int(len(values) * share) for share in SHARES)
    chosen = values[:, [columns.index(sensor) for sensor in sensors]]
    return Case(name, sensors, chosen, (train, validation, test))


def _columns(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values of every column; NaN for what is no number."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return tuple(header), np.array([[_number(cell) for cell in row] for row in rows])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
