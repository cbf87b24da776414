"""etl_merge: bad cells are reported and go no further, a repeat changes nothing, a correction does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deltalake import DeltaTable, QueryBuilder
from mapping import load_mappings
from shared.errors import InputError

SCRIPT = Path(__file__).parents[1] / "src" / "etl_merge.py"
PARTS = {
    "plant_id": "PLANT1",
    "file": "*.csv",
    "time": ["year", "month", "day", "hour"],
    "circuits": {"C1": ["a", "b"]},
}
ISO = PARTS | {"time": "at"}


class Plant:
    """A folder of raw files and the table they are merged into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "raw").mkdir()

    def write(self, name: str, *lines: str) -> None:
        (self.folder / "raw" / name).write_text("\n".join(lines) + "\n")

    def merge(self, mapping: Any = ISO) -> subprocess.CompletedProcess[str]:
        (self.folder / "mapping.yaml").write_text(yaml.safe_dump(mapping))
        places = {
            "mapping": "mapping.yaml",
            "raw": "raw",
            "readings": "readings",
            "report": "report.json",
            "rejects": "rejects.json",
        }
        flags = [part for name, path in places.items() for part in (f"--{name}", str(self.folder / path))]
        return subprocess.run(
            [sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, check=False
        )

    def document(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / f"{name}.json").read_text())

    def rows(self) -> list[tuple[Any, ...]]:
        table = DeltaTable(str(self.folder / "readings"))
        query = "SELECT circuit_id, sensor, time, value FROM r ORDER BY 1, 2, 3"
        found = QueryBuilder().register("r", table).execute(query).read_all()
        return [
            (circuit, sensor, time.isoformat(), value)
            for circuit, sensor, time, value in zip(
                *(found.column(n).to_pylist() for n in found.column_names), strict=True
            )
        ]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def test_time_parts_gaps_and_a_stray_blank(plant: Plant) -> None:
    plant.write(
        "x.csv",
        "year,month,day,hour,a,b,wd",
        "2025,1,2,3,1.5,NA,NNW",
        '2025,1,2,4," ",2,N',
        "2025,1,2,5,,inf,N",
    )
    assert plant.merge(PARTS).returncode == 0
    assert plant.rows() == [
        ("C1", "a", "2025-01-02T03:00:00+00:00", 1.5),
        ("C1", "a", "2025-01-02T04:00:00+00:00", None),
        ("C1", "a", "2025-01-02T05:00:00+00:00", None),
        ("C1", "b", "2025-01-02T03:00:00+00:00", None),
        ("C1", "b", "2025-01-02T04:00:00+00:00", 2.0),
        ("C1", "b", "2025-01-02T05:00:00+00:00", None),
    ]
    assert plant.document("rejects")["rejects"] == [
        {"file": "x.csv", "line": 3, "column": "a", "value": " ", "reason": "is no number"},
        {"file": "x.csv", "line": 4, "column": "b", "value": "inf", "reason": "is not finite"},
    ]
    report = plant.document("report")
    assert (report["rows_read"], report["gaps"], report["rejected"]) == (3, 2, 2)
    assert report["rows_per_circuit"] == {"PLANT1/C1": 3}
    assert report["delta_version"] == {"before": None, "after": 0}


def test_a_repeat_leaves_the_same_rows_and_no_new_version(plant: Plant) -> None:
    plant.write("x.csv", "at,a,b", "2025-01-02T03:00:00,1,2", "2025-01-02T04:00:00,NA,4")
    plant.merge()
    before = plant.rows()
    assert plant.merge().returncode == 0
    assert plant.rows() == before
    assert plant.document("report")["merged"] == {"inserted": 0, "updated": 0}
    assert plant.document("report")["delta_version"] == {"before": 0, "after": 0}


def test_new_rows_are_inserted_corrections_update_and_gaps_erase_nothing(plant: Plant) -> None:
    plant.write("x.csv", "at,a,b", "2025-01-02 03:00:00,1,2", "2025-01-02 04:00:00,3,4")
    plant.merge()
    plant.write("x.csv", "at,a,b", "2025-01-02 03:00:00,9,NA", "2025-01-02 05:00:00,5,6")
    plant.merge()
    assert plant.document("report")["merged"] == {"inserted": 2, "updated": 1}
    assert [row[3] for row in plant.rows()] == [9, 3, 5, 2, 4, 6]


