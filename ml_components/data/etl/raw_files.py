"""One raw file → readings, handed on block by block; what cannot be read is told in the findings, nothing raised."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from etl.cells import read_values
from etl.clock import Clock
from etl.findings import Findings, Key
from etl.mapping import PlantMapping
from etl.raw_table import Block, RawTable, Unreadable
from etl.raw_text import open_csv

MAGIC = b"PAR1"

Sink = Callable[[Key, np.ndarray, np.ndarray], None]
"""Takes a sensor's readings in the file's order: (plant, circuit, sensor), microseconds, values (NaN: a gap)."""

OpenParquet = Callable[[Path, Iterable[str]], RawTable]
"""Opens a Parquet file for the columns that are wanted; raises `Unreadable`, while its blocks are read, too."""


@dataclass
class FileRead:
    """What became of one file: its columns with the kind of what was read, and its newest reading a circuit."""

    header: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    readings: int = 0
    latest: dict[str, int] = field(default_factory=dict)


def read_raw_file(
    path: Path,
    name: str,
    written: datetime,
    mapping: PlantMapping,
    findings: Findings,
    sink: Sink,
    open_parquet: OpenParquet,
) -> FileRead:
    """Read one file, CSV or Parquet by its content, of a size that memory does not matter for."""
    reader = _Reader(name, mapping, findings, sink, Clock(mapping, written))
    try:
        with _opened(path, mapping, open_parquet) as table:
            reader.read(table)
    except Unreadable as error:
        findings.problem(mapping.plant_id, name, str(error), error.line)
    reader.conclude()
    return reader.done


@contextmanager
def _opened(path: Path, mapping: PlantMapping, open_parquet: OpenParquet) -> Iterator[RawTable]:
    if _is_parquet(path):
        yield open_parquet(path, [*mapping.time, *mapping.columns])
    else:
        with open_csv(path, mapping.delimiter, mapping.time) as table:
            yield table


def _is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet files do, whatever it is called."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


@dataclass
class _Reader:
    name: str
    mapping: PlantMapping
    findings: Findings
    sink: Sink
    clock: Clock
    done: FileRead = field(default_factory=FileRead)
    _numbers: dict[str, int] = field(default_factory=dict)
    _rejected: dict[str, int] = field(default_factory=dict)
    _newest: int | None = None

    def read(self, table: RawTable) -> None:
        self.done.header = table.header
        for note in table.notes:
            self._problem(note)
        if not self._is_usable(table.header):
            return
        columns = self.mapping.columns
        present = {name: keys for name, keys in columns.items() if name in table.header}
        others = {name for name in table.header if name not in columns and name not in self.mapping.time}
        self.findings.unmapped.setdefault(self.mapping.plant_id, set()).update(others)
        for block in table.blocks:
            self._block(block, present)
            self._misfits(table)
        self._misfits(table)

    def conclude(self) -> None:
        """Say of each mapped column what it holds, for the comparison with other files."""
        for name in self.done.header:
            numbers, rejected = self._numbers.get(name), self._rejected.get(name, 0)
            kind = (
                "" if numbers is None else "text" if rejected > numbers else "number" if numbers else "empty"
            )
            self.done.kinds[name] = kind

    def _is_usable(self, header: list[str]) -> bool:
        for name in dict.fromkeys(header):
            if name and header.count(name) > 1:
                self._problem("the column is there more than once: the first is read", 1, name)
        if missing := [name for name in self.mapping.time if name not in header]:
            self._problem(
                f"the time column is missing{_hint(missing[0], header)}; the file is skipped", 1, missing[0]
            )
            return False
        if not any(name in header for name in self.mapping.columns):
            self._problem("none of the plant's columns is in it; the file is skipped", 1)
            return False
        return True

    def _block(self, block: Block, present: dict[str, list[tuple[str, str]]]) -> None:
        self.findings.rows += len(block.lines)
        self.done.rows += len(block.lines)
        times = self.clock.read(block)
        self.findings.ambiguous_times += times.ambiguous
        for index, text, reason in times.bad:
            self._reject(block.lines[index], "+".join(self.mapping.time), text, reason)
        moments = times.microseconds[times.good]
        self._count_disorder(moments)
        for column, keys in present.items():
            values = self._values(column, block, times.good)
            for circuit, sensor in keys:
                self._hand_on(circuit, sensor, moments, values)

    def _values(self, column: str, block: Block, good: np.ndarray) -> np.ndarray:
        read = read_values(block.columns[column], self.mapping.decimal)
        self.findings.gaps += read.gaps
        for index, text, reason in read.bad:
            self._reject(block.lines[index], column, text, reason)
        self._rejected[column] = self._rejected.get(column, 0) + len(read.bad)
        self._numbers[column] = self._numbers.get(column, 0) + len(read.values) - read.gaps - len(read.bad)
        return read.values[good]

    def _hand_on(self, circuit: str, sensor: str, moments: np.ndarray, values: np.ndarray) -> None:
        if not len(moments):
            return
        self.done.readings += len(moments)
        measured = moments[~np.isnan(values)]
        if len(measured):
            self.done.latest[circuit] = max(
                int(measured.max()), self.done.latest.get(circuit, int(measured[0]))
            )
        self.sink((self.mapping.plant_id, circuit, sensor), moments, values)

    def _count_disorder(self, moments: np.ndarray) -> None:
        """Rows that lie before one above them."""
        if len(moments):
            start = int(moments[0]) if self._newest is None else self._newest
            so_far = np.maximum.accumulate(np.concatenate([[start], moments]))
            self.findings.out_of_order += int((moments < so_far[:-1]).sum())
            self._newest = int(so_far[-1])

    def _misfits(self, table: RawTable) -> None:
        for line, text, reason in table.misfits:
            self._reject(line, "", text, reason)
        self.findings.rows += len(table.misfits)
        self.done.rows += len(table.misfits)
        table.misfits.clear()

    def _reject(self, line: int, column: str, text: str, reason: str) -> None:
        self.findings.reject(self.mapping.plant_id, self.name, line, column, text, reason)

    def _problem(self, reason: str, line: int | None = None, column: str | None = None) -> None:
        self.findings.problem(self.mapping.plant_id, self.name, reason, line, column)


def _hint(name: str, header: list[str]) -> str:
    """` (did you mean time?)` where a column is called nearly so."""
    by_case: dict[str, Any] = {title.lower(): title for title in header}
    near = get_close_matches(name.lower(), by_case, n=1)
    return f" (did you mean {by_case[near[0]]}?)" if near else ""
