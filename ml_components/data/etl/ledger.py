"""The ledger of raw files: which were merged, as they were, and what they held; the rules, wherever it is stored."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.storage import StoredFile

from etl.clock import newest
from etl.mapping import PlantMapping
from etl.raw_files import FileRead

KEY = ("plant_id", "name")
TEXTS = ("plant_id", "name", "etag", "mapping", "columns", "latest")
NUMBERS = ("size", "rows", "readings")
TIME = "modified"


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

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Entry":
        """The entry that a row of the ledger's table holds, its time as a datetime."""
        file = StoredFile(row["name"], row["size"], row["modified"], row["etag"])
        kinds: dict[str, str] = json.loads(row["columns"])
        read = FileRead(list(kinds), kinds, row["rows"], row["readings"], json.loads(row["latest"]))
        return cls(row["plant_id"], file, row["mapping"], read)

    def row(self) -> dict[str, Any]:
        """The row of the ledger's table: `TEXTS`, `NUMBERS`, and `TIME` in microseconds."""
        return {
            "plant_id": self.plant_id,
            "name": self.file.name,
            "etag": self.file.etag,
            "mapping": self.mapping,
            "columns": json.dumps(self.read.kinds),
            "latest": json.dumps(self.read.latest),
            "size": self.file.size,
            "rows": self.read.rows,
            "readings": self.read.readings,
            "modified": round(self.file.modified.timestamp() * 10**6),
        }


class Ledger:
    """What is known of the files of one table of readings."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {(entry.plant_id, entry.file.name): entry for entry in entries}

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

    def add(self, entries: Iterable[Entry]) -> None:
        """Know files as merged."""
        self._entries |= {(entry.plant_id, entry.file.name): entry for entry in entries}

    def latest(self) -> dict[str, int]:
        """Per `plant/circuit` the newest reading of all files, in microseconds."""
        found: dict[str, int] = {}
        for entry in self._entries.values():
            for circuit, moment in entry.read.latest.items():
                name = f"{entry.plant_id}/{circuit}"
                found[name] = newest([found.get(name), moment]) or moment
        return dict(sorted(found.items()))


def ledger_of(readings: str) -> str:
    """Where the ledger of a table of readings lies."""
    return f"{readings}_files"


def quarantine_of(readings: str) -> str:
    """Where the quarantine of a table of readings lies."""
    return f"{readings}_quarantine"


def moment(microseconds: int) -> datetime:
    """A row's time as `Entry.from_row` takes it."""
    seconds, rest = divmod(microseconds, 10**6)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
