"""A fleet out of a folder of CSV files: one file a plant, circuits by a mapping or by groups of columns."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.mapping import Mappings
from demo.plan import Findings, Group, Plant
from demo.tables import Column, Readings, UnusableError, read_readings

MAX_TRAINING_DAYS = 365
MIN_TRAINING_DAYS = 21
MIN_STEPS = 330  # what training needs to hold out two horizons for validation and two for the test
MAX_NAME = 100
HOUR = 60
GROUP_SIZE = 4
STILL_SHARE = 0.9  # a sensor that shows one value for this share of the time hardly ever moves
GAP_SHARE = 0.5
MINUTE = np.timedelta64(1, "m")
DAY = np.timedelta64(1, "D")
_GENERIC = {"data", "dataset", "sensor", "sensors", "export", "readings", "hourly", "raw"}


def read_folder(folder: Path, mapping: Path | None, findings: Findings) -> tuple[Plant, ...]:
    """The plants of `folder`; a file that cannot be one is reported and the others go on.

    Raises `UnusableError` when there is no folder, no CSV file, or no usable one.
    """
    if not folder.is_dir():
        raise UnusableError(f"{folder} is not a folder")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    if not files:
        raise UnusableError(f"{folder} holds no .csv file; one file a plant is expected")
    mappings = Mappings.read(mapping, findings) if mapping else Mappings({})
    plants: list[Plant] = []
    for path, plant_id in zip(files, plant_ids([path.stem for path in files]), strict=True):
        try:
            plants.append(read_plant(path, plant_id, mappings, findings))
        except UnusableError as error:
            findings.problem(path.name, f"{error}; the plant is left out")
    if not plants:
        raise UnusableError(
            "no file could be used: " + "; ".join(str(item) for item in findings.all if not item.note)
        )
    return tuple(plants)


def read_plant(path: Path, plant_id: str, mappings: Mappings, findings: Findings) -> Plant:
    """One file as a plant; raises `UnusableError`."""
    readings = read_readings(path, findings)
    step = infer_frequency(readings.times)
    cutoff = last_full_day(readings.times, step)
    frequency = max(step, HOUR)
    if step < HOUR:
        findings.note(path.name, f"has a reading every {step} minutes: averaged to hours")
    available = int((np.datetime64(cutoff, "D") - readings.times[0].astype("datetime64[D]")) / DAY) + 1
    needed = max(MIN_TRAINING_DAYS, -(-MIN_STEPS * frequency // 1440))
    if available < needed:
        raise UnusableError(f"holds {available} full days; at least {needed} are needed to train and to test")
    days = min(available, MAX_TRAINING_DAYS)
    mapped = mappings.circuits(plant_id, path.stem, [column.name for column in readings.columns], findings)
    circuits = mapped or group(_usable(path.name, readings, cutoff, days, findings))
    if not circuits:
        raise UnusableError("has no sensor column that could be forecast")
    return Plant(
        plant_id=plant_id,
        file=path,
        delimiter=readings.delimiter,
        time_columns=readings.time_columns,
        circuits=circuits,
        cutoff_date=cutoff,
        training_days=days,
        frequency_minutes=frequency,
        season=season(frequency),
        rows=len(readings.times),
    )


def infer_frequency(times: NDArray[np.datetime64]) -> int:
    """Minutes between readings: the commonest step, at least 1; raises `UnusableError` past a day."""
    if len(times) < 2:
        raise UnusableError("has a single reading")
    steps, counts = np.unique(np.diff(times) / MINUTE, return_counts=True)
    minutes = max(1, round(float(steps[np.argmax(counts)])))
    if minutes > 1440:
        raise UnusableError(f"has a reading every {minutes} minutes; at least one a day is needed")
    return minutes


def season(frequency_minutes: int) -> int:
    """Steps until things repeat: a day, or a week of daily readings."""
    return round(1440 / frequency_minutes) if frequency_minutes <= 720 else 7


def last_full_day(times: NDArray[np.datetime64], frequency_minutes: int) -> date:
    """The last day whose end the readings reach."""
    end = times[-1] + frequency_minutes * MINUTE
    day: date = (end.astype("datetime64[D]") - DAY).item()
    return day


def _usable(file: str, readings: Readings, cutoff: date, days: int, findings: Findings) -> list[str]:
    """The columns worth forecasting within the training days; the others are noted."""
    start = np.datetime64(cutoff - timedelta(days=days - 1), "s")
    window = (readings.times >= start) & (readings.times < np.datetime64(cutoff + timedelta(days=1), "s"))
    names: list[str] = []
    for column in readings.columns:
        if reason := _unfit(column, window):
            findings.note(
                file, f"{reason}: left out (a mapping file can put it into a circuit)", column=column.name
            )
        else:
            names.append(column.name)
    return names


def _unfit(column: Column, window: NDArray[np.bool_]) -> str | None:
    """Why a column is no sensor to forecast, or None."""
    if not column.name.isprintable() or not 1 <= len(column.name) <= MAX_NAME:
        return "has no usable name"
    if len(column.values) > 2 and np.all(np.diff(column.values) == 1):
        return "counts the rows"
    values = column.values[window]
    present = values[~np.isnan(values)]
    if len(present) < GAP_SHARE * len(values) or not len(present):
        return f"is missing in {1 - len(present) / max(len(values), 1):.0%} of the training days' readings"
    common, counts = np.unique(present, return_counts=True)
    share = counts.max() / len(present)
    if share >= STILL_SHARE:
        return f"stands at {common[counts.argmax()]:g} for {share:.0%} of the training days"
    return None


def group(sensors: Sequence[str]) -> tuple[Group, ...]:
    """Circuits of up to four sensors in the order of the columns, as even as can be."""
    count = -(-len(sensors) // GROUP_SIZE)
    sizes = [len(sensors) // count + (index < len(sensors) % count) for index in range(count)]
    starts = [sum(sizes[:index]) for index in range(count)]
    return tuple(
        Group(f"CIRC{index + 1}", tuple(sensors[start : start + size]))
        for index, (start, size) in enumerate(zip(starts, sizes, strict=True))
    )


# ---- names ---------------------------------------------------------------------------------------------------


def plant_ids(stems: Sequence[str]) -> tuple[str, ...]:
    """Plant ids out of file names: 1 to 16 upper-case letters and digits, a letter first, each once.

    Words that all files share, generic words and bare numbers say nothing about the plant and go first.
    """
    words = [re.findall(r"[A-Za-z0-9]+", stem) for stem in stems]
    shared = set.intersection(*(set(parts) for parts in words)) if len(words) > 1 else set[str]()
    taken: dict[str, None] = {}
    for parts in words:
        telling = [
            part
            for part in parts
            if part not in shared and part.lower() not in _GENERIC and not part.isdigit()
        ]
        taken[_free(_identifier(telling or parts), taken)] = None
    return tuple(taken)


def _identifier(parts: Iterable[str]) -> str:
    joined = "".join(parts).upper()
    return (joined if joined[:1].isalpha() else f"P{joined}")[:16]


def _free(name: str, taken: Mapping[str, None]) -> str:
    candidates = (name, *(f"{name[: 16 - len(str(number))]}{number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)
