"""Merge raw sensor files, CSV and Parquet, into the one Delta table of readings: insert what is new, update what was
corrected, quarantine what is wrong.

Files that were merged and have not changed are not read again. What is written later wins, by the files' times of
modification, then their names, then the order of their rows. The same files merged twice change nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

from file_ledger import Entry, Ledger
from findings import Findings, SensorRange
from mapping import PlantMapping, load_mappings
from merge_report import report_document, write_report
from merging import Merge
from quarantine import BATCH, Quarantine
from raw_files import read_raw_file
from schema_drift import compare
from shared.errors import LOG, InputError, run_command
from shared.storage import StoredFile, files_below, local_copy, open_table, resolve
from shared.tracking import log_run
from upkeep import maintain, parse_pins


def main() -> None:
    """Command line: read the raw files that are new, merge, look after the table, report."""
    arguments = _arguments()
    started, table = time.perf_counter(), resolve(arguments.readings)
    mappings, pins = load_mappings(arguments.mapping), parse_pins(arguments.pinned_versions)
    before = version(table)
    run = Run(resolve(arguments.raw), table)
    for mapping in mappings:
        run.plant(mapping, arguments.full == "true")
    run.finish()
    after = version(table)
    upkeep = maintain(table, arguments.history_days, pins)
    for beside in (run.ledger.table, run.quarantine.table):
        maintain(beside, arguments.history_days, () if pins is not None else None)
    report = report_document(run, before, after, upkeep, time.perf_counter() - started)
    write_report(arguments.report, report)
    if after is None:
        reasons = "; ".join(f"{p['file']}: {p['reason']}" for p in run.findings.problems[:3])
        raise InputError(f"nothing could be read below {run.raw}: {reasons or 'the mapping matches no file'}")
    figures = {name: report["merged"][name] for name in ("inserted", "updated")}
    log_run(
        {"delta_version_before": before, "delta_version": after}, figures | {"seconds": report["seconds"]}
    )
    LOG.info("%s, version %s → %s, %.1f s", json.dumps(report["merged"]), before, after, report["seconds"])


def version(table: str) -> int | None:
    """The table's newest version; None where there is no table yet."""
    found = open_table(table)
    return None if found is None else found.version()


class Run:
    """One run over all plants; the tables beside the readings are called like it."""

    def __init__(self, raw: str, readings: str) -> None:
        self.raw, self.readings = raw, readings
        self.findings = Findings()
        self.ledger, self.quarantine = Ledger(readings), Quarantine(readings, self.findings)
        self.merge = Merge(readings, self.findings)
        self.found = self.read = 0
        self._entries: list[Entry] = []

    def plant(self, mapping: PlantMapping, full: bool) -> None:
        """Merge what is new of one plant."""
        known = self.ledger.headers(mapping.plant_id)
        files = list(self._files(mapping))
        new = self.ledger.to_read(files, mapping, full)
        self.found += len(files)
        self.quarantine.forget(mapping.plant_id, [file.name for file in new])
        for file in new:
            self._file(file, mapping, known)
        self._look_for_vanished(mapping)

    def finish(self) -> None:
        """Merge the rest, and put down what was merged."""
        self.merge.flush()
        self.quarantine.flush()
        self.ledger.record(self._entries)
        self._entries = []

    def _files(self, mapping: PlantMapping) -> Iterator[StoredFile]:
        """The plant's files, each once."""
        seen: set[str] = set()
        for pattern in mapping.files:
            files = files_below(self.raw, pattern)
            if not files:
                self.findings.problem(mapping.plant_id, pattern, f"matches no file below {self.raw}")
            yield from (file for file in files if file.name not in seen)
            seen |= {file.name for file in files}

    def _look_for_vanished(self, mapping: PlantMapping) -> None:
        """A sensor that no file has, while its circuit's others are read, stands in the report without readings."""
        read = {circuit for plant, circuit, _ in self.findings.sensors if plant == mapping.plant_id}
        for circuit in read & mapping.circuits.keys():
            for sensor in mapping.circuits[circuit]:
                self.findings.sensors.setdefault((mapping.plant_id, circuit, sensor), SensorRange())

    def _file(self, file: StoredFile, mapping: PlantMapping, known: list[dict[str, str]]) -> None:
        with local_copy(self.raw, file.name) as path:
            done = read_raw_file(path, file.name, file.modified, mapping, self.findings, self._take)
        compare(file.name, done.kinds, known, mapping, self.findings)
        if done.readings:
            known.append(done.kinds)
        self.read += 1
        self._entries.append(Entry(mapping.plant_id, file, mapping.digest, done))
        if self.merge.is_full:
            self.finish()

    def _take(self, key: Any, moments: Any, values: Any) -> None:
        self.merge.add(key, moments, values)
        self.quarantine.flush(at_least=BATCH)
        if self.merge.is_full:
            self.merge.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    add = parser.add_argument
    add("--mapping", required=True, metavar="YAML", help="which columns are which circuits' sensors")
    add("--raw", required=True, metavar="URI", help="abfss:// URI or local folder of the raw files")
    add("--readings", required=True, metavar="URI", help="abfss:// URI or folder of the Delta table")
    add("--report", required=True, metavar="JSON", help="output: what was read, merged and quarantined")
    add("--full", choices=("true", "false"), default="false", help="read files that were merged before, too")
    add(
        "--pinned_versions",
        metavar="N,N",
        help="Delta versions that data assets pin, or none; left out: no vacuum",
    )
    add("--history_days", type=int, default=30, metavar="N", help="how long unpinned versions stay readable")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
