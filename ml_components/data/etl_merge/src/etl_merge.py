"""Merge raw sensor CSV files into the one Delta table of readings: insert what is new, update what was corrected.

The same files merged twice leave the same rows and no new version of the table.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

from mapping import PlantMapping, load_mappings
from raw_files import Key, Readings, read_csv
from shared.delta import merge_readings
from shared.errors import LOG, InputError, run_command
from shared.storage import names_below, open_table, read_below, resolve


def main() -> None:
    """Command line: read the raw files, merge, report."""
    arguments = _arguments()
    started = time.perf_counter()
    raw, table = resolve(arguments.raw), resolve(arguments.readings)
    readings = Readings()
    for mapping in load_mappings(arguments.mapping):
        _read_plant(readings, mapping, raw)
    _write(arguments.rejects, rejects_document(readings))
    report = report_document(readings, None, None, {"inserted": 0, "updated": 0})
    if not readings.values:
        _write(arguments.report, report)
        reasons = "; ".join(f"{p['file']}: {p['reason']}" for p in readings.problems[:3])
        raise InputError(f"nothing could be read below {raw}: {reasons or 'the mapping matches no file'}")
    before = _version(table)
    merged = merge_readings(table, readings.values)
    report = report_document(readings, before, _version(table), merged)
    _write(arguments.report, report)
    LOG.info(
        "%d rows read, %d readings inserted, %d updated, %d cells rejected, version %s → %s, %.1f s",
        *(readings.rows, merged["inserted"], merged["updated"], report["rejected"], before),
        *(report["delta_version"]["after"], time.perf_counter() - started),
    )


def _read_plant(readings: Readings, mapping: PlantMapping, raw: str) -> None:
    for pattern in mapping.files:
        names = names_below(raw, pattern)
        if not names:
            readings.problem(mapping, pattern, f"matches no file below {raw}")
        for name in names:
            read_csv(readings, mapping, name, read_below(raw, name))


def _version(table: str) -> int | None:
    found = open_table(table)
    return None if found is None else found.version()


def report_document(
    readings: Readings, before: int | None, after: int | None, merged: dict[str, int]
) -> dict[str, Any]:
    """report.json: what was read, what was merged, what was skipped."""
    return {
        "schema_version": 1,
        "rows_read": readings.rows,
        "gaps": readings.gaps,
        "rejected": sum(readings.reject_counts.values()),
        "duplicates": readings.duplicates,
        "merged": merged,
        "delta_version": {"before": before, "after": after},
        "rows_per_circuit": {name: len(moments) for name, moments in _moments(readings)},
        "latest": {
            name: datetime.fromtimestamp(max(moments) / 10**6, UTC).isoformat()
            for name, moments in _moments(readings)
        },
        "problems": readings.problems,
    }


def rejects_document(readings: Readings) -> dict[str, Any]:
    """rejects.json: every kind of bad cell counted, the first of them listed."""
    return {
        "schema_version": 1,
        "total": sum(readings.reject_counts.values()),
        "listed": len(readings.rejects),
        "counts": dict(readings.reject_counts),
        "rejects": readings.rejects,
    }


def _moments(readings: Readings) -> Iterator[tuple[str, set[int]]]:
    circuits: dict[str, set[int]] = {}
    for (plant, circuit, _), values in _sorted(readings):
        circuits.setdefault(f"{plant}/{circuit}", set()).update(values)
    yield from circuits.items()


def _sorted(readings: Readings) -> list[tuple[Key, dict[int, float | None]]]:
    return sorted(readings.values.items())


def _write(path: str, document: dict[str, Any]) -> None:
    Path(path).write_text(json.dumps(document, indent=2), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    parser.add_argument(
        "--mapping", required=True, metavar="YAML", help="which columns are which circuits' sensors"
    )
    parser.add_argument(
        "--raw", required=True, metavar="URI", help="abfss:// URI or local folder of the CSV files"
    )
    parser.add_argument(
        "--readings", required=True, metavar="URI", help="abfss:// URI or folder of the Delta table"
    )
    parser.add_argument("--report", required=True, metavar="JSON", help="output: what was read and merged")
    parser.add_argument(
        "--rejects", required=True, metavar="JSON", help="output: the cells that could not be read"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
