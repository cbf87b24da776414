"""Parquet files as blocks of rows, through DataFusion, which delta-rs brings along: no second Parquet reader."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from etl.raw_table import Block, RawTable, Timestamps, Unreadable

_NUMBERS = ("Int", "UInt", "Float", "Decimal", "Bool")


def open_parquet(path: Path, wanted: Iterable[str]) -> RawTable:
    """Open a Parquet file; raises `Unreadable`, while its blocks are read, too.

    Only `wanted` columns are read: numbers as float64 (NaN for null), timestamps and dates as `Timestamps`, the rest
    as lists of text.
    """
    place = str(path).replace("'", "''")
    try:
        query = _query()
        query.execute(f"CREATE EXTERNAL TABLE raw STORED AS PARQUET LOCATION '{place}'").read_all()
        fields = {field.name: str(field.type) for field in query.execute("SELECT * FROM raw LIMIT 0").schema}
    except Exception as error:  # delta-rs raises bare Exceptions for what DataFusion says
        raise Unreadable(f"is no readable Parquet file: {_short(error)}") from error
    types = {name: fields[name] for name in wanted if name in fields}
    return RawTable(list(fields), _blocks(query, types))


def _query() -> Any:
    from deltalake import QueryBuilder

    # one partition: rows stay in the file's order; text as plain strings
    return QueryBuilder(
        {
            "datafusion.execution.target_partitions": "1",
            "datafusion.execution.parquet.schema_force_view_types": "false",
        }
    )


def _blocks(query: Any, types: dict[str, str]) -> Iterator[Block]:
    if not types:
        return
    line = 1
    try:
        asked = ", ".join(
            f"{_expression(name, kind)} AS c{k}" for k, (name, kind) in enumerate(types.items())
        )
        for batch in query.execute(f"SELECT {asked} FROM raw"):  # noqa: S608 - names are quoted by _expression
            columns = {
                name: _column(batch.column(f"c{k}"), kind) for k, (name, kind) in enumerate(types.items())
            }
            yield Block(list(range(line, line + batch.num_rows)), columns)
            line += batch.num_rows
    except Exception as error:  # as above
        raise Unreadable(f"breaks off: {_short(error)}; the rows before it are kept", line) from error


def _expression(name: str, kind: str) -> str:
    """SQL that gives a column without nulls: numpy takes it as it is."""
    column = '"' + name.replace('"', '""') + '"'
    if _is(kind, "Timestamp", "Date"):
        zone = 'Some("UTC")' if _has_zone(kind) else "None"
        moment = f"arrow_cast({column}, 'Timestamp(Microsecond, {zone})')"
        return f"coalesce(arrow_cast({moment}, 'Int64'), {Timestamps.NULL})"
    if _is(kind, *_NUMBERS):
        return f"coalesce(CAST({column} AS DOUBLE), CAST('NaN' AS DOUBLE))"
    return f"coalesce(CAST({column} AS VARCHAR), '')"


def _column(array: Any, kind: str) -> Any:
    if _is(kind, "Timestamp", "Date"):
        return Timestamps(array.to_numpy().astype(np.int64), _has_zone(kind))
    return array.to_numpy().astype(np.float64) if _is(kind, *_NUMBERS) else array.to_pylist()


def _has_zone(kind: str) -> bool:
    """A type with a zone reads `Timestamp(us, "Europe/Berlin")`."""
    return '"' in kind


def _is(kind: str, *names: str) -> bool:
    return kind.removeprefix("arro3.core.DataType<").strip().startswith(names)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
