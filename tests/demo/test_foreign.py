"""Other people's CSV files: what is found in them, what is said about them, and that nothing breaks on them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.foreign import group, infer_frequency, plant_ids, read_folder
from demo.plan import Findings, Plant
from demo.tables import UnusableError, read_readings

START = datetime(2024, 3, 1, tzinfo=UTC)
PRSA = Path(__file__).resolve().parents[3] / "shared" / "data" / "prsa"


def rows(days: int = 30, minutes: int = 60) -> list[list[str]]:
    count = days * 24 * 60 // minutes
    return [
        [
            (START + timedelta(minutes=minutes * index)).strftime("%Y-%m-%d %H:%M:%S"),
            f"{index * 7 % 24}",
            f"{index % 11}.5",
        ]
        for index in range(count)
    ]


def write(path: Path, header: str, body: list[list[str]], delimiter: str = ",") -> Path:
    path.write_text("\n".join([header, *(delimiter.join(cells) for cells in body)]) + "\n")
    return path


def read_one(folder: Path, mapping: str | None = None) -> tuple[Plant, list[str]]:
    findings = Findings()
    path = None
    if mapping is not None:
        path = folder / "mapping.yaml"
        path.write_text(mapping)
    (plant,) = read_folder(folder, path, findings)
    return plant, [str(finding) for finding in findings.all]


def test_a_plain_file(tmp_path: Path) -> None:
    write(tmp_path / "mill.csv", "time,flow,heat", rows())
    plant, findings = read_one(tmp_path)
    assert (plant.plant_id, plant.time_columns, plant.frequency_minutes) == ("MILL", ("time",), 60)
    assert (plant.cutoff_date, plant.training_days, plant.rows) == (date(2024, 3, 30), 30, 720)
    assert [group.sensors for group in plant.circuits] == [("flow", "heat")]
    assert findings == []


@pytest.mark.parametrize(
    ("header", "time", "columns"),
    [
        ("Date,a", lambda t: t.strftime("%Y-%m-%dT%H:%MZ"), ("Date",)),
        ("when,a", lambda t: t.strftime("%Y-%m-%d %H:%M:%S"), ("when",)),
        ("ts,a", lambda t: t.isoformat(), ("ts",)),
        (
            "Year,MONTH,day,hour,a",
            lambda t: f"{t.year},{t.month},{t.day},{t.hour}",
            ("Year", "MONTH", "day", "hour"),
        ),
        (
            "year,month,day,hour,minute,a",
            lambda t: f"{t.year},{t.month},{t.day},{t.hour},{t.minute}",
            ("year", "month", "day", "hour", "minute"),
        ),
    ],
)
def test_time_columns(tmp_path: Path, header: str, time: object, columns: tuple[str, ...]) -> None:
    assert callable(time)
    body = [[time(START + timedelta(hours=index)), f"{index * 7 % 24}"] for index in range(30 * 24)]
    write(tmp_path / "p.csv", header, body)
    plant, _ = read_one(tmp_path)
    assert plant.time_columns == columns


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    write(tmp_path / "p.csv", delimiter.join(["time", "a", "b"]), rows(), delimiter)
    assert read_one(tmp_path)[0].circuits[0].sensors == ("a", "b")


@pytest.mark.parametrize(
    ("line", "cells", "said"),
    [
        (10, ["2024-03-01 08:00:00", "1"], "p.csv:10: 2 cells where the header has 3"),
        (10, ["2024-03-01 08:00:00", "1", "2", "3"], "p.csv:10: 4 cells where the header has 3"),
        (10, ["yesterday", "1", "2"], "p.csv:10:time: 'yesterday' is not a time"),
        (10, ["2024-03-01 08:00:00", "1", "broken"], "p.csv:10:b: 'broken' is not a number"),
        (10, ["2024-03-01 08:00:00", " ", "2"], "p.csv:10:a: ' ' is not a number"),
        (10, ["2024-03-01 08:00:00", "inf", "2"], "p.csv:10:a: 'inf' is not a number"),
        (10, ["2024-03-01 09:00:00", "1", "2"], "p.csv:10: the time 2024-03-01T09:00:00 comes again"),
    ],
)
def test_faults_are_named_by_line_and_column(tmp_path: Path, line: int, cells: list[str], said: str) -> None:
    body = rows()
    body[line - 2] = cells
    write(tmp_path / "p.csv", "time,a,b", body)
    plant, findings = read_one(tmp_path)
    assert plant.rows >= 718
    assert [finding for finding in findings if finding.startswith(said)], findings


def test_many_faults_of_a_kind_are_counted(tmp_path: Path) -> None:
    body = rows()
    for cells in body[:50]:
        cells[1] = "off"
    write(tmp_path / "p.csv", "time,a,b", body)
    _, findings = read_one(tmp_path)
    assert len(findings) == 6
    assert findings[-1] == "p.csv:a: 45 more of the kind: cells that are not numbers"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("wind", ["NNW"], "is no column of numbers (such as 'NNW')"),
        ("rain", ["0"] * 24 + ["1"], "stands at 0 for 96%"),
        ("empty", ["", "NA"], "is no column of numbers"),
        ("gaps", ["", "", "", "1", "2", "3", "", ""], "is missing in"),
    ],
)
def test_columns_that_are_no_sensors(tmp_path: Path, name: str, values: list[str], said: str) -> None:
    body = [[*cells, values[index % len(values)]] for index, cells in enumerate(rows())]
    write(tmp_path / "p.csv", f"time,a,b,{name}", body)
    plant, findings = read_one(tmp_path)
    assert plant.circuits[0].sensors == ("a", "b")
    assert findings[0].startswith(f"p.csv:{name}: {said}")


def test_a_column_that_counts_the_rows_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "p.csv", "No,time,a,b", [[str(index), *cells] for index, cells in enumerate(rows())])
    plant, findings = read_one(tmp_path)
    assert plant.circuits[0].sensors == ("a", "b")
    assert findings == ["p.csv:No: counts the rows: left out (a mapping file can put it into a circuit)"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1 is not a header"),
        (b"time,a\n", "has no complete row"),
        (b"\xff\xfe\x00bad", "cannot be read as UTF-8"),
        (b"a,b\n1,2\n3,4\n", "has no time column"),
        (b"Date,b\n03/04/2024,2\n04/04/2024,4\n", "column 'Date' holds '03/04/2024'"),
        (b"time,a,a\n2024-03-01,1,2\n", "names a column twice: 'a'"),
        (b"time,a\n2024-03-01,1\n", "has a single reading"),
        (b"time,a\n2024-03-01 00:00,1\n2024-03-01 01:00,2\n", "full days; at least 21 are needed"),
    ],
)
def test_an_unusable_file_is_reported_and_the_rest_goes_on(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    write(tmp_path / "good.csv", "time,flow,heat", rows())
    plant, findings = read_one(tmp_path)
    assert plant.plant_id == "GOOD"
    assert [finding for finding in findings if finding.startswith("bad.csv: ") and said in finding], findings


def test_nothing_usable_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="is not a folder"):
        read_folder(tmp_path / "nowhere", None, Findings())
    with pytest.raises(UnusableError, match="holds no"):
        read_folder(tmp_path, None, Findings())
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(UnusableError, match="no file could be used: a"):
        read_folder(tmp_path, None, Findings())


def test_a_mapping_makes_the_circuits(tmp_path: Path) -> None:
    write(tmp_path / "mill.csv", "time,flow,heat", rows())
    plant, findings = read_one(tmp_path, "MILL:\n  BOILER: [heat]\n  PUMP: [flow]\n")
    assert [(group.circuit_id, group.sensors) for group in plant.circuits] == [
        ("BOILER", ("heat",)),
        ("PUMP", ("flow",)),
    ]
    assert findings == []


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (
            "MILL:\n  A: [flow]\n  B: [nope]\n",
            "mapping.yaml:3:MILL/B: the plant's file has no column of numbers nope",
        ),
        ("MILL:\n  A: [flow]\n  B-1: [heat]\n", "mapping.yaml:3:MILL/B-1: is no circuit id"),
        ("MILL:\n  A: [flow]\n  B: heat\n", "mapping.yaml:3:MILL/B: expected a list of sensors"),
        ("MILL:\n  A: [flow]\n  B: [heat, heat]\n", "mapping.yaml:3:MILL/B: names a sensor twice"),
    ],
)
def test_a_mistake_in_the_mapping_costs_its_circuit(tmp_path: Path, mapping: str, said: str) -> None:
    write(tmp_path / "mill.csv", "time,flow,heat", rows())
    plant, findings = read_one(tmp_path, mapping)
    assert [group.circuit_id for group in plant.circuits] == ["A"]
    assert findings[0].startswith(said)


@pytest.mark.parametrize("mapping", ["MILL: [", "- MILL\n", "MILL: {A: [flow]}\nMILL: {}\n"])
def test_an_unreadable_mapping_stops(tmp_path: Path, mapping: str) -> None:
    write(tmp_path / "mill.csv", "time,flow,heat", rows())
    with pytest.raises(UnusableError, match=r"mapping.yaml: line \d"):
        read_one(tmp_path, mapping)


@pytest.mark.parametrize(
    ("stems", "ids"),
    [
        (
            ["PRSA_Data_Aotizhongxin_20130301-20170228", "PRSA_Data_Dongsi_20130301-20170228"],
            ["AOTIZHONGXIN", "DONGSI"],
        ),
        (["PRSA_Data_Dongsi_20130301-20170228"], ["PRSADONGSI"]),
        (["plant1", "plant2"], ["PLANT1", "PLANT2"]),
        (["2024", "2025"], ["P2024", "P2025"]),
        (["North_mill-a", "North_mill-b"], ["A", "B"]),
        (["averyveryverylongname1", "averyveryverylongname2"], ["AVERYVERYVERYLON", "AVERYVERYVERYLO2"]),
        (["ä", "ö"], ["P", "P2"]),
    ],
)
def test_plant_ids(stems: list[str], ids: list[str]) -> None:
    assert list(plant_ids(stems)) == ids


@given(st.lists(st.text(max_size=30), max_size=40))
def test_plant_ids_are_always_valid_and_distinct(stems: list[str]) -> None:
    ids = plant_ids(stems)
    assert len(ids) == len(set(ids)) == len(stems)
    assert all(
        1 <= len(name) <= 16 and name.isascii() and name.isalnum() and name[0].isalpha() for name in ids
    )


@given(st.lists(st.text(min_size=1), min_size=1, max_size=40, unique=True))
def test_groups_hold_every_sensor_once(sensors: list[str]) -> None:
    groups = group(sensors)
    assert [sensor for one in groups for sensor in one.sensors] == sensors
    assert all(1 <= len(one.sensors) <= 4 for one in groups)
    assert len({one.circuit_id for one in groups}) == len(groups)


@pytest.mark.parametrize("minutes", [1, 5, 15, 60, 1440])
def test_frequency(minutes: int) -> None:
    times = np.array(
        [
            START.replace(tzinfo=None) + timedelta(minutes=minutes * index)
            for index in (0, 1, 2, 3, 9, 10, 11)
        ],
        "datetime64[s]",
    )
    assert infer_frequency(times) == minutes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400) | st.text(alphabet='time,;\n"2024-1: \x00aNé', max_size=200).map(str.encode))
def test_whatever_the_bytes_the_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wild.csv"
    path.write_bytes(content)
    findings = Findings()
    try:
        readings = read_readings(path, findings)
    except UnusableError:
        return
    assert all(len(column.values) == len(readings.times) for column in readings.columns)


def test_the_real_stations_go_through(tmp_path: Path) -> None:
    if not PRSA.is_dir():
        pytest.skip(f"{PRSA} is not there: real data lies outside the repository")
    findings = Findings()
    plants = read_folder(PRSA, None, findings)
    assert [plant.plant_id for plant in plants] == ["AOTIZHONGXIN", "CHANGPING", "DINGLING", "DONGSI"]
    for plant in plants:
        assert plant.time_columns == ("year", "month", "day", "hour")
        assert (plant.cutoff_date, plant.training_days, plant.frequency_minutes) == (
            date(2017, 2, 28),
            365,
            60,
        )
        assert [len(group.sensors) for group in plant.circuits] == [4, 3, 3]
    problems = [str(finding) for finding in findings.all if not finding.note]
    assert problems == [
        "PRSA_Data_Aotizhongxin_20130301-20170228.csv:76:SO2: ' ' is not a number; taken as missing"
    ]
    noted = {finding.column for finding in findings.all if finding.note}
    assert noted == {"No", "wd", "station", "RAIN"}
