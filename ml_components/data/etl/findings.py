"""What the reading of raw files comes upon: counts, problems of files, rows for the quarantine, sensors' ranges."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

Key = tuple[str, str, str]
SHOWN = 120
CONSTANT_FROM = 24


@dataclass(frozen=True)
class Reject:
    """A bad row or cell: where it stands (of CSV the line, of Parquet the row, both from 1), and what is wrong."""

    plant_id: str
    file: str
    line: int
    column: str
    value: str
    reason: str


@dataclass
class SensorRange:
    """What this run read of one sensor; times in microseconds since the epoch."""

    readings: int = 0
    missing: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    latest: int | None = None

    def add(self, moments: np.ndarray, values: np.ndarray) -> None:
        measured = ~np.isnan(values)
        self.readings += len(values)
        self.missing += int(len(values) - measured.sum())
        if measured.any():
            self.minimum = min(self.minimum, float(values[measured].min()))
            self.maximum = max(self.maximum, float(values[measured].max()))
            newest = int(moments[measured].max())
            self.latest = newest if self.latest is None else max(self.latest, newest)

    def include(self, other: "SensorRange") -> None:
        """Add what was read of the same sensor elsewhere."""
        self.readings += other.readings
        self.missing += other.missing
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.latest = max((one for one in (self.latest, other.latest) if one is not None), default=None)

    @property
    def remark(self) -> str:
        """What a person should know of it; empty where all is well."""
        if self.readings == self.missing:
            return "all missing" if self.readings else "vanished: no file that was read has its column"
        if self.minimum == self.maximum and self.readings - self.missing >= CONSTANT_FROM:
            return f"constant at {self.minimum:g}"
        return ""


@dataclass
class Findings:
    """Everything worth telling of one run. `rejects` is emptied by whoever writes the quarantine."""

    rows: int = 0
    gaps: int = 0
    out_of_order: int = 0
    ambiguous_times: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)
    drift: list[dict[str, Any]] = field(default_factory=list)
    unmapped: dict[str, set[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    sensors: dict[Key, SensorRange] = field(default_factory=dict)

    def include(self, other: "Findings") -> None:
        """Add what another reading came upon, as if its files had been read after these."""
        self.rows += other.rows
        self.gaps += other.gaps
        self.out_of_order += other.out_of_order
        self.ambiguous_times += other.ambiguous_times
        self.problems += other.problems
        self.drift += other.drift
        for plant, names in other.unmapped.items():
            self.unmapped.setdefault(plant, set()).update(names)
        self.reasons.update(other.reasons)
        for reason, example in other.examples.items():
            self.examples.setdefault(reason, example)
        self.rejects += other.rejects
        for key, found in other.sensors.items():
            self.sensors.setdefault(key, SensorRange()).include(found)

    def look_for_vanished(self, plant_id: str, circuits: Mapping[str, Mapping[str, str]]) -> None:
        """A sensor that no file has, while its circuit's others are read, stands in the report without readings."""
        read = {circuit for plant, circuit, _ in self.sensors if plant == plant_id}
        for circuit in read & circuits.keys():
            for sensor in circuits[circuit]:
                self.sensors.setdefault((plant_id, circuit, sensor), SensorRange())

    def reject(self, plant_id: str, file: str, line: int, column: str, value: str, reason: str) -> None:
        """Count a bad row or cell and put it up for the quarantine."""
        found = Reject(plant_id, file, line, column, printable(value), reason)
        self.reasons[reason] += 1
        self.examples.setdefault(reason, asdict(found))
        self.rejects.append(found)

    def problem(
        self, plant_id: str, file: str, reason: str, line: int | None = None, column: str | None = None
    ) -> None:
        """Report a file, or a part of it, that was read otherwise than asked, or skipped."""
        where = {"plant_id": plant_id, "file": file, "line": line, "column": column}
        self.problems.append({**where, "reason": reason})

    def drifted(self, plant_id: str, file: str, kind: str, column: str, detail: str) -> None:
        """Report a column that is not as in the plant's files before."""
        where = {"plant_id": plant_id, "file": file, "kind": kind, "column": column}
        self.drift.append({**where, "detail": detail})


def printable(value: str) -> str:
    """A cell as it can be stored and shown: bytes that are no text become �, and it is cut."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:SHOWN]
