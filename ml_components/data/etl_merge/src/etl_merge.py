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

# A job finds shared/ and etl/ beside this file; in the repository they lie three and two folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[2:4]))

from etl.findings import Findings
from etl.ledger import Entry, Ledger, ledger_of
from etl.mapping import PlantMapping, load_mappings
from etl.merge_report import Merged, Upkeep, report_document
from etl.raw_files import read_raw_file
from etl.schema_drift import compare
from file_ledger import store_entries, stored_entries
from merging import Merge
from quarantine import BATCH, Quarantine
from raw_parquet import open_parquet
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
    for beside in (run.files, run.quarantine.table):
        maintain(beside, arguments.history_days, () if pins is not None else None)
    merged = run.merged(before, after, upkeep, time.perf_counter() - started)
    report = report_document(merged)
    Path(arguments.report).write_text(json.dumps(report, indent=2), encoding="utf-8")
    if after is None:
        raise InputError(f"nothing could be read below {run.raw}: {merged.why_nothing}")
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
        self.raw, self.files = raw, ledger_of(readings)
        self.findings = Findings()
        self.ledger, self.quarantine = Ledger(stored_entries(self.files)), Quarantine(readings, self.findings)
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
        self.findings.look_for_vanished(mapping.plant_id, mapping.circuits)

    def finish(self) -> None:
        """Merge the rest, and put down what was merged."""
        self.merge.flush()
        self.quarantine.flush()
        store_entries(self.files, self._entries)
        self.ledger.add(self._entries)
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

    def merged(self, before: int | None, after: int | None, upkeep: Upkeep, seconds: float) -> Merged:
        """The run as it ended."""
        return Merged(
            self.findings,
            self.found,
            self.read,
            **self.merge.counts,
            quarantine=self.quarantine.table,
            latest=self.ledger.latest(),
            before=before,
            after=after,
            seconds=seconds,
            upkeep=upkeep,
        )

    def _file(self, file: StoredFile, mapping: PlantMapping, known: list[dict[str, str]]) -> None:
        with local_copy(self.raw, file.name) as path:
            done = read_raw_file(
                path, file.name, file.modified, mapping, self.findings, self._take, open_parquet
            )
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
