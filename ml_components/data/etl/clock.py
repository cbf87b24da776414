"""When a row was measured: cells → microseconds since the epoch, in UTC.

Times without an offset are read in the plant's zone. A local time that does not exist (clocks went forward) is
rejected. One that exists twice (clocks went back) is the first of the two, until the file's own clock stops
advancing within that hour: from there on it is the second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from etl.mapping import PlantMapping
from etl.raw_table import Block, Timestamps

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall clocks are counted from it, too
EARLIEST, LATEST = (
    int((datetime(year, 1, 1, tzinfo=UTC) - EPOCH.replace(tzinfo=UTC)).total_seconds()) * 10**6
    for year in (1900, 2200)
)
_SLOT = 15 * 60 * 10**6  # no zone has changed its clocks but at a quarter of an hour since 1972
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Moments:
    """Per row of a block its moment, whether it has one, and of those without: (index, what is there, reason)."""

    microseconds: np.ndarray
    good: np.ndarray
    bad: list[tuple[int, str, str]]
    ambiguous: int = 0


class Clock:
    """Reads one file's times, block after block in the file's order."""

    def __init__(self, mapping: PlantMapping, written: datetime) -> None:
        self._mapping = mapping
        self._end = int((written - EPOCH.replace(tzinfo=UTC)).total_seconds() + 86_400) * 10**6
        self._last_ambiguous: int | None = None
        self._second_pass = False

    def read(self, block: Block) -> Moments:
        """The moments of a block's rows."""
        columns = [block.columns[name] for name in self._mapping.time]
        if len(columns) == 1 and isinstance(columns[0], Timestamps):
            walls, absolute = columns[0].microseconds, np.full(len(block.lines), columns[0].absolute)
            bad = {int(k): ("", "is no time") for k in np.flatnonzero(walls == Timestamps.NULL)}
            walls = np.where(walls == Timestamps.NULL, 0, walls)
        else:
            walls, absolute, bad = self._parsed([_texts(column) for column in columns])
        moments, ambiguous = self._to_utc(walls, absolute, bad)
        for reason, wrong in (
            ("lies outside the years 1900 to 2199", (moments < EARLIEST) | (moments >= LATEST)),
            ("lies after the file was written", moments > self._end),
        ):
            for index in np.flatnonzero(wrong).tolist():
                bad.setdefault(index, (_shown(walls[index]), reason))
        good = np.ones(len(moments), bool)
        good[list(bad)] = False
        return Moments(moments, good, [(index, *what) for index, what in sorted(bad.items())], ambiguous)

    def _parsed(
        self, texts: list[Sequence[str]]
    ) -> tuple[np.ndarray, np.ndarray, dict[int, tuple[str, str]]]:
        """Wall clocks in microseconds, which of them carried an offset (those are UTC), and what is no time."""
        bad: dict[int, tuple[str, str]] = {}
        try:
            found = list(map(self._parse, *texts))
        except (ValueError, OverflowError):
            found = [
                self._parse_or_reject(index, cells, bad)
                for index, cells in enumerate(zip(*texts, strict=True))
            ]
        absolute = np.array([moment.tzinfo is not None for moment in found], bool)
        if absolute.any():
            found = [_in_utc(moment) if moment.tzinfo else moment for moment in found]
        return np.array(found, "datetime64[us]").astype(np.int64), absolute, bad

    def _parse_or_reject(
        self, index: int, cells: tuple[str, ...], bad: dict[int, tuple[str, str]]
    ) -> datetime:
        try:
            return self._parse(*cells)
        except (ValueError, OverflowError):
            bad[index] = (" ".join(cells), "is no time")
            return EPOCH

    @property
    def _parse(self) -> Any:
        """Cells → datetime, with an offset where they say one; raises ValueError."""
        if len(self._mapping.time) > 1:
            names = self._mapping.time
            return lambda *cells: datetime(**dict(zip(names, map(int, cells), strict=True)))  # noqa: DTZ001 - a wall clock
        pattern = self._mapping.time_format
        if pattern:
            return lambda cell: datetime.strptime(cell.strip(), pattern)  # noqa: DTZ007 - the zone follows
        return lambda cell: datetime.fromisoformat(cell.strip())

    def _to_utc(
        self, walls: np.ndarray, absolute: np.ndarray, bad: dict[int, tuple[str, str]]
    ) -> tuple[np.ndarray, int]:
        if absolute.all() or str(self._mapping.timezone) == "UTC":
            return walls, 0
        local = np.flatnonzero(~absolute)
        slots, slot_of = np.unique(walls[local] // _SLOT, return_inverse=True)
        first, second = (
            np.array([self._offset(int(slot), fold) for slot in slots], np.int64) for fold in (0, 1)
        )
        moments = walls.copy()
        moments[local] -= first[slot_of]
        for at in np.flatnonzero(first[slot_of] < second[slot_of]).tolist():
            bad.setdefault(
                int(local[at]), (_shown(walls[local[at]]), f"does not exist in {self._mapping.timezone}")
            )
        twice = np.flatnonzero(first[slot_of] > second[slot_of])
        for at in twice.tolist():
            if int(local[at]) not in bad and self._is_second(int(walls[local[at]])):
                moments[local[at]] = walls[local[at]] - second[slot_of[at]]
        return moments, len(twice)

    def _offset(self, slot: int, fold: int) -> int:
        """Microseconds that the zone is ahead of UTC in a quarter of an hour of its wall clock."""
        wall = (EPOCH + timedelta(microseconds=slot * _SLOT)).replace(
            tzinfo=self._mapping.timezone, fold=fold
        )
        return (wall.utcoffset() or timedelta()) // _MICROSECOND

    def _is_second(self, wall: int) -> bool:
        """Whether this ambiguous time is the second of its two: the clock has stopped advancing before it."""
        last, self._last_ambiguous = self._last_ambiguous, wall
        if last is None or abs(wall - last) > 86_400 * 10**6:
            self._second_pass = False
        elif wall <= last:
            self._second_pass = True
        return self._second_pass


def _texts(column: Any) -> Sequence[str]:
    """Parts of a time may come as numbers, from Parquet."""
    if isinstance(column, np.ndarray):
        return [f"{value:g}" for value in column]
    if isinstance(column, Timestamps):
        return [_shown(value) for value in column.microseconds]
    return column


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _shown(wall: Any) -> str:
    try:
        return (EPOCH + timedelta(microseconds=int(wall))).isoformat(" ")
    except OverflowError:
        return str(wall)


def iso(microseconds: int) -> str:
    """ISO 8601, UTC."""
    return (EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=UTC).isoformat()


def newest(moments: Iterable[int | None]) -> int | None:
    """The newest of those that are there."""
    return max((moment for moment in moments if moment is not None), default=None)
