"""CSV files as blocks of lines, whatever encoding and delimiter they come in."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from etl.raw_table import Block, RawTable, Unreadable

LINES = 20_000
HEAD = 65_536
DELIMITERS = (",", ";", "\t", "|")
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_FOREIGN = (
    (b"PK\x03\x04", "is a ZIP archive or an Excel workbook"),
    (b"\x1f\x8b", "is compressed with gzip"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook"),
)


@contextmanager
def open_csv(path: Path, delimiter: str, time: tuple[str, ...]) -> Iterator[RawTable]:
    """Open a CSV file; raises `Unreadable` (while its blocks are read, too).

    A byte-order mark decides the encoding; NUL bytes mean UTF-16, what is no UTF-8 is read as Windows-1252. Where
    the time column appears only with another delimiter, that one is used. Rows with too few or too many cells are
    put into the table's `misfits`.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    for start, what in _FOREIGN:
        if head.startswith(start):
            raise Unreadable(f"{what}, no CSV: unpack or export it")
    if not head.strip():
        raise Unreadable("is empty")
    encoding, notes = _encoding(head)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with path.open(encoding=encoding, errors=errors, newline="") as text:
        first = text.readline()
        used = _delimiter(first, delimiter, time)
        if used != delimiter:
            notes.append(f"its columns are separated by {used!r}, not by {delimiter!r}: read so")
        text.seek(0)
        reader = csv.reader(text, delimiter=used)
        header = [title.strip() for title in _next(reader)]
        table = RawTable(header, iter(()), notes)
        table.blocks = _blocks(reader, table)
        yield table


def _blocks(reader: Any, table: RawTable) -> Iterator[Block]:
    width = len(table.header)
    positions = {name: table.header.index(name) for name in table.header}  # of two alike the first
    while rows := _rows(reader):
        whole = [row for row in rows if len(row[1]) == width]
        if len(whole) < len(rows):
            whole = [fitted for row in rows if (fitted := _fit(row, width, table.misfits))]
        if whole:
            columns = list(zip(*(cells for _, cells in whole), strict=True))
            yield Block([line for line, _ in whole], {name: columns[at] for name, at in positions.items()})


def _rows(reader: Any) -> list[tuple[int, list[str]]]:
    """(line, cells) of the next rows that are not blank."""
    try:
        rows = [(reader.line_num, cells) for cells in islice(reader, LINES)]
        while rows and not any(cells for _, cells in rows):
            rows = [(reader.line_num, cells) for cells in islice(reader, LINES)]
    except csv.Error as error:
        raise Unreadable(f"is no CSV: {error}; the lines before it are kept", reader.line_num) from error
    return [row for row in rows if row[1]]


def _fit(row: tuple[int, list[str]], width: int, misfits: list[tuple[int, str, str]]) -> Any:
    """The row at the header's width: empty cells beyond it are a trailing delimiter, anything else is bad."""
    line, cells = row
    if len(cells) < width:
        misfits.append((line, f"{len(cells)} of {width}", "has too few cells"))
        return None
    if any(cell.strip() for cell in cells[width:]):
        misfits.append((line, f"{len(cells)} of {width}", "has too many cells"))
        return None
    return line, cells[:width]


def _next(reader: Any) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error as error:
        raise Unreadable(f"is no CSV: {error}", 1) from error


def _encoding(head: bytes) -> tuple[str, list[str]]:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, []
    if b"\0" in head:
        zeros = ("utf-16-le", head[1::2]), ("utf-16-be", head[::2])
        for encoding, half in zeros:
            if half.count(0) > len(half) // 2:
                return encoding, [f"is {encoding.upper()} without a byte-order mark: read so"]
        raise Unreadable("is binary, no text")
    try:
        # the head may end inside a character: at most 3 bytes of it
        head.decode() if len(head) < HEAD else head[: head.rfind(b"\n") + 1 or None].decode()
    except UnicodeDecodeError as error:
        line = head[: error.start].count(b"\n") + 1
        return "cp1252", [f"is no UTF-8 text (line {line}): read as Windows-1252"]
    return "utf-8", []


def _delimiter(first: str, wanted: str, time: tuple[str, ...]) -> str:
    """The delimiter with which the time columns are there; the wanted one if none is better."""
    for delimiter in (wanted, *(other for other in DELIMITERS if other != wanted)):
        titles = {title.strip() for cells in csv.reader([first], delimiter=delimiter) for title in cells}
        if set(time) <= titles and len(titles) > 1:
            return delimiter
    return wanted
