"""The merges of raw files: what each read, merged and quarantined."""

from collections.abc import Mapping
from typing import Protocol

from busbar import pages
from busbar.codec import to_wire
from busbar.domain.merges import MergeRecord
from busbar.web.reply import Reply, unless_known

SHOWN = 100
NO_HEADERS: Mapping[str, str] = {}


class MergeReader(Protocol):
    def merges(self) -> list[MergeRecord]: ...
    def merge(self, id: str) -> MergeRecord | None: ...


def page(headers: Mapping[str, str] = NO_HEADERS, *, records: MergeReader) -> Reply:
    """GET /merges: the newest."""
    return unless_known(Reply.html(200, pages.merges(tuple(records.merges()[:SHOWN]))), headers)


def one(id: str, headers: Mapping[str, str] = NO_HEADERS, *, records: MergeReader) -> Reply:
    """GET /merges/{id}"""
    record = records.merge(id)
    if record is None:
        return Reply.message(404, "No such merge", f"{id} is not on record.")
    return unless_known(Reply.html(200, pages.merge(record)), headers)


def merges_json(headers: Mapping[str, str] = NO_HEADERS, *, records: MergeReader) -> Reply:
    """GET /api/merges: the newest first."""
    found = [to_wire(record) for record in records.merges()[:SHOWN]]
    return unless_known(Reply.json(200, {"merges": found}), headers)
