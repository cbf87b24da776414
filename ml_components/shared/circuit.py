"""circuit_config: one circuit with everything resolved, read from YAML."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from shared.errors import InputError


@dataclass(frozen=True)
class Hyperparameters:
    """Lengths are in steps of the circuit's frequency; the defaults suit hourly sensor data."""

    look_back: int = 96
    horizon: int = 24
    season: int = 24
    patch: int = 12
    units: int = 64
    epochs: int = 8
    patience: int = 2
    batch_size: int = 64
    learning_rate: float = 0.002
    max_gap: int = 6
    seed: int = 7


@dataclass(frozen=True)
class Limits:
    """A sensor's alarm limits in sensor units; None = no limit on that side."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Circuit:
    """One circuit: which readings, up to when, how to train on them."""

    plant_id: str
    circuit_id: str
    sensors: tuple[str, ...]
    cutoff_date: date
    training_days: int
    frequency_minutes: int
    hyperparameters: Hyperparameters
    limits: Mapping[str, Limits]

    @property
    def name(self) -> str:
        """PLANT/CIRCUIT, as every message prints it."""
        return f"{self.plant_id}/{self.circuit_id}"

    @property
    def cutoff(self) -> datetime:
        """The end of the cutoff day (UTC): rows strictly before it are used."""
        return datetime(*self.cutoff_date.timetuple()[:3], tzinfo=UTC) + timedelta(days=1)


def load_circuit(path: str | Path) -> Circuit:
    """Read circuit_config; raises `InputError` naming the file and the key."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"circuit_config {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"circuit_config {path} is not a YAML mapping")
    try:
        return parse_circuit(document)
    except InputError as error:
        raise InputError(f"circuit_config {path}: {error}") from error


def parse_circuit(document: Mapping[str, Any]) -> Circuit:
    """The circuit of a parsed document; raises `InputError` naming the key."""
    sensors = tuple(str(sensor) for sensor in _required(document, "sensors", list))
    if not sensors or len(set(sensors)) < len(sensors):
        raise InputError(f"sensors must be a list of distinct names, got {list(sensors)}")
    return Circuit(
        plant_id=str(_required(document, "plant_id", object)),
        circuit_id=str(_required(document, "circuit_id", object)),
        sensors=sensors,
        cutoff_date=_date(document),
        training_days=_positive("training_days", document.get("training_days", 90)),
        frequency_minutes=_positive("frequency_minutes", document.get("frequency_minutes", 60)),
        hyperparameters=_hyperparameters(document.get("hyperparameters") or {}),
        limits=_limits(document.get("limits") or {}, sensors),
    )


def _required(document: Mapping[str, Any], key: str, kind: type) -> Any:
    value = document.get(key)
    if value is None or not isinstance(value, kind):
        raise InputError(f"{key} is missing or is no {kind.__name__}")
    return value


def _date(document: Mapping[str, Any]) -> date:
    value = _required(document, "cutoff_date", object)
    try:
        return value if type(value) is date else date.fromisoformat(str(value))
    except ValueError as error:
        raise InputError(f"cutoff_date must be YYYY-MM-DD, got {value!r}") from error


def _positive(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{key} must be a whole number of at least 1, got {value!r}")
    return value


def _hyperparameters(given: Mapping[str, Any]) -> Hyperparameters:
    known = {field.name: field.type for field in fields(Hyperparameters)}
    if unknown := sorted(set(given) - set(known)):
        raise InputError(f"hyperparameters.{unknown[0]} is not known; known are {', '.join(known)}")
    chosen = Hyperparameters(**{key: _number(key, value, known[key] is int) for key, value in given.items()})
    if chosen.look_back % chosen.patch:
        raise InputError(
            f"hyperparameters.look_back {chosen.look_back} must be a multiple of patch {chosen.patch}"
        )
    if chosen.season > chosen.look_back:
        raise InputError(f"hyperparameters.season {chosen.season} must fit into look_back {chosen.look_back}")
    return chosen


def _number(key: str, value: Any, whole: bool) -> Any:
    if whole:
        may_be_zero = key in ("seed", "max_gap", "patience")
        return value if may_be_zero and value == 0 else _positive(f"hyperparameters.{key}", value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InputError(f"hyperparameters.{key} must be a number above 0, got {value!r}")
    return float(value)


def _limits(given: Mapping[str, Any], sensors: tuple[str, ...]) -> dict[str, Limits]:
    if unknown := sorted(set(given) - set(sensors)):
        raise InputError(f"limits.{unknown[0]} names no sensor of the circuit ({', '.join(sensors)})")
    try:
        return {
            sensor: Limits(**{side: None if at is None else float(at) for side, at in (sides or {}).items()})
            for sensor, sides in given.items()
        }
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"limits must look like {{sensor: {{low: 0.0, high: 80.0}}}}: {error}") from error
