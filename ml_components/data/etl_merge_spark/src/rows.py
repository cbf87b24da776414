"""What stands between the raw files' rows and the tables' rows: plain DataFrames."""

from collections.abc import Iterable, Mapping, Sequence

from etl.findings import Key
from etl.ledger import NUMBERS, TEXTS, TIME, Entry, moment
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from raw_reading import READINGS, REJECTS, RawFile


def latest_readings(spark: SparkSession, parsed: DataFrame, keys: Mapping[Key, int]) -> DataFrame:
    """A row for each sensor and moment: of several the last written that is no gap, else the gap."""
    rank = F.struct(F.col("value").isNotNull(), F.col("file"), F.col("position"))
    latest = parsed.where(READINGS).groupBy("key", "time").agg(F.max_by("value", rank).alias("value"))
    names = spark.createDataFrame(
        [(number, *key) for key, number in keys.items()],
        "key int, plant_id string, circuit_id string, sensor string",
    )
    return latest.join(F.broadcast(names), "key").select(
        "plant_id", "circuit_id", "sensor", F.timestamp_micros("time").alias("time"), "value"
    )


def quarantine_rows(spark: SparkSession, parsed: DataFrame, files: Sequence[RawFile]) -> DataFrame:
    """A row for each bad row or cell, in the quarantine's columns."""
    names = spark.createDataFrame(
        [(file.number, file.mapping.plant_id, file.stored.name) for file in files],
        "number int, plant_id string, name string",
    )
    bad = parsed.where(REJECTS).join(F.broadcast(names), F.col("file") == F.col("number"))
    return bad.select(
        "plant_id", F.col("name").alias("file"), "column", F.col("text").alias("value"), "reason", "line"
    )


def stored_entries(rows: DataFrame | None) -> Iterable[Entry]:
    """The files that the ledger's table knows; none without a table."""
    if rows is None:
        return
    for row in rows.withColumn(TIME, F.unix_micros(TIME)).collect():
        yield Entry.from_row(row.asDict() | {TIME: moment(row[TIME])})


def stored_rows(spark: SparkSession, entries: Sequence[Entry]) -> DataFrame:
    """Rows of the ledger's table."""
    types = [*(f"{name} string" for name in TEXTS), *(f"{name} long" for name in (*NUMBERS, TIME))]
    rows = [entry.row() for entry in entries]
    found = spark.createDataFrame(
        [tuple(row[name] for name in (*TEXTS, *NUMBERS, TIME)) for row in rows], ", ".join(types)
    )
    return found.withColumn(TIME, F.timestamp_micros(TIME))
