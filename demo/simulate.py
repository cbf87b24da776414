"""A simulated fleet: seeded, so that every run sees the same plants."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

Series = NDArray[np.float64]

SEED = 20251209
DAYS = 100
END = datetime(2025, 12, 10, 6, tzinfo=UTC)  # six hours into the day after the cutoff date
MAPPING = "mapping.yaml"


@dataclass(frozen=True)
class Sensor:
    """value = base + span × (share of the plant's load, delayed by `lag` hours, and a daily rhythm) + noise."""

    name: str
    base: float
    span: float
    load: float
    lag: int = 0
    peak_hour: float = 15.0
    noise: float = 0.05


CIRCUITS: dict[str, tuple[Sensor, ...]] = {
    "CIRC1": (
        Sensor("feed_temperature", 62.0, 14.0, load=0.9, lag=2),
        Sensor("feed_pressure", 11.5, 2.2, load=1.0),
        Sensor("feed_flow", 38.0, 14.0, load=1.1, noise=0.09),
    ),
    "CIRC2": (
        Sensor("cooling_temperature", 27.0, 9.0, load=0.7, lag=1, peak_hour=16.0),
        Sensor("cooling_flow", 120.0, 45.0, load=0.6, peak_hour=16.0, noise=0.08),
        Sensor("pump_current", 61.0, 26.0, load=1.0, noise=0.06),
        Sensor("pump_vibration", 2.4, 0.9, load=0.6, noise=0.12),
    ),
    "CIRC3": (
        Sensor("motor_current", 44.0, 31.0, load=1.0, noise=0.08),
        Sensor("bearing_temperature", 48.0, 16.0, load=0.8, lag=3),
    ),
}
PLANTS = ("PLANT1", "PLANT2")


def write_fleet(folder: Path, *, seed: int = SEED, days: int = DAYS, end: datetime = END) -> None:
    """Write one CSV a plant (hourly; empty cells are gaps) and the mapping of sensors to circuits."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, plant in enumerate(PLANTS):
        _write_plant(folder / f"{plant}.csv", np.random.default_rng([seed, index]), days, end)
    mapping = {
        plant: {key: [s.name for s in sensors] for key, sensors in CIRCUITS.items()} for plant in PLANTS
    }
    with (folder / MAPPING).open("w") as file:
        YAML().dump(mapping, file)


def _write_plant(path: Path, random: np.random.Generator, days: int, end: datetime) -> None:
    hours = days * 24 + end.hour
    times = [end - timedelta(hours=hours - index) for index in range(hours)]
    clock = np.array([time.hour for time in times], dtype=np.float64)
    weekday = np.array([time.weekday() for time in times])
    load = plant_load(clock, weekday, random)
    sensors = [sensor for circuit in CIRCUITS.values() for sensor in circuit]
    columns = [_with_gaps(_series(sensor, clock, load, random), random) for sensor in sensors]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time", *(sensor.name for sensor in sensors)])
        for index, time in enumerate(times):
            cells = (column[index] for column in columns)
            writer.writerow(
                [
                    time.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    *("" if np.isnan(cell) else f"{cell:.3f}" for cell in cells),
                ]
            )


def plant_load(clock: Series, weekday: NDArray[np.int_], random: np.random.Generator) -> Series:
    """The plant's load per hour, around 0..1: two peaks a day, quiet week-ends, slow weather-like drift."""
    daily = 0.45 * np.exp(-(((clock - 9) / 3.0) ** 2)) + 0.55 * np.exp(-(((clock - 18) / 3.5) ** 2))
    weekly = np.where(weekday >= 5, 0.55, 1.0)
    return 0.25 + daily * weekly + autoregressive(random, len(clock), 0.985, 0.12)


def _series(sensor: Sensor, clock: Series, load: Series, random: np.random.Generator) -> Series:
    delayed = np.concatenate([np.full(sensor.lag, load[0]), load])[: len(load)]
    rhythm = 0.35 * np.cos(2 * np.pi * (clock - sensor.peak_hour) / 24)
    drift = autoregressive(random, len(load), 0.9, 2 * sensor.noise)
    noise = sensor.noise * 0.5 * random.standard_normal(len(load))
    return sensor.base + sensor.span * (sensor.load * delayed + rhythm + drift + noise)


def autoregressive(random: np.random.Generator, length: int, memory: float, deviation: float) -> Series:
    """An AR(1) process of the given stationary standard deviation."""
    shocks = random.standard_normal(length) * deviation * np.sqrt(1 - memory**2)
    values = np.empty(length)
    level = deviation * random.standard_normal()
    for index, shock in enumerate(shocks):
        level = memory * level + shock
        values[index] = level
    return values


def _with_gaps(values: Series, random: np.random.Generator) -> Series:
    """About 1 % of the cells missing: single drop-outs, and a few outages of some hours, none in the last ten days."""
    values = np.where(random.random(len(values)) < 0.004, np.nan, values)
    for start in random.integers(0, len(values) - 240, size=4):
        values[start : start + random.integers(2, 10)] = np.nan
    return values
