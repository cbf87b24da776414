"""Both readers of Parquet, pyarrow's and delta-rs's, hand on the same blocks."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyspark", reason="Spark is not in this environment: make test-spark")

import arrow_parquet
import pyarrow as pa
import raw_parquet
from etl.raw_table import Timestamps, Unreadable
from pyarrow import parquet

MOMENT = datetime(2025, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - a wall clock
COLUMNS: dict[str, pa.Array] = {
    "integer": pa.array([1, None, -3]),
    "small": pa.array([1, None, 255], pa.uint8()),
    "float": pa.array([1.5, None, float("inf")]),
    "single": pa.array([0.1, None, 2.5], pa.float32()),
    "decimal": pa.array([Decimal("1.25"), None, Decimal("-2.50")]),
    "flag": pa.array([True, None, False]),
    "text": pa.array(["1.5", None, "x"]),
    "wide text": pa.array(["1", None, "é"], pa.large_string()),
    "wall": pa.array([MOMENT, None, MOMENT], pa.timestamp("us")),
    "coarse": pa.array([datetime(2025, 1, 2), None, datetime(1969, 1, 2)], pa.timestamp("ms")),  # noqa: DTZ001 - wall clocks
    "utc": pa.array([MOMENT.replace(tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
    "day": pa.array([date(2025, 1, 2), None, date(1960, 1, 2)]),
}


def plain(column: Any) -> Any:
    if isinstance(column, Timestamps):
        return column.absolute, column.microseconds.tolist()
    return [str(value) for value in (column if isinstance(column, list) else column.tolist())]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_read_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({name: COLUMNS[name]}), path)
    one, other = (module.open_parquet(path, [name, "absent"]) for module in (arrow_parquet, raw_parquet))
    assert one.header == other.header == [name]
    [block], [same] = list(one.blocks), list(other.blocks)
    assert block.lines == same.lines == [1, 2, 3]
    assert plain(block.columns[name]) == plain(same.columns[name])


@pytest.mark.parametrize("module", [arrow_parquet, raw_parquet])
def test_a_torn_file_is_told_with_the_row(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "x.parquet"
    parquet.write_table(
        pa.table({"a": list(range(200_000))}), path, row_group_size=100_000, compression="none"
    )
    whole = bytearray(path.read_bytes())
    whole[200_000:1_000_000] = b"\xff" * 800_000
    path.write_bytes(whole)
    with pytest.raises(Unreadable) as raised:
        for _ in module.open_parquet(path, ["a"]).blocks:
            pass
    assert raised.value.line is not None
    assert "the rows before it are kept" in str(raised.value)
