"""Parquet files as blocks of rows, through pyarrow, which every Spark pool has: delta-rs, as in etl_merge, none."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from etl.raw_table import Block, RawTable, Timestamps, Unreadable
from pyarrow import parquet

ROWS = 65_536


def open_parquet(path: Path, wanted: Iterable[str]) -> RawTable:
    """Open a Parquet file; raises `Unreadable`, while its blocks are read, too.

    Only `wanted` columns are read: numbers as float64 (NaN for null), timestamps and dates as `Timestamps`, the rest
    as lists of text.
    """
    try:
        file = parquet.ParquetFile(path)
        header = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"is no readable Parquet file: {_short(error)}") from error
    return RawTable(list(header), _blocks(file, [name for name in wanted if name in header]))


def _blocks(file: parquet.ParquetFile, names: list[str]) -> Iterator[Block]:
    if not names:
        return
    line = 1
    try:
        for batch in file.iter_batches(ROWS, columns=names):
            columns = {name: _column(batch.column(name)) for name in names}
            yield Block(list(range(line, line + batch.num_rows)), columns)
            line += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"breaks off: {_short(error)}; the rows before it are kept", line) from error


def _column(array: pa.Array) -> Any:
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        moments = array.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
        return Timestamps(pc.fill_null(moments, Timestamps.NULL).to_numpy(), zone is not None)
    if _is_number(kind):
        return pc.fill_null(array.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)
    return ["" if value is None else value for value in array.cast(pa.string()).to_pylist()]


def _is_number(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(kind) for test in tests)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
