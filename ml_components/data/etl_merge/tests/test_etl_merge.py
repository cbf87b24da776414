"""etl_merge: the shared cases; repeats, arrival orders and restarts change nothing; pinned versions stay readable."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import etl_merge
import pytest
import yaml
from case_files import assert_reported, load_cases, write_step
from deltalake import DeltaTable, QueryBuilder
from etl.mapping import load_mappings
from shared.errors import InputError

CASES = load_cases()
SCRIPT = Path(__file__).parents[1] / "src" / "etl_merge.py"
MAPPING = {"plant_id": "PLANT1", "file": "*", "time": "at", "circuits": {"C1": ["a", "b"]}}


class Plant:
    """A folder of raw files and the table they are merged into."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, monkeypatch
        (folder / "raw").mkdir(parents=True)

    def write(self, files: dict[str, Any], step: int = 0) -> None:
        write_step(self.folder / "raw", files, step)

    def arguments(self, mapping: Any, *flags: str) -> list[str]:
        (self.folder / "mapping.yaml").write_text(yaml.safe_dump(mapping))
        places = {"mapping": "mapping.yaml", "raw": "raw", "readings": "readings", "report": "report.json"}
        given = [part for name, path in places.items() for part in (f"--{name}", str(self.folder / path))]
        return [str(SCRIPT), *given, *flags]

    def merge(self, *flags: str, mapping: Any = MAPPING) -> dict[str, Any]:
        self._patch.setattr(sys, "argv", self.arguments(mapping, *flags))
        etl_merge.main()
        return json.loads((self.folder / "report.json").read_text())

    def version(self, table: str = "readings") -> int:
        return DeltaTable(str(self.folder / table)).version()

    def select(self, table: str, columns: str, version: int | None = None) -> list[list[Any]]:
        place = str(self.folder / table)
        if not DeltaTable.is_deltatable(place):
            return []
        order = ", ".join(str(number + 1) for number in range(columns.count(",") + 1))
        query = f"SELECT {columns} FROM t ORDER BY {order}"  # noqa: S608 - the test's own columns
        found = QueryBuilder().register("t", DeltaTable(place, version=version)).execute(query).read_all()
        return [
            list(row) for row in zip(*(found.column(n).to_pylist() for n in found.column_names), strict=True)
        ]

    def rows(self, version: int | None = None) -> list[list[Any]]:
        found = self.select("readings", "circuit_id, sensor, time, value", version)
        return [
            [circuit, sensor, f"{time:%Y-%m-%d %H:%M:%S}", value] for circuit, sensor, time, value in found
        ]

    def quarantine(self) -> list[list[Any]]:
        return self.select("readings_quarantine", 'file, line, "column", value, reason')


@pytest.fixture
def make_plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Plant]:
    return lambda name: Plant(tmp_path / name, monkeypatch)


@pytest.fixture
def plant(make_plant: Callable[[str], Plant]) -> Plant:
    return make_plant("plant")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(plant: Plant, case: dict[str, Any]) -> None:
    report: dict[str, Any] = {}
    for step, files in enumerate(case["merges"]):
        plant.write(files, step)
        report = plant.merge(mapping=case["mapping"])
    assert plant.rows() == case["table"]
    assert plant.quarantine() == case.get("quarantine", [])
    assert_reported(case, report)


# --- repeats, arrivals, restarts --------------------------------------------------------------------------


def lines(*rows: str) -> dict[str, Any]:
    return {"lines": ["at,a,b", *rows]}


def test_a_repeat_reads_nothing_and_changes_nothing(plant: Plant) -> None:
    plant.write({"x.csv": lines("2025-01-02 03:00:00,1,x")})
    first = plant.merge()
    before = plant.rows(), plant.quarantine(), plant.version()
    again = plant.merge()
    assert again["files"] == {"found": 1, "read": 0, "unchanged": 1}
    assert (plant.rows(), plant.quarantine(), plant.version()) == before
    assert again["delta_version"] == {"before": 0, "after": 0}
    assert again["latest"] == first["latest"] == {"PLANT1/C1": "2025-01-02T03:00:00+00:00"}


def test_full_reads_all_and_changes_no_row(plant: Plant) -> None:
    plant.write({"x.csv": lines("2025-01-02 03:00:00,1,x"), "y.csv": lines("2025-01-02 04:00:00,2,2")})
    plant.merge()
    before = plant.rows(), plant.quarantine(), plant.version()
    report = plant.merge("--full", "true")
    assert report["files"]["read"] == 2
    assert report["merged"]["unchanged"] == 4
    assert (plant.rows(), plant.quarantine(), plant.version()) == before


