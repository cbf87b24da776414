"""The Spark twin of etl_merge, for a fleet that outgrows one machine: the same raw files, the same Delta tables, the
same report.

The executors read the raw files, a file a task, with etl_merge's own code; what they read is merged in one commit.
What is written later wins, and the same files merged twice change nothing. No file of a table is deleted: etl_merge,
run on the same table afterwards, reads nothing and vacuums.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

# A job finds shared/ and etl/ beside this file; in the repository they lie three and two folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[2:4]))

import arrow_parquet
import etl
import raw_reading
import shared
from etl.findings import Findings, Key
from etl.ledger import Entry, Ledger, ledger_of, quarantine_of
from etl.mapping import PlantMapping, parse_mappings
from etl.merge_report import Merged, report_document
from etl.raw_files import FileRead
from etl.schema_drift import compare
from hadoop_files import Files
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from raw_reading import RawFile, read_files, told
from rows import latest_readings, quarantine_rows, stored_entries, stored_rows
from shared.errors import LOG, InputError, run_command
from shared.storage import StoredFile
from tables import DeltaTables, Tables


def main() -> None:
    """Command line: read the raw files that are new, merge, compact, report."""
    arguments = _arguments()
    spark = SparkSession.builder.getOrCreate()
    files = Files(spark)
    mappings = parse_mappings(files.read_text(arguments.mapping), arguments.mapping)
    raw, readings = (uri.rstrip("/") for uri in (arguments.raw, arguments.readings))
    run = Run(spark, DeltaTables(spark), raw, files.below(arguments.raw), readings)
    merged = run.merge([run.plant(mapping, arguments.full == "true") for mapping in mappings])
    files.write_text(arguments.report, json.dumps(report_document(merged), indent=2))
    if merged.after is None:
        raise InputError(f"nothing could be read below {raw}: {merged.why_nothing}")
    LOG.info(
        "%s, version %s → %s, %.1f s", json.dumps(merged.counts), merged.before, merged.after, merged.seconds
    )


@dataclass(frozen=True)
class Plant:
    """A plant's part in a run: how many files it has, those to read, in order, and what is wrong with the others."""

    mapping: PlantMapping
    found: int
    new: list[RawFile]
    findings: Findings


