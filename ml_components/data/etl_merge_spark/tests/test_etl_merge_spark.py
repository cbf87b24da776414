"""The Spark twin, on a local Spark: every case of the shared table, and the same report as etl_merge word for word."""

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from case_files import assert_reported, load_cases
from etl.merge_report import Upkeep
from shared.errors import InputError

CASES = load_cases()
MAPPING = {"plant_id": "PLANT1", "file": "*", "time": "at", "circuits": {"C1": ["a", "b"]}}
ETL_MERGE = Path(__file__).parents[2] / "etl_merge" / "src" / "etl_merge.py"
OWN = ("merged_at", "seconds")


def lines(*rows: str) -> dict[str, Any]:
    return {"lines": ["at,a,b", *rows]}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(twin: Any, case: dict[str, Any]) -> None:
    report: dict[str, Any] = {}
    for step, files in enumerate(case["merges"]):
        twin.write(files, step)
        report = twin.merge(case["mapping"])
    assert twin.rows() == case["table"]
    assert twin.quarantine() == case.get("quarantine", [])
    assert_reported(case, report)


def test_a_repeat_reads_nothing_and_changes_nothing(twin: Any) -> None:
    twin.write({"x.csv": lines("2025-01-02 03:00:00,1,x")})
    first = twin.merge(MAPPING)
    before = twin.rows(), twin.quarantine(), twin.version()
    again = twin.merge(MAPPING)
    assert again["files"] == {"found": 1, "read": 0, "unchanged": 1}
    assert (twin.rows(), twin.quarantine(), twin.version()) == before
    assert again["latest"] == first["latest"] == {"PLANT1/C1": "2025-01-02T03:00:00+00:00"}


def test_full_reads_all_and_changes_no_row(twin: Any) -> None:
    twin.write({"x.csv": lines("2025-01-02 03:00:00,1,x"), "y.csv": lines("2025-01-02 04:00:00,2,2")})
    twin.merge(MAPPING)
    before = twin.rows(), twin.quarantine()
    report = twin.merge(MAPPING, "--full", "true")
    assert report["files"]["read"] == 2
    assert report["merged"]["unchanged"] == 4
    assert (twin.rows(), twin.quarantine()) == before


def test_one_file_may_be_two_plants(twin: Any) -> None:
    twin.write({"x.csv": lines("2025-01-02 03:00:00,1,2")})
    report = twin.merge([MAPPING, MAPPING | {"plant_id": "PLANT2", "circuits": {"C9": ["b"]}}])
    assert report["files"]["read"] == 2
    assert [row[:2] for row in twin.rows()] == [["C1", "a"], ["C1", "b"], ["C9", "b"]]


