"""Raw files read by Spark's executors, a file by one task, with the very code that etl_merge reads them with.

One pass over a file yields three kinds of rows, told apart by which columns are filled: its readings, its rejects for
the quarantine, and one row that tells the driver what became of the file.
"""

import pickle
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pyarrow as pa
from arrow_parquet import open_parquet
from etl.findings import Findings, Key, Reject, SensorRange
from etl.mapping import PlantMapping
from etl.raw_files import FileRead, read_raw_file
from pyspark.sql import DataFrame, SparkSession
from shared.storage import StoredFile

ROWS = pa.schema(
    {
        "file": pa.int32(),
        "key": pa.int32(),
        "time": pa.int64(),
        "value": pa.float64(),
        "position": pa.int64(),
        "line": pa.int64(),
        "column": pa.string(),
        "text": pa.string(),
        "reason": pa.string(),
        "told": pa.binary(),
    }
)
_SPARK = (
    "file int, key int, time long, value double, position long, "
    "line long, column string, text string, reason string, told binary"
)
READINGS, REJECTS, TOLD = "key IS NOT NULL", "reason IS NOT NULL", "told IS NOT NULL"
_GLOB = re.compile(r"([\\*?\[\]{}])")


@dataclass(frozen=True)
class RawFile:
    """A file to read: its number, which grows with the time it was written, and what its columns mean."""

    number: int
    path: str
    stored: StoredFile
    mapping: PlantMapping


def read_files(spark: SparkSession, files: Sequence[RawFile], keys: Mapping[Key, int]) -> DataFrame:
    """The rows of all files, as `ROWS`; `keys` numbers the sensors. Lazy: nothing is read yet."""
    by_path: dict[str, list[RawFile]] = {}
    for file in files:
        by_path.setdefault(file.path, []).append(file)
    # a record of Arrow's holds a whole file
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
    contents = _contents(spark, {file.path: file.stored.size for file in files})
    return contents.mapInArrow(partial(_read_batches, files=by_path, keys=keys), _SPARK)


def told(parsed: DataFrame) -> dict[int, tuple[FileRead, Findings]]:
    """What became of each file, by its number; its rejects are rows of their own."""
    rows = parsed.where(TOLD).select("file", "told").collect()
    return {row.file: pickle.loads(row.told) for row in rows}  # noqa: S301 - our own executors wrote it


def _contents(spark: SparkSession, sizes: Mapping[str, int]) -> DataFrame:
    """(path, content) a file; empty ones, which Spark leaves out, are added."""
    empty = [(path, bytearray()) for path, size in sizes.items() if not size]
    found = spark.createDataFrame(empty, "path string, content binary")
    full = [_GLOB.sub(r"\\\1", path) for path, size in sizes.items() if size]
    if full:
        found = spark.read.format("binaryFile").load(full).select("path", "content").union(found)
    return found


def _read_batches(
    batches: Iterable[pa.RecordBatch], files: Mapping[str, Sequence[RawFile]], keys: Mapping[Key, int]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for path, content in zip(
            *(batch.column(name).to_pylist() for name in ("path", "content")), strict=True
        ):
            for file in files[path]:
                yield from _read(file, content, keys)


def _read(file: RawFile, content: bytes, keys: Mapping[Key, int]) -> Iterator[pa.RecordBatch]:
    findings, readings, positions = Findings(), list[pa.RecordBatch](), Counter[Key]()

    def take(key: Key, moments: np.ndarray, values: np.ndarray) -> None:
        findings.sensors.setdefault(key, SensorRange()).add(moments, values)
        readings.append(_readings(file.number, keys[key], positions[key], moments, values))
        positions[key] += len(moments)

    with NamedTemporaryFile() as copy:
        copy.write(content)
        copy.flush()
        done = read_raw_file(
            Path(copy.name),
            file.stored.name,
            file.stored.modified,
            file.mapping,
            findings,
            take,
            open_parquet,
        )
    rejects, findings.rejects = findings.rejects, []
    yield from readings
    if rejects:
        yield _rejects(file.number, rejects)
    yield _batch(file.number, 1, told=[pickle.dumps((done, findings))])


def _readings(file: int, key: int, start: int, moments: np.ndarray, values: np.ndarray) -> pa.RecordBatch:
    count = len(moments)
    return _batch(
        file,
        count,
        key=np.full(count, key, np.int32),
        time=moments,
        value=pa.array(values, mask=np.isnan(values)),
        position=np.arange(start, start + count),
    )


def _rejects(file: int, rejects: Sequence[Reject]) -> pa.RecordBatch:
    return _batch(
        file,
        len(rejects),
        line=[reject.line for reject in rejects],
        column=[reject.column for reject in rejects],
        text=[reject.value for reject in rejects],
        reason=[reject.reason for reject in rejects],
    )


def _batch(file: int, count: int, **columns: object) -> pa.RecordBatch:
    columns["file"] = np.full(count, file, np.int32)
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type)
        for field in ROWS
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ROWS)
