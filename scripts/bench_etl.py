"""A merge of ten million rows: how fast, in how much memory, and whether the table is right.

`python scripts/bench_etl.py [--rows 10000000]` writes raw files (CSV and Parquet by turns, two plants), merges them
with `etl_merge` as a job does, merges late, duplicate, corrected and bad rows on top, and then the same again. Each
merge is a process of its own, whose peak memory is the system's figure. Exit status 1 when a target is missed or a
count is wrong. Runs in the training environment.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "ml_components" / "data" / "etl_merge" / "src" / "etl_merge.py"
PLANTS, FILES = ("PLANT1", "PLANT2"), 5
SENSORS = ("temperature", "pressure", "flow", "level", "current")
START = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
LIMIT_MIB = 2048
HEADER = ("merge", "readings", "inserted", "updated", "quarantined", "s", "readings/s", "peak MiB")
EVERY = 1000  # of the first file's lines each thousandth is corrected, and as many are late, double or bad


@dataclass(frozen=True)
class Run:
    """One merge: what it reported, its wall-clock seconds and its peak resident memory in MiB."""

    name: str
    report: dict[str, Any]
    seconds: float
    peak_mib: float

    @property
    def row(self) -> tuple[str, ...]:
        """The table's cells."""
        merged, quarantined = self.report["merged"], self.report["quarantined"]["total"]
        counts = (merged["readings"], merged["inserted"], merged["updated"], quarantined)
        speed = merged["readings"] / self.seconds
        return (
            self.name,
            *(f"{n:,}" for n in counts),
            f"{self.seconds:.1f}",
            f"{speed:,.0f}",
            f"{self.peak_mib:,.0f}",
        )


class Bench:
    """A folder with raw files and the table; lines are minutes apart, a file follows the one before."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.lines = folder, rows // (len(PLANTS) * FILES * len(SENSORS))
        self.rows = self.lines * len(PLANTS) * FILES * len(SENSORS)
        mapping = [
            {"plant_id": plant, "file": f"{plant}/*", "time": "time", "circuits": {"CIRC1": list(SENSORS)}}
            for plant in PLANTS
        ]
        (folder / "mapping.yaml").write_text(yaml.safe_dump(mapping))
        self.sum = 0.0

    def write(self) -> None:
        """The raw files; values are whole numbers, so that their sum is exact."""
        for number, plant in enumerate(PLANTS):
            (self.folder / "raw" / plant).mkdir(parents=True)
            for file in range(FILES):
                minutes = np.arange(file * self.lines, (file + 1) * self.lines)
                values = (minutes[:, None] * 7 + np.arange(len(SENSORS)) * 13 + number) % 1000
                self.sum += float(values.sum())
                write = _write_csv if file % 2 == 0 else _write_parquet
                write(self.folder / "raw" / plant / f"{file}", minutes, values)

    def correct(self) -> dict[str, int]:
        """A file of corrections to the first plant's first file: the counts that a merge of it must report."""
        at = np.arange(0, self.lines, EVERY)
        lines = ["time," + ",".join(SENSORS)]
        for minute in at:
            stamp = _stamp(int(minute))
            lines += [
                f"{stamp},0,0,0,0,0",
                f"{stamp},5000,,NA,x,inf",
                f"{_stamp(-1 - int(minute))},1,1,1,1,1",
            ]
        (self.folder / "raw" / "PLANT1" / "corrections.csv").write_text("\n".join(lines) + "\n")
        count = len(at)
        before = (at[:, None] * 7 + np.arange(len(SENSORS)) * 13) % 1000
        after = np.array([5000, 0, 0, 0, 0])
        self.sum += float((after - before).sum()) + count * len(SENSORS)
        updated = int((before != after).sum())
        return {"inserted": count * len(SENSORS), "updated": updated, "quarantined": 2 * count}

    def merge(self, name: str) -> Run:
        places = {"mapping": "mapping.yaml", "raw": "raw", "readings": "readings", "report": "report.json"}
        flags = [part for key, path in places.items() for part in (f"--{key}", str(self.folder / path))]
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, str(SCRIPT), *flags], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            raise SystemExit(f"{name}: etl_merge ended with status {os.waitstatus_to_exitcode(status)}")
        report = json.loads((self.folder / "report.json").read_text())
        return Run(name, report, seconds, usage.ru_maxrss / 1024)

    def table(self) -> tuple[int, int, float]:
        """Rows, distinct keys and the sum of values, as the table's readers see them."""
        from deltalake import DeltaTable, QueryBuilder

        query = """SELECT count(*) AS n, sum(value) AS total FROM t"""
        keys = "SELECT count(*) AS n FROM (SELECT DISTINCT plant_id, circuit_id, sensor, time FROM t)"
        engine = QueryBuilder().register("t", DeltaTable(str(self.folder / "readings")))
        found, distinct = (engine.execute(text).read_all() for text in (query, keys))
        return (
            found.column("n").to_pylist()[0],
            distinct.column("n").to_pylist()[0],
            found.column("total").to_pylist()[0],
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=10_000_000, help="rows of the table after the first merge"
    )
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), rows)
        bench.write()
        first = bench.merge("all files")
        expected = bench.correct()
        second = bench.merge("corrections on top")
        runs = [first, second, bench.merge("the same again")]
        wrong = _wrong(bench, runs, expected)
    _show([HEADER, ("---",) * len(HEADER), *(run.row for run in runs)])
    peak = max(run.peak_mib for run in runs)
    if peak >= LIMIT_MIB:
        wrong.append(f"peak memory {peak:,.0f} MiB, limit {LIMIT_MIB:,}")
    verdict = "\n".join(wrong) or f"every count is right; peak memory {peak:,.0f} MiB, limit {LIMIT_MIB:,}"
    sys.stdout.write(f"\n{verdict}\n")
    sys.exit(1 if wrong else 0)


