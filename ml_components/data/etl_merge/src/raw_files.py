"""Raw CSV files → readings, with a line for everything that could not be read."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mapping import PlantMapping

GAPS = frozenset({"", "na", "n/a", "nan", "null", "none"})
LISTED_REJECTS = 1000

Key = tuple[str, str, str]


@dataclass
class Readings:
    """Per (plant, circuit, sensor): value by microsecond since the epoch; None where nothing was measured."""

    values: dict[Key, dict[int, float | None]] = field(default_factory=dict)
    rows: int = 0
    gaps: int = 0
    duplicates: int = 0
    reject_counts: Counter[str] = field(default_factory=Counter)
    rejects: list[dict[str, object]] = field(default_factory=list)
    problems: list[dict[str, object]] = field(default_factory=list)

    def add(self, key: Key, moment: int, value: float | None) -> None:
        """The later of two values for the same moment holds; a gap never replaces a value."""
        column = self.values.setdefault(key, {})
        if moment in column:
            self.duplicates += 1
            value = column[moment] if value is None else value
        column[moment] = value

    def reject(self, file: str, line: int, column: str, value: str, reason: str) -> None:
        """Count a bad cell, and list it while the list is short."""
        self.reject_counts[reason] += 1
        if len(self.rejects) < LISTED_REJECTS:
            entry: dict[str, object] = {
                "file": file,
                "line": line,
                "column": column,
                "value": value[:80],
                "reason": reason,
            }
            self.rejects.append(entry)

    def problem(
        self, mapping: PlantMapping, file: str, reason: str, line: int | None = None, column: str | None = None,
        circuit_id: str | None = None,
    ) -> None:  # fmt: skip
        """Report a file, or a circuit of it, that was skipped."""
        where = {"plant_id": mapping.plant_id, "file": file, "line": line, "column": column}
        self.problems.append({**where, "circuit_id": circuit_id, "reason": reason})


def read_csv(readings: Readings, mapping: PlantMapping, name: str, content: bytes) -> None:
    """Add one file's readings; what cannot be read is reported in `readings` and the rest goes on."""
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=mapping.delimiter)
        header = [title.strip() for title in next(lines, [])]
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        readings.problem(mapping, name, f"is no UTF-8 text ({error.reason})", line)
        return
    if missing := [column for column in mapping.time if column not in header]:
        readings.problem(mapping, name, "the time column is missing; the file is skipped", 1, missing[0])
        return
    columns = list(_columns(readings, mapping, name, header))
    clock = _Clock(mapping, header)
    try:
        for cells in lines:
            if cells:
                readings.rows += 1
                _row(readings, name, lines.line_num, header, clock, columns, cells)
    except csv.Error as error:
        readings.problem(mapping, name, f"is no CSV: {error}; the lines before it are kept", lines.line_num)


def _columns(
    readings: Readings, mapping: PlantMapping, name: str, header: list[str]
) -> Iterator[tuple[Key, int]]:
    for circuit, sensors in mapping.circuits.items():
        missing = [column for column in sensors.values() if column not in header]
        for column in missing:
            readings.problem(mapping, name, "the column is missing; the circuit is skipped in this file", 1, column,
                             circuit)  # fmt: skip
        if not missing:
            for sensor, column in sensors.items():
                yield (mapping.plant_id, circuit, sensor), header.index(column)


def _row(
    readings: Readings, name: str, line: int, header: list[str], clock: "_Clock", columns: list[tuple[Key, int]],
    cells: list[str],
) -> None:  # fmt: skip
    if len(cells) < len(header):
        readings.reject(name, line, "", "", f"the line has {len(cells)} cells, the header {len(header)}")
        return
    try:
        moment = clock.microseconds(cells)
    except (ValueError, OverflowError):
        readings.reject(name, line, "+".join(clock.names), clock.text(cells), "is no time")
        return
    for key, position in columns:
        readings.add(key, moment, _value(readings, name, line, header[position], cells[position]))


def _value(readings: Readings, name: str, line: int, column: str, cell: str) -> float | None:
    if cell.lower() in GAPS:
        readings.gaps += 1
        return None
    try:
        value = float(cell)
    except ValueError:
        readings.reject(name, line, column, cell, "is no number")
        return None
    if math.isfinite(value):
        return value
    readings.reject(name, line, column, cell, "is not finite")
    return None


class _Clock:
    """Reads a line's moment, in microseconds since the epoch."""

    def __init__(self, mapping: PlantMapping, header: list[str]) -> None:
        self.names = mapping.time
        self._positions = [header.index(name) for name in mapping.time]
        self._zone = mapping.timezone
        self._format = mapping.time_format

    def text(self, cells: list[str]) -> str:
        return " ".join(cells[position] for position in self._positions)

    def microseconds(self, cells: list[str]) -> int:
        """Raises ValueError when the cells are no time."""
        parts = [cells[position].strip() for position in self._positions]
        if len(parts) > 1:
            by_name = {name: int(part) for name, part in zip(self.names, parts, strict=True)}
            moment = datetime(**by_name, tzinfo=self._zone)
        elif self._format:
            moment = datetime.strptime(parts[0], self._format)  # noqa: DTZ007 the zone follows below
        else:
            moment = datetime.fromisoformat(parts[0])
        aware = moment if moment.tzinfo else moment.replace(tzinfo=self._zone)
        since = aware.astimezone(UTC) - _EPOCH
        return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
