"""The ledger beside the table of readings: which raw files were merged, as they were, and what they held."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from clock import newest
from mapping import PlantMapping
from raw_files import FileRead
from shared.delta import integer_column, text_column, time_column, upsert
from shared.storage import StoredFile, open_table

KEY = ("plant_id", "name")


@dataclass(frozen=True)
class Entry:
    """A file as it was merged; `mapping` is the digest of what its columns were taken for."""

    plant_id: str
    file: StoredFile
    mapping: str
    read: FileRead

    def covers(self, file: StoredFile, mapping: PlantMapping) -> bool:
        """Whether the file is still what was merged, read as it would be read now."""
        known = self.file
        same = known.etag == file.etag if file.etag and known.etag else known.modified == file.modified
        return same and known.size == file.size and self.mapping == mapping.digest


class Ledger:
    """The ledger of one table of readings: a Delta table called like it, with `_files` behind."""

    def __init__(self, readings: str) -> None:
        self.table = f"{readings}_files"
        self._entries = {(entry.plant_id, entry.file.name): entry for entry in _stored(self.table)}

    def to_read(self, files: Iterable[StoredFile], mapping: PlantMapping, full: bool) -> list[StoredFile]:
        """The files to read, in the order in which they were written.

        From the first that is new or changed on all are read again: what was written later must win, whenever it
        arrived. Usually that first one is the newest, too.
        """
        ordered = sorted(files, key=lambda file: (file.modified, file.name))
        for position, file in enumerate(ordered):
            known = self._entries.get((mapping.plant_id, file.name))
            if full or known is None or not known.covers(file, mapping):
                return ordered[position:]
        return []

    def headers(self, plant_id: str) -> list[dict[str, str]]:
        """The columns, with their kinds, of the plant's files that held readings; the latest written come last."""
        entries = [one for one in self._entries.values() if one.plant_id == plant_id and one.read.readings]
        return [entry.read.kinds for entry in sorted(entries, key=lambda entry: entry.file.modified)]

    def record(self, entries: Iterable[Entry]) -> None:
        """Put files down as merged."""
        known = list(entries)
        if known:
            upsert(self.table, _rows(known), KEY)
            self._entries |= {(entry.plant_id, entry.file.name): entry for entry in known}

    def latest(self) -> dict[str, int]:
        """Per `plant/circuit` the newest reading of all files, in microseconds."""
        found: dict[str, int] = {}
        for entry in self._entries.values():
            for circuit, moment in entry.read.latest.items():
                name = f"{entry.plant_id}/{circuit}"
                found[name] = newest([found.get(name), moment]) or moment
        return dict(sorted(found.items()))


def _stored(table: str) -> Iterable[Entry]:
    from deltalake import QueryBuilder

    known = open_table(table)
    if known is None:
        return
    rows = QueryBuilder().register("files", known).execute("SELECT * FROM files").read_all()
    columns: dict[str, list[Any]] = {name: rows.column(name).to_pylist() for name in rows.column_names}
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        file = StoredFile(row["name"], row["size"], row["modified"], row["etag"])
        kinds: dict[str, str] = json.loads(row["columns"])
        read = FileRead(list(kinds), kinds, row["rows"], row["readings"], json.loads(row["latest"]))
        yield Entry(row["plant_id"], file, row["mapping"], read)


def _rows(entries: list[Entry]) -> Any:
    from arro3.core import Table

    modified = np.array([_microseconds(entry.file.modified) for entry in entries], np.int64)
    texts: Mapping[str, list[str]] = {
        "plant_id": [entry.plant_id for entry in entries],
        "name": [entry.file.name for entry in entries],
        "etag": [entry.file.etag for entry in entries],
        "mapping": [entry.mapping for entry in entries],
        "columns": [json.dumps(entry.read.kinds) for entry in entries],
        "latest": [json.dumps(entry.read.latest) for entry in entries],
    }
    numbers = {
        "size": [entry.file.size for entry in entries],
        "rows": [entry.read.rows for entry in entries],
        "readings": [entry.read.readings for entry in entries],
    }
    return Table.from_pydict(
        {name: text_column(values) for name, values in texts.items()}
        | {name: integer_column(values) for name, values in numbers.items()}
        | {"modified": time_column(modified)}
    )


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 10**6)
