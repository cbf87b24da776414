"""Reading one CSV file: its rows, its times and its columns of numbers, with every fault named by line and column."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.plan import Findings

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
DELIMITERS = ",;\t|"
CLOCK_PARTS = ("year", "month", "day", "hour", "minute", "second")
TEXT_SHARE = 0.5  # a column with fewer readable numbers than this is text


class UnusableError(Exception):
    """The file cannot stand for a plant; the message says why and what would mend it."""


@dataclass(frozen=True)
class Rows:
    """A file's header and its complete rows, column by column, with the line each row ends on."""

    delimiter: str
    header: tuple[str, ...]
    lines: tuple[int, ...]
    columns: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Column:
    """A column of numbers: NaN where a cell is missing."""

    name: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Readings:
    """A file as a plant's readings, sorted by time (UTC), each time once."""

    delimiter: str
    time_columns: tuple[str, ...]
    times: NDArray[np.datetime64]
    columns: tuple[Column, ...]


def read_readings(path: Path, findings: Findings) -> Readings:
    """Read `path`; faults go to `findings` and cost a cell or a row. Raises `UnusableError` when nothing is left."""
    rows = read_rows(path, findings)
    time_columns, times = _read_times(path.name, rows, findings)
    columns = tuple(
        Column(name, values)
        for name in rows.header
        if name not in time_columns and (values := _read_numbers(path.name, name, rows, findings)) is not None
    )
    order = _sorted_unique(path.name, rows, times, findings)
    return Readings(
        rows.delimiter, time_columns, times[order], tuple(Column(c.name, c.values[order]) for c in columns)
    )


def read_rows(path: Path, findings: Findings) -> Rows:
    """Split `path` into columns of text; rows of another length than the header are left out and reported."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"cannot be read as UTF-8 text ({error})") from error
    delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = tuple(name.strip() for name in next(reader, []))
        _check_header(header)
        rows: list[list[str]] = []
        lines: list[int] = []
        for row in reader:
            if len(row) == len(header):
                rows.append(row)
                lines.append(reader.line_num)
            elif row:
                findings.problem(
                    path.name,
                    f"{len(row)} cells where the header has {len(header)}; the row is left out",
                    line=reader.line_num,
                    kind="rows of another length than the header",
                )
    except csv.Error as error:
        raise UnusableError(f"is not CSV: line {reader.line_num}: {error}") from error
    if not rows:
        raise UnusableError("has no complete row below its header")
    return Rows(delimiter, header, tuple(lines), dict(zip(header, zip(*rows, strict=True), strict=True)))


def _check_header(header: tuple[str, ...]) -> None:
    if len(header) < 2:
        raise UnusableError(
            "line 1 is not a header: a time column and sensor columns are needed, separated by , or ;"
        )
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise UnusableError(f"line 1 names a column twice: {', '.join(map(repr, repeated))}")


def _read_numbers(file: str, name: str, rows: Rows, findings: Findings) -> NDArray[np.float64] | None:
    """The column's numbers, or None for a text column. Blank-only and non-numeric cells are reported and missing."""
    values: list[float] = []
    wrong: list[tuple[int, str]] = []
    present = 0
    for line, cell in zip(rows.lines, rows.columns[name], strict=True):
        number = _number(cell)
        values.append(nan if number is None else number)
        if number is not None:
            present += 1
        elif cell.strip().lower() not in MISSING or (cell and not cell.strip()):
            wrong.append((line, cell))
    if present < TEXT_SHARE * (present + len(wrong)) or not present:
        example = f" (such as {wrong[0][1]!r})" if wrong else ""
        findings.note(file, f"is no column of numbers{example}: left out", column=name)
        return None
    for line, cell in wrong:
        findings.problem(
            file,
            f"{cell[:40]!r} is not a number; taken as missing",
            line=line,
            column=name,
            kind="cells that are not numbers",
        )
    return np.array(values)


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in cell else None


# ---- time ----------------------------------------------------------------------------------------------------


def _read_times(file: str, rows: Rows, findings: Findings) -> tuple[tuple[str, ...], NDArray[np.datetime64]]:
    """Which columns hold the time, and the time of each row (NaT where it cannot be read)."""
    columns = find_time_columns(rows)
    parse = _from_text if len(columns) == 1 else _from_parts
    times: list[datetime | None] = []
    for line, cells in zip(
        rows.lines, zip(*(rows.columns[name] for name in columns), strict=True), strict=True
    ):
        time = _attempt(parse, cells)
        times.append(time and time.replace(tzinfo=None))  # numpy knows UTC alone
        if time is None:
            findings.problem(
                file,
                f"{' '.join(cells)[:40]!r} is not a time; the row is left out",
                line=line,
                column=columns[0],
                kind="rows without a readable time",
            )
    return columns, np.array(times, dtype="datetime64[s]")


def find_time_columns(rows: Rows) -> tuple[str, ...]:
    """`year, month, day[, hour…]` columns, or the first column of ISO 8601 times; raises `UnusableError` otherwise."""
    by_name = {name.lower(): name for name in rows.header}
    if all(part in by_name for part in CLOCK_PARTS[:3]):
        present = [part in by_name for part in CLOCK_PARTS]
        depth = present.index(False) if False in present else len(present)
        return tuple(by_name[part] for part in CLOCK_PARTS[:depth])
    for name in rows.header:
        sample = [cell for cell in rows.columns[name][:200] if cell.strip().lower() not in MISSING]
        readable = sum(_attempt(_from_text, (cell,)) is not None for cell in sample)
        if sample and readable > TEXT_SHARE * len(sample):
            return (name,)
    looks = next((name for name in rows.header if "time" in name.lower() or "date" in name.lower()), None)
    hint = f"; column {looks!r} holds {rows.columns[looks][0]!r}" if looks else ""
    raise UnusableError(
        "has no time column: one of ISO 8601 times (2025-12-09 06:00) or columns year, month, day, hour is needed"
        + hint
    )


def _attempt(parse: Callable[[Sequence[str]], datetime], cells: Sequence[str]) -> datetime | None:
    try:
        return parse(cells)
    except (ValueError, OverflowError):
        return None


def _from_parts(cells: Sequence[str]) -> datetime:
    year, month, day, hour, minute, second = (*(int(cell) for cell in cells), 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _from_text(cells: Sequence[str]) -> datetime:
    text = cells[0].strip()
    if text.isdigit():
        raise ValueError("a bare number could be an index, a year or an epoch")
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _sorted_unique(
    file: str, rows: Rows, times: NDArray[np.datetime64], findings: Findings
) -> NDArray[np.intp]:
    """Row numbers by time, without unreadable times; of rows with the same time the last one stays."""
    order = np.argsort(times, kind="stable")
    order = order[~np.isnat(times[order])]
    if not len(order):
        raise UnusableError("has no row with a readable time")
    last = np.append(times[order][1:] != times[order][:-1], True)
    for index in order[~last]:
        findings.problem(
            file,
            f"the time {times[index]} comes again; the later row counts",
            line=rows.lines[int(index)],
            kind="times that come twice",
        )
    return order[last]
