"""The Delta tables, as Spark writes them: the one place that needs Delta's jars, and so a Synapse pool.

The statements are plain text: Spark's own parser reads the MERGE, and tests play its conditions, without the jars.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from etl.ledger import KEY as FILE_KEY
from etl.merge_report import Upkeep
from etl.readings_table import FILES_A_PARTITION, KEY, PARTITIONS, PROPERTIES
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

CHANGED = "s.value IS NOT NULL AND t.value IS DISTINCT FROM s.value"  # a gap never replaces a value
_NAMES = 500


class Tables(Protocol):
    """What the merge asks of the tables; a table is named by its URI."""

    def version(self, table: str) -> int | None:
        """The newest version; None where there is no table yet."""
        ...

    def rows(self, table: str) -> DataFrame | None:
        """A table's rows as they are now; None where there is no table yet."""
        ...

    def merge_readings(self, table: str, rows: DataFrame) -> tuple[int, int]:
        """Insert new readings, update corrected ones: a gap never replaces a value. How many of each."""
        ...

    def put_files(self, table: str, rows: DataFrame) -> None:
        """Put files down as merged, over what is known of them."""
        ...

    def forget(self, table: str, plant_id: str, files: Sequence[str]) -> None:
        """Remove a plant's files from the quarantine."""
        ...

    def append(self, table: str, rows: DataFrame) -> None:
        """Add rows to the quarantine."""
        ...

    def compact(self, table: str) -> Upkeep:
        """Make a few files of many."""
        ...


class DeltaTables:
    """`Tables` by Delta for Spark."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def version(self, table: str) -> int | None:
        if not self._exists(table):
            return None
        [newest] = self._spark.sql(f"DESCRIBE HISTORY {named(table)}").agg(F.max("version")).collect()
        return int(newest[0])

    def rows(self, table: str) -> DataFrame | None:
        return self._spark.read.format("delta").load(table) if self._exists(table) else None

    def merge_readings(self, table: str, rows: DataFrame) -> tuple[int, int]:
        self._create(table, rows, PARTITIONS)
        return self._merge(table, rows, KEY, CHANGED, bounds(rows))

    def put_files(self, table: str, rows: DataFrame) -> None:
        self._create(table, rows)
        self._merge(table, rows, FILE_KEY)

    def forget(self, table: str, plant_id: str, files: Sequence[str]) -> None:
        for start in range(0, len(files) if self._exists(table) else 0, _NAMES):
            names = ", ".join(map(literal, files[start : start + _NAMES]))
            where = f"plant_id = {literal(plant_id)} AND file IN ({names})"
            self._spark.sql(f"DELETE FROM {named(table)} WHERE {where}")  # noqa: S608 - every text is a literal

    def append(self, table: str, rows: DataFrame) -> None:
        rows.write.format("delta").mode("append").save(table)

    def compact(self, table: str) -> Upkeep:
        rows = self.rows(table)
        files = rows.inputFiles() if rows is not None else []
        partitions = {file.rpartition("/")[0] for file in files}
        if len(files) <= FILES_A_PARTITION * len(partitions):
            return Upkeep()
        done = self._spark.sql(f"OPTIMIZE {named(table)}").select("metrics.*").first()
        return Upkeep(int(done["numFilesRemoved"]), int(done["numFilesAdded"]))

    def _exists(self, table: str) -> bool:
        from delta.tables import DeltaTable

        return DeltaTable.isDeltaTable(self._spark, table)

    def _create(self, table: str, rows: DataFrame, partitions: Sequence[str] = ()) -> None:
        if not self._exists(table):
            self._spark.sql(create_statement(table, rows, partitions))

    def _merge(
        self, table: str, rows: DataFrame, key: Sequence[str], changed: str = "", bounds: str = ""
    ) -> tuple[int, int]:
        rows.createOrReplaceTempView("merged_rows")
        done = self._spark.sql(merge_statement(table, "merged_rows", key, changed, bounds)).first()
        return int(done["num_inserted_rows"]), int(done["num_updated_rows"])


def create_statement(table: str, rows: DataFrame, partitions: Sequence[str] = ()) -> str:
    """CREATE TABLE with the columns of `rows`."""
    columns = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in rows.schema)
    parts = f" PARTITIONED BY ({', '.join(partitions)})" if partitions else ""
    properties = ", ".join(f"{literal(key)} = {literal(value)}" for key, value in PROPERTIES.items())
    return f"CREATE TABLE {named(table)} ({columns}) USING delta{parts} TBLPROPERTIES ({properties})"


def merge_statement(table: str, source: str, key: Sequence[str], changed: str = "", bounds: str = "") -> str:
    """MERGE of a view into a table: `changed` says which known rows to update (all, if left out), `bounds` is a
    condition on t that every known row fulfils, so that other files are not looked at."""
    same = " AND ".join([f"t.`{column}` = s.`{column}`" for column in key] + [bounds] * bool(bounds))
    matched = f" AND {changed}" if changed else ""
    return (
        f"MERGE INTO {named(table)} AS t USING {source} AS s ON {same} "
        f"WHEN MATCHED{matched} THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )


def bounds(rows: DataFrame) -> str:
    """The partitions and times that readings lie in, as a condition on t."""
    times = [F.unix_micros(edge("time")).alias(edge.__name__) for edge in (F.min, F.max)]
    sets: Mapping[str, Any] = rows.agg(
        *(F.collect_set(name).alias(name) for name in PARTITIONS), *times
    ).first()
    within = [f"t.{name} IN ({', '.join(map(literal, sorted(sets[name])))})" for name in PARTITIONS]
    return " AND ".join(
        [*within, f"t.time BETWEEN timestamp_micros({sets['min']}) AND timestamp_micros({sets['max']})"]
    )


def named(table: str) -> str:
    """A Delta table by its URI, as SQL names it."""
    return f"delta.`{table.replace('`', '``')}`"


def literal(text: str) -> str:
    """A text as Spark's SQL writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