def _show(rows: list[tuple[str, ...]]) -> None:
    for row in rows:
        sys.stdout.write(f"| {' | '.join(row)} |\n")


def _wrong(bench: Bench, runs: list[Run], expected: dict[str, int]) -> list[str]:
    """What is not as it was made."""
    first, second, third = (run.report for run in runs)
    total = bench.rows + expected["inserted"]
    checks = {
        "rows inserted first": (first["merged"]["inserted"], bench.rows),
        "rows inserted on top": (second["merged"]["inserted"], expected["inserted"]),
        "rows corrected": (second["merged"]["updated"], expected["updated"]),
        "cells quarantined": (second["quarantined"]["total"], expected["quarantined"]),
        "files read again": (third["files"]["read"], 0),
        "the table's rows, distinct keys and sum": (bench.table(), (total, total, bench.sum)),
    }
    return [
        f"{name}: {found}, should be {wanted}" for name, (found, wanted) in checks.items() if found != wanted
    ]


def _stamp(minute: int) -> str:
    return datetime.fromtimestamp(START + minute * 60, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _write_csv(path: Path, minutes: np.ndarray, values: np.ndarray) -> None:
    stamps = np.datetime_as_string((START + minutes * 60).astype("datetime64[s]"))
    with path.with_suffix(".csv").open("w") as file:
        file.write("time," + ",".join(SENSORS) + "\n")
        file.writelines(
            f"{at},{','.join(map(str, row))}\n" for at, row in zip(stamps, values.tolist(), strict=True)
        )


def _write_parquet(path: Path, minutes: np.ndarray, values: np.ndarray) -> None:
    """The training environment writes Parquet only as part of a Delta table."""
    from arro3.core import Array, DataType, Table
    from deltalake import write_deltalake

    moments = Array.from_numpy((START + minutes * 60) * 10**6).cast(DataType.timestamp("us", tz="UTC"))
    columns = {name: Array.from_numpy(values[:, at].astype(np.float64)) for at, name in enumerate(SENSORS)}
    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, Table.from_pydict({"time": moments, **columns}))
        [written] = Path(folder).glob("*.parquet")
        written.replace(path.with_suffix(".parquet"))


if __name__ == "__main__":
    main()
