"""The shared case table: its cases, and their raw files on disk. What a case expects of a report, for etl_merge and its
Spark twin alike."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("cases.yaml")
FIRST_WRITTEN = datetime(2025, 12, 1, tzinfo=UTC).timestamp()


def load_cases() -> list[dict[str, Any]]:
    """The cases, each with its whole mapping."""
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    defaults = document["defaults"]["mapping"]
    return [case | {"mapping": defaults | case.get("mapping", {})} for case in document["cases"]]


def write_step(folder: Path, files: dict[str, dict[str, Any]], step: int) -> None:
    """Write one merge's files, with the times at which they were written."""
    for position, (name, file) in enumerate(files.items()):
        path = folder / name
        if "parquet" in file:
            write_parquet(path, file["parquet"], file.get("times", {}))
        elif "hex" in file:
            path.write_bytes(bytes.fromhex(file["hex"]))
        else:
            text = file["text"] if "text" in file else "\n".join(file["lines"]) + "\n"
            path.write_text(text, encoding=file.get("encoding", "utf-8"), newline="")
        written = FIRST_WRITTEN + 86_400 * step + 60 * position
        if "written" in file:
            written = datetime.fromisoformat(file["written"]).replace(tzinfo=UTC).timestamp()
        os.utime(path, (written, written))


def assert_reported(case: dict[str, Any], report: dict[str, Any]) -> None:
    """The report of a case's last merge says what the case expects of it."""
    for key, expected in case.get("report", {}).items():
        assert report[key] == expected, key  # noqa: S101 - tests call it
    told = [(problem["file"], problem["reason"]) for problem in report["problems"]]
    for file, reason in case.get("problems", []):
        assert any(name == file and reason in text for name, text in told), told  # noqa: S101 - tests call it
    assert len(told) == len(case.get("problems", [])), told  # noqa: S101 - tests call it
    drift = [[one["file"], one["kind"], one["column"]] for one in report["drift"]]
    assert drift == case.get("drift", [])  # noqa: S101 - tests call it
    for sensor, remark in case.get("remarks", {}).items():
        assert report["sensors"][sensor]["remark"] == remark  # noqa: S101 - tests call it


def write_parquet(path: Path, columns: dict[str, list[Any]], times: dict[str, str | None]) -> None:
    """A Parquet file; `times` says which texts become timestamps, and of which zone."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        _write_parquet_by_delta(path, columns, times)
        return
    arrays = {
        name: pa.array(list(map(_moment, values)), pa.timestamp("us", times[name]))
        if name in times
        else values
        for name, values in columns.items()
    }
    parquet.write_table(pa.table(arrays), path)


def _write_parquet_by_delta(path: Path, columns: dict[str, list[Any]], times: dict[str, str | None]) -> None:
    """The training environment writes Parquet only as part of a Delta table."""
    from tempfile import TemporaryDirectory

    from arro3.core import Array, DataType, Table
    from deltalake import write_deltalake

    def array(name: str, values: list[Any]) -> Any:
        if name in times:
            moments = [None if value is None else round(_utc(value) * 10**6) for value in values]
            return Array(moments, type=DataType.int64()).cast(DataType.timestamp("us", tz=times[name]))
        kind = DataType.string() if any(isinstance(value, str) for value in values) else DataType.float64()
        return Array(values, type=kind)

    with TemporaryDirectory() as folder:
        write_deltalake(
            folder, Table.from_pydict({name: array(name, values) for name, values in columns.items()})
        )
        [file] = Path(folder).glob("*.parquet")
        path.write_bytes(file.read_bytes())


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
