"""The ledger beside the table of readings, in a Delta table called like it, with `_files` behind."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from etl.ledger import KEY, NUMBERS, TEXTS, TIME, Entry
from shared.delta import integer_column, text_column, time_column, upsert
from shared.storage import open_table


def stored_entries(table: str) -> Iterable[Entry]:
    """The files that the ledger's table knows."""
    from deltalake import QueryBuilder

    known = open_table(table)
    if known is None:
        return
    rows = QueryBuilder().register("files", known).execute("SELECT * FROM files").read_all()
    columns: dict[str, list[Any]] = {name: rows.column(name).to_pylist() for name in rows.column_names}
    for values in zip(*columns.values(), strict=True):
        yield Entry.from_row(dict(zip(columns, values, strict=True)))


def store_entries(table: str, entries: Iterable[Entry]) -> None:
    """Put files down as merged."""
    from arro3.core import Table

    rows = [entry.row() for entry in entries]
    if not rows:
        return
    columns = {name: text_column([row[name] for row in rows]) for name in TEXTS}
    columns |= {name: integer_column([row[name] for row in rows]) for name in NUMBERS}
    columns[TIME] = time_column(np.array([row[TIME] for row in rows], np.int64))
    upsert(table, Table.from_pydict(columns), KEY)