class Run:
    """One run over all plants; the tables beside the readings are called like it."""

    def __init__(
        self,
        spark: SparkSession,
        tables: Tables,
        raw: str,
        found: Mapping[str, StoredFile],
        readings: str,
    ) -> None:
        self.spark, self.tables, self.raw, self.found, self.readings = spark, tables, raw, found, readings
        self.files, self.quarantine = ledger_of(readings), quarantine_of(readings)
        self.ledger = Ledger(stored_entries(tables.rows(self.files)))
        self._started, self._before = time.perf_counter(), tables.version(readings)
        self._numbered = 0

    def plant(self, mapping: PlantMapping, full: bool) -> Plant:
        """What of the raw files is one plant's, and to be read."""
        findings = Findings()
        paths = {self.found[path].name: path for path in self._matching(mapping, findings)}
        files = [self.found[path] for path in paths.values()]
        new: list[RawFile] = []
        for file in self.ledger.to_read(files, mapping, full):
            self._numbered += 1
            new.append(RawFile(self._numbered, paths[file.name], file, mapping))
        return Plant(mapping, len(files), new, findings)

    def merge(self, plants: Sequence[Plant]) -> Merged:
        """Read what is new, merge it, quarantine what is wrong, put down what was read, compact."""
        ship_code(self.spark)
        new, keys = [file for plant in plants for file in plant.new], _numbered_keys(plants)
        parsed = read_files(self.spark, new, keys).persist(StorageLevel.DISK_ONLY)
        findings, entries = self._told(plants, told(parsed))
        readings = latest_readings(self.spark, parsed, keys).persist(StorageLevel.DISK_ONLY)
        moments = readings.count()
        inserted, updated = self.tables.merge_readings(self.readings, readings) if moments else (0, 0)
        self._store(plants, quarantine_rows(self.spark, parsed, new), findings, entries)
        for rows in (parsed, readings):
            rows.unpersist()
        after = self.tables.version(self.readings)
        upkeep, *_ = map(self.tables.compact, (self.readings, self.files, self.quarantine))
        read = sum(found.readings for found in findings.sensors.values())
        return Merged(
            findings,
            found=sum(plant.found for plant in plants),
            read=len(new),
            inserted=inserted,
            updated=updated,
            duplicates=read - moments,
            quarantine=self.quarantine,
            latest=self.ledger.latest(),
            before=self._before,
            after=after,
            seconds=time.perf_counter() - self._started,
            upkeep=upkeep,
        )

    def _matching(self, mapping: PlantMapping, findings: Findings) -> Iterator[str]:
        """Paths of the plant's files; a file that Spark would never read is told as a problem."""
        for pattern in mapping.files:
            paths = [path for path, file in self.found.items() if fnmatch(file.name, pattern)]
            if not paths:
                findings.problem(mapping.plant_id, pattern, f"matches no file below {self.raw}")
            for path in paths:
                name = self.found[path].name
                if any(part.startswith(("_", ".")) for part in name.split("/")):
                    findings.problem(
                        mapping.plant_id, name, "begins with _ or . and Spark leaves it out: rename it"
                    )
                else:
                    yield path

    def _told(
        self, plants: Sequence[Plant], outcomes: Mapping[int, tuple[FileRead, Findings]]
    ) -> tuple[Findings, list[Entry]]:
        """What the executors came upon, in the order of the files, and what the ledger is to know of them."""
        findings, entries = Findings(), list[Entry]()
        for plant in plants:
            mapping, known = plant.mapping, self.ledger.headers(plant.mapping.plant_id)
            findings.include(plant.findings)
            for file in plant.new:
                if file.number not in outcomes:
                    raise InputError(f"{file.path} went away while it was read: run the merge again")
                done, found = outcomes[file.number]
                findings.include(found)
                compare(file.stored.name, done.kinds, known, mapping, findings)
                if done.readings:
                    known.append(done.kinds)
                entries.append(Entry(mapping.plant_id, file.stored, mapping.digest, done))
            findings.look_for_vanished(mapping.plant_id, mapping.circuits)
        return findings, entries

    def _store(
        self, plants: Sequence[Plant], bad: DataFrame, findings: Findings, entries: Sequence[Entry]
    ) -> None:
        """The quarantine, then the ledger: a run that dies before it is done again."""
        for plant in plants:
            names = [file.stored.name for file in plant.new]
            self.tables.forget(self.quarantine, plant.mapping.plant_id, names)
        if findings.reasons:
            self.tables.append(self.quarantine, bad)
        if entries:
            self.tables.put_files(self.files, stored_rows(self.spark, entries))
            self.ledger.add(entries)


@cache
def ship_code(spark: SparkSession) -> TemporaryDirectory[str]:
    """Give the executors the modules that read raw files: a job's own folder is the driver's alone.

    Executors come and fetch the archive when they start: it lies in the folder that is returned until Python ends.
    """
    folder = TemporaryDirectory()
    code = Path(folder.name, "code")
    for package in (etl, shared):
        source = Path(_file(package)).parent
        shutil.copytree(source, code / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for module in (arrow_parquet, raw_reading):
        shutil.copy(_file(module), code)
    spark.sparkContext.addPyFile(shutil.make_archive(f"{folder.name}/etl_code", "zip", code))
    return folder


def _file(module: ModuleType) -> str:
    if module.__file__ is None:
        raise ImportError(f"{module.__name__} lies in no file", name=module.__name__)
    return module.__file__


def _numbered_keys(plants: Sequence[Plant]) -> dict[Key, int]:
    """The sensors of all plants, numbered: rows carry the number."""
    keys = [
        (plant.mapping.plant_id, circuit, sensor)
        for plant in plants
        for circuit, sensors in plant.mapping.circuits.items()
        for sensor in sensors
    ]
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    add = parser.add_argument
    add("--mapping", required=True, metavar="YAML", help="which columns are which circuits' sensors")
    add("--raw", required=True, metavar="URI", help="abfss:// URI of the raw files")
    add("--readings", required=True, metavar="URI", help="abfss:// URI of the Delta table")
    add("--report", required=True, metavar="JSON", help="output: what was read, merged and quarantined")
    add("--full", choices=("true", "false"), default="false", help="read files that were merged before, too")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
