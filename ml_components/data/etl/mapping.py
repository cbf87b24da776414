"""The mapping file: which columns of a plant's raw files are which sensors of which circuits."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from shared.errors import InputError

_KEYS = {"plant_id", "file", "time", "timezone", "time_format", "delimiter", "decimal", "circuits"}
TIME_PARTS = ("year", "month", "day", "hour", "minute", "second")


@dataclass(frozen=True)
class PlantMapping:
    """One plant: its files (globs), its time column or columns, and circuit → sensor → column.

    `digest` changes with whatever changes what a file means.
    """

    plant_id: str
    files: tuple[str, ...]
    time: tuple[str, ...]
    timezone: ZoneInfo
    time_format: str | None
    delimiter: str
    decimal: str
    circuits: Mapping[str, Mapping[str, str]]
    digest: str

    @property
    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Column → the (circuit, sensor) pairs that it feeds."""
        found: dict[str, list[tuple[str, str]]] = {}
        for circuit, sensors in self.circuits.items():
            for sensor, column in sensors.items():
                found.setdefault(column, []).append((circuit, sensor))
        return found


def load_mappings(path: str | Path) -> list[PlantMapping]:
    """Read the mapping file, one plant or a list of them; raises `InputError` naming the plant and the key."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"mapping {path} cannot be read: {error}") from error
    return parse_mappings(text, str(path))


def parse_mappings(text: str, path: str) -> list[PlantMapping]:
    """The same from the file's text; `path` is what messages call it."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"mapping {path} cannot be read: {error}") from error
    entries = document if isinstance(document, list) else [document]
    return [_plant(f"mapping {path}, plant {index + 1}", entry) for index, entry in enumerate(entries)]


def _plant(where: str, entry: Any) -> PlantMapping:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: must be a YAML mapping")
    if unknown := sorted(set(entry) - _KEYS):
        raise InputError(f"{where}: {unknown[0]} is not known; known are {', '.join(sorted(_KEYS))}")
    if missing := [key for key in ("plant_id", "file", "time", "circuits") if not entry.get(key)]:
        raise InputError(f"{where}: {missing[0]} is missing")
    time = _names(entry["time"])
    if len(time) > 1 and (time[:3] != TIME_PARTS[:3] or not set(time) <= set(TIME_PARTS)):
        raise InputError(
            f"{where}: time must be one column, or columns out of {', '.join(TIME_PARTS)} from year on"
        )
    try:
        zone = ZoneInfo(str(entry.get("timezone", "UTC")))
    except (KeyError, ValueError) as error:
        raise InputError(f"{where}: timezone {entry['timezone']!r} is not known") from error
    return PlantMapping(
        plant_id=str(entry["plant_id"]),
        files=_names(entry["file"]),
        time=time,
        timezone=zone,
        time_format=entry.get("time_format"),
        delimiter=_one_of(where, entry, "delimiter", ",", ",;\t|"),
        decimal=_one_of(where, entry, "decimal", ".", ".,"),
        circuits=_circuits(where, entry["circuits"]),
        digest=hashlib.sha256(repr(sorted(entry.items())).encode()).hexdigest()[:12],
    )


def _one_of(where: str, entry: dict[str, Any], key: str, default: str, allowed: str) -> str:
    value = str(entry.get(key, default))
    if len(value) != 1 or value not in allowed:
        raise InputError(f"{where}: {key} {value!r} is none of {' '.join(map(repr, allowed))}")
    return value


def _circuits(where: str, circuits: Any) -> dict[str, dict[str, str]]:
    if not isinstance(circuits, dict):
        raise InputError(f"{where}: circuits must map circuit names to sensors")
    found: dict[str, dict[str, str]] = {}
    for circuit, sensors in circuits.items():
        match sensors:
            case list() if sensors:
                found[str(circuit)] = {str(sensor): str(sensor) for sensor in sensors}
            case dict() if sensors:
                found[str(circuit)] = {str(sensor): str(column) for sensor, column in sensors.items()}
            case _:
                raise InputError(f"{where}: circuits.{circuit} must list sensors or map them to columns")
    return found


def _names(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
