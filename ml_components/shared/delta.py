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


# Data assets pin versions for longer than Delta keeps its log: only vacuum, which knows the pins, takes any away.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false"}

Key = tuple[str, str, str]
Columns = tuple[np.ndarray, np.ndarray]


def merge_readings(table: str, readings: Mapping[Key, Columns]) -> dict[str, int]:
    """Insert new readings and update corrected ones: (plant, circuit, sensor) → (microseconds, values, NaN: a gap).

    Of several for one moment the last that is no gap holds; a gap never replaces a value. Nothing to change leaves
    no new version. Returns `inserted`, `updated` and `duplicates` (readings that a later one here replaced).
    """
    unique = {key: _last_of_each(*columns) for key, columns in readings.items() if len(columns[0])}
    if not unique:
        return {"inserted": 0, "updated": 0, "duplicates": 0}
    given = sum(len(columns[0]) for columns in readings.values())
    rows = _readings(unique)
    changed = "s.value IS NOT NULL AND t.value IS DISTINCT FROM s.value"
    done = upsert(table, rows, KEY, changed, _bounds(unique), PARTITIONS)
    return done | {"duplicates": given - rows.num_rows}


def upsert(
    table: str,
    rows: "Table",
    key: Sequence[str],
    changed: str | None = None,
    bounds: str = "",
    partition_by: list[str] | None = None,
) -> dict[str, int]:
    """Insert rows and update those of the same key, in one commit; creates the table.

    `changed` (SQL over s and t) says which known rows to update: all, if left out. `bounds` is a condition on t that
    every known row fulfils: files that cannot are not looked at.
    """

    def write() -> dict[str, int]:
        from deltalake import write_deltalake

        target = open_table(table)
        if target is None:
            options = storage_options(table)
            write_deltalake(
                table, rows, partition_by=partition_by, storage_options=options, configuration=PROPERTIES
            )
            return {"inserted": rows.num_rows, "updated": 0}
        same = " AND ".join(f"t.{column} = s.{column}" for column in key)
        done = (
            target.merge(rows, predicate=same + bounds, source_alias="s", target_alias="t")
            .when_matched_update_all(predicate=changed)
            .when_not_matched_insert_all()
            .execute()
        )
        return {"inserted": done["num_target_rows_inserted"], "updated": done["num_target_rows_updated"]}

    return retry_conflicts(write)


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


def value_column(values: np.ndarray) -> object:
    """An Arrow column of measurements: NaN becomes null."""
    from arro3.core import Array, DataType

    if not np.isnan(values).any():
        return Array.from_numpy(values.astype(np.float64))
    return Array([None if value != value else value for value in values.tolist()], type=DataType.float64())


def integer_column(values: Sequence[int]) -> object:
    """An Arrow column of whole numbers."""
    from arro3.core import Array

    return Array.from_numpy(np.array(values, np.int64))


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _last_of_each(moments: np.ndarray, values: np.ndarray) -> Columns:
    """One reading a moment, in order of time: the last given that is no gap, else the gap."""
    order = np.argsort(moments, kind="stable")
    moments, values = moments[order], values[order]
    starts = np.flatnonzero(np.concatenate([[True], moments[1:] != moments[:-1]]))
    last = np.maximum.reduceat(np.where(np.isnan(values), -1, np.arange(len(values))), starts)
    return moments[starts], np.where(last >= 0, values[last], np.nan)


def _bounds(readings: Mapping[Key, Columns]) -> str:
    """Partitions and times that the readings lie in."""
    plants, circuits = ({key[part] for key in readings} for part in (0, 1))
    first = min(int(moments[0]) for moments, _ in readings.values())
    last = max(int(moments[-1]) for moments, _ in readings.values())
    return (
        f" AND t.plant_id IN ({', '.join(map(quoted, sorted(plants)))})"
        f" AND t.circuit_id IN ({', '.join(map(quoted, sorted(circuits)))})"
        f" AND t.time >= {_moment(first)} AND t.time <= {_moment(last)}"
    )


def _moment(microseconds: int) -> str:
    return f"arrow_cast({microseconds}, 'Timestamp(Microsecond, Some(\"UTC\"))')"


def _readings(readings: Mapping[Key, Columns]) -> "Table":
    from arro3.core import Table

    sizes = {key: len(moments) for key, (moments, _) in readings.items()}
    names = ("plant_id", "circuit_id", "sensor")
    keys = {
        name: text_column([key[part] for key, size in sizes.items() for _ in range(size)])
        for part, name in enumerate(names)
    }
    moments, values = (np.concatenate(columns) for columns in zip(*readings.values(), strict=True))
    return Table.from_pydict({**keys, "time": time_column(moments), "value": value_column(values)})