def test_within_the_files_the_later_value_holds_and_is_counted(plant: Plant) -> None:
    plant.write("a.csv", "at,a,b", "2025-01-02 03:00:00,1,2", "2025-01-02 03:00:00,7,NA")
    plant.write("b.csv", "at,a,b", "2025-01-02 03:00:00,8,NA")
    assert plant.merge().returncode == 0
    assert [row[3] for row in plant.rows()] == [8, 2]
    assert plant.document("report")["duplicates"] == 4


@pytest.mark.parametrize(
    ("changes", "cell", "expected"),
    [
        ({}, "2025-01-02T03:00:00+01:00", "2025-01-02T02:00:00+00:00"),
        ({"timezone": "Europe/Berlin"}, "2025-07-02 03:00", "2025-07-02T01:00:00+00:00"),
        ({"time_format": "%d.%m.%Y %H:%M"}, "02.01.2025 03:00", "2025-01-02T03:00:00+00:00"),
        (
            {"delimiter": ";", "circuits": {"C1": {"pump": "a", "valve": "b"}}},
            "2025-01-02",
            "2025-01-02T00:00:00+00:00",
        ),
    ],
)
def test_times_are_read_as_the_mapping_says(
    plant: Plant, changes: dict[str, Any], cell: str, expected: str
) -> None:
    between = changes.get("delimiter", ",")
    plant.write("x.csv", between.join(["at", "a", "b"]), between.join([cell, "1", "2"]))
    assert plant.merge(ISO | changes).returncode == 0
    assert {row[2] for row in plant.rows()} == {expected}


def test_what_is_missing_is_reported_and_the_rest_goes_on(plant: Plant) -> None:
    plant.write("good.csv", "at,a,b", "2025-01-02 03:00:00,1,2", "yesterday,1,2", "2025-01-02 04:00:00,5")
    plant.write("no_time.csv", "when,a,b", "2025-01-02,1,2")
    plant.write("no_b.csv", "at,a,c", "2025-01-03 03:00:00,1,2")
    (plant.folder / "raw" / "binary.csv").write_bytes(b"at,a,b\n\xff\xfe,1,2\n")
    mapping = ISO | {"circuits": {"C1": ["a", "b"], "C2": ["a"]}}
    assert plant.merge(mapping).returncode == 0
    found = {
        (p["file"], p["line"], p["column"], p["circuit_id"]) for p in plant.document("report")["problems"]
    }
    assert found == {
        ("no_time.csv", 1, "at", None),
        ("no_b.csv", 1, "b", "C1"),
        ("binary.csv", 2, None, None),
    }
    assert [(r["line"], r["reason"]) for r in plant.document("rejects")["rejects"]] == [
        (3, "is no time"),
        (4, "the line has 2 cells, the header 3"),
    ]
    assert len(plant.rows()) == 4


def test_the_list_of_rejects_is_short_and_their_count_is_right(plant: Plant) -> None:
    plant.write("x.csv", "at,a,b", *(f"2025-01-02 03:00:{k % 60:02},x,{k}" for k in range(1200)))
    plant.merge()
    rejects = plant.document("rejects")
    assert (rejects["total"], rejects["listed"], len(rejects["rejects"])) == (1200, 1000, 1000)


def test_nothing_to_read_exits_2_and_says_why(plant: Plant) -> None:
    done = plant.merge()
    assert done.returncode == 2
    assert "matches no file" in done.stderr
    assert not (plant.folder / "readings").exists()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ([3], "plant 1: must be a YAML mapping"),
        (ISO | {"columns": []}, "columns is not known"),
        ({"plant_id": "P"}, "file is missing"),
        (ISO | {"time": ["day", "month"]}, "time must be one column"),
        (ISO | {"timezone": "Mars/Olympus"}, "timezone 'Mars/Olympus' is not known"),
        (ISO | {"circuits": {"C1": "a"}}, "circuits.C1 must list sensors"),
        ([ISO, ISO | {"circuits": ["a"]}], "plant 2: circuits must map"),
    ],
)
def test_a_wrong_mapping_names_plant_and_key(tmp_path: Path, mapping: Any, message: str) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(yaml.safe_dump(mapping))
    with pytest.raises(InputError, match=message):
        load_mappings(file)
