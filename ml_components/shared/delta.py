"""Writing Delta tables: both writes can happen twice, and another circuit's writer never makes one fail."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.storage import open_table, storage_options

if TYPE_CHECKING:
    from arro3.core import Table

PARTITIONS = ["plant_id", "circuit_id"]
KEY = [*PARTITIONS, "sensor", "time"]
ATTEMPTS = 8


def merge_readings(
    table: str, values: Mapping[tuple[str, str, str], Mapping[int, float | None]]
) -> dict[str, int]:
    """Insert new readings and update corrected ones; {(plant, circuit, sensor): {microsecond: value}}.

    A null never replaces a value. Nothing to change leaves no new version. Returns inserted and updated rows.
    """
    rows = _readings(values)
    return retry_conflicts(lambda: _merge(table, rows))


def replace_rows(table: str, rows: "Table", predicate: str) -> int:
    """Replace what matches `predicate` by `rows`, in one commit; creates the table. Returns its version."""
    from deltalake import DeltaTable, write_deltalake

    def write() -> int:
        options = storage_options(table)
        if open_table(table) is None:
            write_deltalake(table, rows, mode="error", partition_by=PARTITIONS, storage_options=options)
        else:
            write_deltalake(table, rows, mode="overwrite", predicate=predicate, storage_options=options)
        return DeltaTable(table, storage_options=options).version()

    return retry_conflicts(write)


def retry_conflicts[T](write: Callable[[], T]) -> T:
    """Call `write` again, after a growing pause, while another writer's commit came first."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    for attempt in range(ATTEMPTS):
        try:
            return write()
        except DeltaError as error:
            if not isinstance(error, CommitFailedError) and "already exists" not in str(error):
                raise
            time.sleep(random.SystemRandom().uniform(0.1, 0.4) * 2 ** min(attempt, 4))
    return write()


def text_column(values: Sequence[str]) -> object:
    """An Arrow column of strings."""
    from arro3.core import Array, DataType

    return Array(values, type=DataType.string())


def time_column(microseconds: np.ndarray) -> object:
    """An Arrow column of UTC timestamps."""
    from arro3.core import Array, DataType

    return Array.from_numpy(microseconds.astype(np.int64)).cast(DataType.timestamp("us", tz="UTC"))


def _merge(table: str, rows: "Table") -> dict[str, int]:
    from deltalake import write_deltalake

    target = open_table(table)
    if target is None:
        write_deltalake(table, rows, partition_by=PARTITIONS, storage_options=storage_options(table))
        return {"inserted": rows.num_rows, "updated": 0}
    done = (
        target.merge(
            rows,
            predicate=" AND ".join(f"t.{column} = s.{column}" for column in KEY),
            source_alias="s",
            target_alias="t",
        )
        .when_matched_update_all(predicate="s.value IS NOT NULL AND t.value IS DISTINCT FROM s.value")
        .when_not_matched_insert_all()
        .execute()
    )
    return {"inserted": done["num_target_rows_inserted"], "updated": done["num_target_rows_updated"]}


def _readings(values: Mapping[tuple[str, str, str], Mapping[int, float | None]]) -> "Table":
    from arro3.core import Array, DataType, Table

    keys = [key for key, column in values.items() for _ in column]
    moments = np.array([moment for column in values.values() for moment in column], np.int64)
    measured = [value for column in values.values() for value in column.values()]
    return Table.from_pydict(
        {
            "plant_id": text_column([key[0] for key in keys]),
            "circuit_id": text_column([key[1] for key in keys]),
            "sensor": text_column([key[2] for key in keys]),
            "time": time_column(moments),
            "value": Array(measured, type=DataType.float64()),
        }
    )