def test_the_report_names_the_version_of_the_merge_not_of_the_upkeep(
    twin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deltalake import DeltaTable
    from local_spark import DeltaRsTables

    def compact(_: Any, table: str) -> Upkeep:
        done = DeltaTable(table).optimize.compact() if DeltaTable.is_deltatable(table) else {}
        return Upkeep(done.get("numFilesRemoved", 0), done.get("numFilesAdded", 0))

    twin.write({"x.csv": lines("2025-01-02 03:00:00,1,2")})
    twin.merge(MAPPING)
    twin.write({"y.csv": lines("2025-01-02 04:00:00,1,2")}, step=1)
    monkeypatch.setattr(DeltaRsTables, "compact", compact)
    report = twin.merge(MAPPING)
    assert report["delta_version"] == {"before": 0, "after": 1}
    assert report["upkeep"]["compacted"] == 2
    assert twin.version() == 2


def test_names_that_mean_something_to_spark(twin: Any) -> None:
    names = ["a [1].csv", "{b}.csv", "T °C %20.csv"]
    twin.write({name: lines(f"2025-01-02 0{hour}:00:00,1,2") for hour, name in enumerate(names)})
    twin.write({"_hidden.csv": lines("2025-01-02 09:00:00,1,2"), "empty.csv": {"text": ""}})
    report = twin.merge(MAPPING)
    assert [row[2][11:13] for row in twin.rows()] == ["00", "01", "02"] * 2
    assert {problem["file"]: problem["reason"] for problem in report["problems"]} == {
        "_hidden.csv": "begins with _ or . and Spark leaves it out: rename it",
        "empty.csv": "is empty",
    }


def test_nothing_to_read_is_an_error_that_says_why(twin: Any) -> None:
    with pytest.raises(InputError, match=rf"matches no file below {twin.folder}/raw"):
        twin.merge(MAPPING)
    assert twin.report()["files"]["found"] == 0
    assert twin.version() is None


def test_a_mapping_that_is_not_there_is_named(twin: Any) -> None:
    arguments = twin.arguments(MAPPING)
    (twin.folder / "mapping.yaml").unlink()
    twin.arguments = lambda *_: arguments
    with pytest.raises(InputError, match=r"mapping\.yaml does not exist"):
        twin.merge(MAPPING)


# --- beside etl_merge itself ------------------------------------------------------------------------------


def some_files(seed: int) -> dict[str, Any]:
    """Five files that contradict each other, with gaps and bad cells, two of them written at the same time."""
    chance = random.Random(seed)  # noqa: S311 - made-up rows guard no secret
    cells = ["", "NA", "1", "2", "3", "bad", "inf"]

    def row() -> str:
        moment = f"2025-01-0{chance.randint(1, 3)} 0{chance.randint(0, 3)}:00:00"
        return f"{moment},{chance.choice(cells)},{chance.choice(cells)}"

    days = [1, 2, 3, 3, 4]
    chance.shuffle(days)
    return {
        f"{k}.csv": {"written": f"2025-02-0{day}", **lines(*(row() for _ in range(8)))}
        for k, day in enumerate(days)
    }


def etl_merge(twin: Any) -> dict[str, Any]:
    """The report of etl_merge on a twin's folder, in the training environment."""
    python = os.environ.get("TRAINING_PYTHON")
    if not python:
        pytest.skip("TRAINING_PYTHON names no training environment: make test-spark does")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [python, str(ETL_MERGE), *twin.arguments(MAPPING)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return twin.report()


@pytest.mark.parametrize("seed", range(3))
def test_tables_and_reports_are_etl_merges(make_twin: Any, seed: int) -> None:
    one, other = make_twin("spark"), make_twin("etl_merge")
    files = some_files(seed)
    for part in (list(files)[:3], list(files)[3:]):
        for folder in (one, other):
            folder.write({name: files[name] for name in part})
        by_spark, by_etl_merge = one.merge(MAPPING), etl_merge(other)
        for report in (by_spark, by_etl_merge):
            report["quarantined"]["table"] = Path(report["quarantined"]["table"]).name
        assert {key: by_spark[key] for key in by_spark if key not in OWN} == {
            key: by_etl_merge[key] for key in by_etl_merge if key not in OWN
        }
    assert one.rows() == other.rows()
    assert one.quarantine() == other.quarantine()


def test_etl_merge_takes_over_where_spark_left_off_and_the_other_way_round(twin: Any) -> None:
    files = some_files(7)
    names = sorted(files, key=lambda name: (files[name]["written"], name))
    twin.write({name: files[name] for name in names[:3]})
    twin.merge(MAPPING)
    before = twin.version()
    assert etl_merge(twin)["files"] == {"found": 3, "read": 0, "unchanged": 3}
    assert twin.version() == before
    twin.write({name: files[name] for name in names[3:]})
    assert etl_merge(twin)["files"] == {"found": 5, "read": 2, "unchanged": 3}
    again = twin.merge(MAPPING)
    assert again["files"] == {"found": 5, "read": 0, "unchanged": 5}
    assert json.dumps(again["latest"]) == json.dumps(twin.merge(MAPPING, "--full", "true")["latest"])
