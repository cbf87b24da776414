"""What CSV and Parquet files have in common once they are open: column names, and rows in blocks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np


class Unreadable(Exception):
    """The file cannot be read as what it should be; the message says why, `line` where (None: as a whole)."""

    def __init__(self, reason: str, line: int | None = None):
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class Timestamps:
    """Microseconds since the epoch, `NULL` for none: of UTC where `absolute`, else of a clock in the plant's zone."""

    NULL: ClassVar[int] = -(2**63)

    microseconds: np.ndarray
    absolute: bool


@dataclass(frozen=True)
class Block:
    """Some rows of a file, column by column: texts, float64 or `Timestamps`. `lines` says where each row stands."""

    lines: list[int]
    columns: Mapping[str, Any]


@dataclass
class RawTable:
    """A raw file, opened. `notes` tells what had to be guessed; `misfits` collects, while blocks are read, rows
    whose cells do not fit the header, as (line, what is there, reason)."""

    header: list[str]
    blocks: Iterator[Block]
    notes: list[str] = field(default_factory=list)
    misfits: list[tuple[int, str, str]] = field(default_factory=list)