def test_another_mapping_reads_the_plants_files_again(plant: Plant) -> None:
    plant.write({"x.csv": lines("2025-01-02 03:00:00,1,2")})
    plant.merge()
    report = plant.merge(mapping=MAPPING | {"circuits": {"C1": ["a", "b"], "C2": ["b"]}})
    assert report["files"]["read"] == 1
    assert [row[:2] for row in plant.rows()] == [["C1", "a"], ["C1", "b"], ["C2", "b"]]


def test_one_plants_new_file_does_not_make_another_plants_be_read(plant: Plant) -> None:
    both = [MAPPING | {"file": "1-*"}, MAPPING | {"plant_id": "PLANT2", "file": "2-*"}]
    plant.write({"1-a.csv": lines("2025-01-02 03:00:00,1,2"), "2-a.csv": lines("2025-01-02 03:00:00,1,2")})
    plant.merge(mapping=both)
    plant.write({"1-b.csv": lines("2025-01-02 04:00:00,1,2")}, step=1)
    assert plant.merge(mapping=both)["files"] == {"found": 3, "read": 1, "unchanged": 2}


def some_files(seed: int) -> dict[str, Any]:
    """Five files that contradict each other, with gaps, written at times of their own (two at the same)."""
    chance = random.Random(seed)  # noqa: S311 - made-up rows guard no secret
    cells = ["", "NA", "1", "2", "3", "bad"]

    def row() -> str:
        moment = f"2025-01-0{chance.randint(1, 3)} 0{chance.randint(0, 3)}:00:00"
        return f"{moment},{chance.choice(cells)},{chance.choice(cells)}"

    days = [1, 2, 3, 3, 4]
    chance.shuffle(days)
    return {
        f"{k}.csv": {"written": f"2025-02-0{day}", **lines(*(row() for _ in range(8)))}
        for k, day in enumerate(days)
    }


