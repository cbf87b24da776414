"""SQL over one Delta table, which the query calls `rows`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.errors import InputError
from shared.storage import open_table

if TYPE_CHECKING:
    from arro3.core import Table


def select(table_uri: str, query: str, version: int | None = None) -> "Table":
    """What the query finds; raises `InputError` when there is no table (or no such version of it)."""
    found = select_if_there(table_uri, query, version)
    if found is None:
        raise InputError(
            f"there is no Delta table at {table_uri}" + ("" if version is None else f", version {version}")
        )
    return found


def select_if_there(table_uri: str, query: str, version: int | None = None) -> "Table | None":
    """The same; None when there is no table yet."""
    from deltalake import QueryBuilder

    table = open_table(table_uri, version)
    return None if table is None else QueryBuilder().register("rows", table).execute(query).read_all()


def text(value: str) -> str:
    """A text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def moment(at: datetime) -> str:
    """A moment as SQL."""
    return f"TIMESTAMP '{at.astimezone(UTC).isoformat(timespec='seconds')}'"


def equal(**columns: str) -> str:
    """SQL condition: every column holds its text."""
    return " AND ".join(f"{column} = {text(value)}" for column, value in columns.items())
