"""What the demonstration makes of a folder of CSV files: plants, circuits, and what it found on the way."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """Something worth saying about an input file. `line` counts from 1 with the header; a note changes nothing."""

    file: str
    text: str
    line: int | None = None
    column: str | None = None
    note: bool = False

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.text}"


@dataclass(frozen=True)
class Group:
    """The sensors (columns of the plant's file) of one circuit, and its cutoff date where it is not the plant's."""

    circuit_id: str
    sensors: tuple[str, ...]
    cutoff_date: date | None = None


@dataclass(frozen=True)
class Plant:
    """One plant: its raw file, how the file is written, and what to train on it. `season` counts steps."""

    plant_id: str
    file: Path
    delimiter: str
    time_columns: tuple[str, ...]
    circuits: tuple[Group, ...]
    cutoff_date: date
    training_days: int
    frequency_minutes: int
    season: int
    rows: int


@dataclass
class Findings:
    """Collects findings; after `LIMIT` of a kind in a file and column it only counts."""

    LIMIT = 5
    items: list[Finding] = field(default_factory=list[Finding])
    _counts: Counter[tuple[str, str | None, str]] = field(
        default_factory=Counter[tuple[str, str | None, str]]
    )

    def problem(
        self, file: str, text: str, *, line: int | None = None, column: str | None = None, kind: str = ""
    ) -> None:
        """Something is wrong; findings of one `kind` (in the same file and column) beyond the limit are counted."""
        self._counts[file, column, kind] += 1
        if not kind or self._counts[file, column, kind] <= self.LIMIT:
            self.items.append(Finding(file, text, line, column))

    def note(self, file: str, text: str, *, column: str | None = None) -> None:
        self.items.append(Finding(file, text, None, column, note=True))

    @property
    def all(self) -> tuple[Finding, ...]:
        """Every finding, and one more for each kind that was cut short."""
        more = [
            Finding(file, f"{count - self.LIMIT} more of the kind: {kind}", None, column)
            for (file, column, kind), count in self._counts.items()
            if kind and count > self.LIMIT
        ]
        return (*self.items, *more)