@pytest.mark.parametrize("seed", range(6))
def test_however_files_arrive_and_however_small_the_batches_the_table_is_the_same(
    make_plant: Callable[[str], Plant], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    files = some_files(seed)
    at_once = make_plant("at-once")
    at_once.write(files)
    at_once.merge()

    one_by_one, names = make_plant("one-by-one"), list(files)
    random.Random(seed + 100).shuffle(names)  # noqa: S311 - made-up rows guard no secret
    monkeypatch.setattr("merging.Merge.__init__.__defaults__", (5,))
    monkeypatch.setattr("etl.raw_text.LINES", 3)
    for name in names:
        one_by_one.write({name: files[name]})
        one_by_one.merge()

    assert one_by_one.rows() == at_once.rows()
    assert one_by_one.quarantine() == at_once.quarantine()


def test_killed_between_two_batches_the_next_run_ends_as_if_never_killed(
    make_plant: Callable[[str], Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = some_files(1)
    whole, killed = make_plant("whole"), make_plant("killed")
    for one in (whole, killed):
        one.write(files)
    whole.merge()
    with monkeypatch.context() as patch:
        patch.setattr("merging.Merge.__init__.__defaults__", (5,))
        merges: list[Any] = []
        real = etl_merge.Merge.flush

        def dying(self: Any) -> None:
            merges.append(real(self))
            if len(merges) == 3:
                raise KeyboardInterrupt

        patch.setattr(etl_merge.Merge, "flush", dying)
        with pytest.raises(KeyboardInterrupt):
            killed.merge()
    assert killed.rows() != whole.rows()
    killed.merge()
    assert killed.rows() == whole.rows()
    assert killed.quarantine() == whole.quarantine()


def test_every_reading_is_accounted_for(plant: Plant) -> None:
    plant.write({"x.csv": lines("2025-01-02 03:00:00,1,2", "2025-01-02 03:00:00,1,3")})
    plant.merge()
    plant.write({"y.csv": lines("2025-01-02 03:00:00,1,9", "2025-01-03 03:00:00,,x")}, step=1)
    merged = plant.merge()["merged"]
    assert merged == {"readings": 4, "inserted": 2, "updated": 1, "duplicates": 0, "unchanged": 1}


def test_a_constant_sensor_is_remarked(plant: Plant) -> None:
    plant.write({"x.csv": lines(*(f"2025-01-02 {hour:02}:00:00,5,{hour}" for hour in range(24)))})
    sensors = plant.merge()["sensors"]
    assert sensors["PLANT1/C1/a"]["remark"] == "constant at 5"
    latest = "2025-01-02T23:00:00+00:00"
    told = {"readings": 24, "missing": 0, "minimum": 0.0, "maximum": 23.0, "latest": latest, "remark": ""}
    assert sensors["PLANT1/C1/b"] == told


# --- upkeep -----------------------------------------------------------------------------------------------


def test_many_small_files_become_few_and_pinned_versions_stay_readable(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upkeep.SMALLEST_HISTORY_DAYS", 0)
    seen: dict[int, list[Any]] = {}
    for step in range(8):
        plant.write({f"{step}.csv": lines(f"2025-01-02 0{step}:00:00,{step},{step}")}, step)
        plant.merge()
        seen[plant.version()] = plant.rows()
    pinned = 4
    plant.write({"8.csv": lines("2025-01-02 08:00:00,8,8")}, 8)
    report = plant.merge("--pinned_versions", f"{pinned},9999", "--history_days", "0")
    assert report["upkeep"]["compacted"] == 9
    assert report["upkeep"]["vacuumed"] > 0
    assert report["upkeep"]["pinned"] == [pinned]
    assert plant.rows(pinned) == seen[pinned]
    assert len(plant.rows()) == 18
    with pytest.raises(Exception, match="not found"):
        plant.rows(pinned + 1)


def test_without_a_word_on_pins_nothing_is_deleted(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upkeep.SMALLEST_HISTORY_DAYS", 0)
    monkeypatch.setattr("upkeep.FILES_A_PARTITION", 1)
    for step in range(3):
        plant.write({f"{step}.csv": lines(f"2025-01-02 0{step}:00:00,{step},{step}")}, step)
        report = plant.merge("--history_days", "0")
    assert report["upkeep"]["vacuumed"] == 0
    assert [len(plant.rows(version)) for version in range(3)] == [2, 4, 4]


def test_a_run_without_anything_to_delete_writes_no_version(plant: Plant) -> None:
    plant.write({"x.csv": lines("2025-01-02 03:00:00,1,2")})
    report = plant.merge("--pinned_versions", "none")
    assert report["delta_version"] == {"before": None, "after": 0}
    assert plant.version() == 0


@pytest.mark.parametrize(("flags", "message"), [
    (("--pinned_versions", "3;4"), "must read `3,12` or `none`"),
    (("--history_days", "1", "--pinned_versions", "none"), "must be at least 7"),
])  # fmt: skip
def test_a_wrong_upkeep_is_refused(plant: Plant, flags: Sequence[str], message: str) -> None:
    plant.write({"x.csv": lines("2025-01-02 03:00:00,1,2")})
    with pytest.raises(InputError, match=message):
        plant.merge(*flags)


# --- the command ------------------------------------------------------------------------------------------


def test_nothing_to_read_exits_2_and_says_why(plant: Plant) -> None:
    command = [sys.executable, *plant.arguments(MAPPING)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "matches no file" in done.stderr
    assert not (plant.folder / "readings").exists()


def test_it_runs_as_a_job_runs_it(plant: Plant) -> None:
    plant.write({"x.csv": lines("2025-01-02 03:00:00,1,2")})
    command = [sys.executable, *plant.arguments(MAPPING)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"inserted": 2' in done.stdout


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ([3], "plant 1: must be a YAML mapping"),
        (MAPPING | {"columns": []}, "columns is not known"),
        ({"plant_id": "P"}, "file is missing"),
        (MAPPING | {"time": ["day", "month"]}, "time must be one column"),
        (MAPPING | {"timezone": "Mars/Olympus"}, "timezone 'Mars/Olympus' is not known"),
        (MAPPING | {"circuits": {"C1": "a"}}, "circuits.C1 must list sensors"),
        (MAPPING | {"decimal": "'"}, 'decimal "\'" is none of'),
        ([MAPPING, MAPPING | {"circuits": ["a"]}], "plant 2: circuits must map"),
    ],
)
def test_a_wrong_mapping_names_plant_and_key(tmp_path: Path, mapping: Any, message: str) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(yaml.safe_dump(mapping))
    with pytest.raises(InputError, match=message):
        load_mappings(file)
