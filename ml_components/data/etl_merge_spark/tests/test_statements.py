"""What Spark is sent to merge: read by its own parser, and its condition played as a join beside delta-rs."""

import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyspark", reason="Spark is not in this environment: make test-spark")

from etl.readings_table import KEY, PARTITIONS
from local_spark import DeltaRsTables
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from tables import CHANGED, bounds, create_statement, literal, merge_statement

COLUMNS = "plant_id string, circuit_id string, sensor string, time timestamp, value double"


def readings(spark: SparkSession, rows: list[tuple[str, int, float | None]]) -> DataFrame:
    """Readings out of (sensor, seconds, value)."""
    found = [("PLANT'1", "C1", sensor, at, value) for sensor, at, value in rows]
    raw = spark.createDataFrame(found, COLUMNS.replace("timestamp", "long"))
    return raw.withColumn("time", F.timestamp_seconds("time"))


def parsed(spark: Any, statement: str) -> str:
    return spark._jsparkSession.sessionState().sqlParser().parsePlan(statement).toString()


def test_spark_understands_the_statements(spark: SparkSession) -> None:
    rows = readings(spark, [("a", 1, 1.0), ("b", 5, None)])
    table = "abfss://data@account.dfs.core.windows.net/readings"
    plan = parsed(spark, merge_statement(table, "merged_rows", KEY, CHANGED, bounds(rows)))
    first, second = plan.splitlines()[0].split("updatestaraction")
    assert first.startswith("'MergeIntoTable ")
    for part in (
        "('t.sensor = 's.sensor)",
        "('t.time = 's.time)",
        "'t.plant_id IN (PLANT'1)",
        "'timestamp_micros(5000000)",
    ):
        assert part in first
    assert "isnotnull('s.value) AND NOT ('t.value <=> 's.value)" in second
    assert "insertstaraction(None)" in second
    create = parsed(spark, create_statement(table, rows, PARTITIONS))
    assert "CreateTable" in create
    assert "StructField(time,TimestampType,true)" in create


@pytest.mark.parametrize("text", ["plain", "it's", 'a "b"', "back\\slash", "new\nline", "T °C %20", "';--"])
def test_a_literal_is_the_text(spark: SparkSession, text: str) -> None:
    [row] = spark.sql(f"SELECT {literal(text)} AS text").collect()
    assert row.text == text


def by_join(target: DataFrame, source: DataFrame) -> DataFrame:
    """The MERGE as a join: what Spark makes of the statement's own condition."""
    same = " AND ".join(f"t.{column} = s.{column}" for column in KEY)
    both = target.alias("t").join(source.alias("s"), F.expr(same), "full_outer")
    takes = F.expr(f"t.time IS NULL OR (s.time IS NOT NULL AND {CHANGED})")
    columns = [F.when(takes, F.col(f"s.{name}")).otherwise(F.col(f"t.{name}")) for name in source.columns]
    return both.select(*(column.alias(name) for column, name in zip(columns, source.columns, strict=True)))


@pytest.mark.parametrize("seed", range(2))
def test_the_condition_means_to_spark_what_it_means_to_delta_rs(
    spark: SparkSession, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - made-up rows guard no secret
    tables, table, joined = DeltaRsTables(spark), str(tmp_path / "readings"), readings(spark, [])
    for _ in range(3):
        moments = {(sensor, chance.randint(1, 6)) for sensor in "ab" for _ in range(5)}
        rows = readings(spark, [(*one, chance.choice([None, 0.0, 1.0, 2.0])) for one in sorted(moments)])
        before = {row[:4]: row.value for row in joined.collect()}
        inserted, updated = tables.merge_readings(table, rows)
        joined = by_join(joined, rows).localCheckpoint()
        after = {row[:4]: row.value for row in joined.collect()}
        assert inserted == len(after.keys() - before.keys())
        assert updated == sum(before[key] != after[key] for key in before)
    stored = tables.rows(table)
    assert stored is not None
    assert sorted(map(str, stored.select(*joined.columns).collect())) == sorted(map(str, joined.collect()))
