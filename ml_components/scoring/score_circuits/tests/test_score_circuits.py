"""score_circuits: days of many circuits from one process, as batch_score scores them one by one; one stops no other."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import END, ROOT, SENSORS, SmallCircuit, signals
from deltalake import DeltaTable, QueryBuilder

SCRIPT = Path(__file__).parents[1] / "src" / "score_circuits.py"
ALONE = ROOT / "scoring" / "batch_score" / "src" / "score.py"
PROGRAM = f"""
import sys, runpy
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
print(sorted({{"tensorflow", "mlflow", "pandas"}} & set(sys.modules)))
"""
DAYS = ("2025-02-26", "2025-02-27", "2025-02-28")
HORIZON = 6
TIMED = ("seconds", "latency_ms", "delta_version", "problem")


@pytest.fixture(scope="module")
def circuit(make_small_circuit: Callable[[np.ndarray], SmallCircuit]) -> SmallCircuit:
    """CIRC1 and CIRC2 in one table of readings; CIRC2 has none on the last day."""
    from shared.delta import merge_readings

    small = make_small_circuit(signals(240))
    values = signals(240, seed=1)[:-24]
    start = END - timedelta(hours=240)
    moments = int(start.timestamp() * 10**6) + np.arange(len(values)) * 3600 * 10**6
    columns = zip(SENSORS, values.T, strict=True)
    merge_readings(
        small.table, {("PLANT1", "CIRC2", sensor): (moments, column) for sensor, column in columns}
    )
    return small


def _wanted(circuit: SmallCircuit, name: str = "CIRC1", **changes: Any) -> dict[str, Any]:
    return {
        "plant_id": "PLANT1",
        "circuit_id": name,
        "circuit_config": circuit.config(circuit_id=name).read_text(),
        "model": "model",
        "model_version": "3",
        "deployment": f"{name.lower()}-v3",
        "days": DAYS,
        **changes,
    }


def _run(program: list[str], flags: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    return subprocess.run([sys.executable, *program, *command], capture_output=True, text=True, check=False)


def _score(
    circuit: SmallCircuit, model: Path, folder: Path, wanted: Any, name: str = "summaries"
) -> subprocess.CompletedProcess[str]:
    (folder / f"{name}-circuits.json").write_text(json.dumps(wanted))
    flags = {
        "circuits": folder / f"{name}-circuits.json",
        "workspace_data": model.parent,
        "sensor_data": circuit.table,
        "forecasts": folder / "forecasts",
        "summaries": folder / f"{name}.json",
    }
    return _run(["-c", PROGRAM], flags)


def _summaries(folder: Path, name: str = "summaries") -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads((folder / f"{name}.json").read_text())
    return {(one["circuit_id"], one["score_date"]): one for one in found}


def _rows(folder: Path) -> list[tuple[Any, ...]]:
    columns = "circuit_id, deployment, issued_at, sensor, time, forecast, lower, upper"
    query = f"SELECT {columns} FROM f ORDER BY 1, 2, 3, 4, 5"  # noqa: S608 no input
    found = QueryBuilder().register("f", DeltaTable(str(folder / "forecasts"))).execute(query).read_all()
    return list(zip(*(found.column(name).to_pylist() for name in found.column_names), strict=True))


def test_every_day_of_every_circuit_is_scored_as_batch_score_does_it(
    circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    together, alone = tmp_path / "together", tmp_path / "alone"
    together.mkdir()
    alone.mkdir()
    wanted = [_wanted(circuit), _wanted(circuit, "CIRC2", days=DAYS[:2], windows=3)]
    done = _score(circuit, trained_model, together, wanted)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
    summaries = _summaries(together)
    assert list(summaries) == [
        ("CIRC1", DAYS[2]),
        *((name, day) for day in reversed(DAYS[:2]) for name in ("CIRC1", "CIRC2")),
    ]
    for (name, day), summary in summaries.items():
        flags = {
            "model": trained_model,
            "circuit_config": circuit.config(circuit_id=name),
            "sensor_data": circuit.table,
            "forecasts": alone / "forecasts",
            "score_date": day,
            "model_version": "3",
            "deployment": f"{name.lower()}-v3",
            "windows": 3 if name == "CIRC2" else 1,
            "summary": alone / "summary.json",
        }
        assert _run([str(ALONE)], flags).returncode == 0
        own = json.loads((alone / "summary.json").read_text())
        kept = {key: value for key, value in summary.items() if key not in TIMED}
        assert kept == {key: value for key, value in own.items() if key not in TIMED}
        assert summary.keys() - own.keys() == {"problem"}
        assert summary["seconds"].keys() == own["seconds"].keys()
    assert _rows(together) == _rows(alone)


def test_a_day_is_one_commit_and_a_repeat_replaces_it(
    circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    wanted = [_wanted(circuit), _wanted(circuit, "CIRC2", days=DAYS[:2])]
    assert _score(circuit, trained_model, tmp_path, wanted).returncode == 0
    first = _rows(tmp_path)
    assert Counter(row[0] for row in first) == {
        "CIRC1": 3 * HORIZON * len(SENSORS),
        "CIRC2": 2 * HORIZON * len(SENSORS),
    }
    assert DeltaTable(str(tmp_path / "forecasts")).version() == len(DAYS) - 1
    assert _score(circuit, trained_model, tmp_path, wanted).returncode == 0
    assert _rows(tmp_path) == first


def test_windows_that_two_days_share_stand_there_once(
    circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    wanted = [_wanted(circuit, days=DAYS[1:], windows=30)]
    assert _score(circuit, trained_model, tmp_path, wanted).returncode == 0
    rows = _rows(tmp_path)
    assert len({row[:5] for row in rows}) == len(rows) == 54 * HORIZON * len(SENSORS)


def test_two_slices_of_the_windows_cover_each_once(
    circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    slices = [
        _wanted(circuit, deployment="green", windows=24, window_share=0.25),
        _wanted(circuit, deployment="blue", windows=24, window_offset=0.25, window_share=0.75),
    ]
    assert _score(circuit, trained_model, tmp_path, slices).returncode == 0
    issued = {name: {row[2] for row in _rows(tmp_path) if row[1] == name} for name in ("green", "blue")}
    assert 0 < len(issued["green"]) < len(issued["blue"])
    assert len(issued["green"]) + len(issued["blue"]) == len(issued["green"] | issued["blue"]) == 72


def test_what_cannot_be_scored_says_why_and_stops_no_other(
    circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    wanted = [
        _wanted(circuit, "CIRC2"),
        _wanted(circuit, "CIRC3", model="gone"),
        _wanted(circuit, "CIRC4", circuit_config="sensors: ["),
        _wanted(circuit, "CIRC5", circuit_config=circuit.config().read_text()),
        _wanted(circuit),
    ]
    done = _score(circuit, trained_model, tmp_path, wanted)
    assert done.returncode == 0, done.stderr
    summaries = _summaries(tmp_path)
    assert len(summaries) == len(wanted) * len(DAYS)
    problems = {place: one["problem"] for place, one in summaries.items() if one["problem"]}
    assert f"no reading of PLANT1/CIRC2 on {DAYS[2]}" in problems["CIRC2", DAYS[2]]
    assert all("gone/model.onnx does not exist" in problems["CIRC3", day] for day in DAYS)
    assert all(problems["CIRC4", day].startswith("ParserError: ") for day in DAYS)
    assert all(problems["CIRC5", day] == "circuit_config is of PLANT1/CIRC1" for day in DAYS)
    assert len(problems) == 1 + 3 * len(DAYS)
    assert {row[0] for row in _rows(tmp_path)} == {"CIRC1", "CIRC2"}


def test_processes_that_write_at_once_lose_and_double_nothing(
    circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    """Two chunks, and one of them a second time: its own rows are written by two at once."""
    chunks = [
        [_wanted(circuit, "CIRC1")],
        [_wanted(circuit, "CIRC2", days=DAYS[:2])],
        [_wanted(circuit, "CIRC1"), _wanted(circuit, "CIRC2", days=DAYS[:2])],
    ]
    with ThreadPoolExecutor(len(chunks)) as pool:
        runs = [
            pool.submit(_score, circuit, trained_model, tmp_path, chunk, f"chunk{number}")
            for number, chunk in enumerate(chunks)
        ]
        assert [run.result().returncode for run in runs] == [0, 0, 0], [run.result().stderr for run in runs]
    rows = _rows(tmp_path)
    assert len({row[:5] for row in rows}) == len(rows) == 5 * HORIZON * len(SENSORS)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("nothing", "is no list of circuits"),
        ([{"plant_id": "PLANT1"}], "is no list of circuits"),
        ([{"days": ["28.2.2025"]}], "is no list of circuits"),
        ([{}, {}], "has PLANT1/CIRC1, circ1-v3, more than once"),
    ],
)
def test_a_list_that_cannot_be_used_exits_2(
    circuit: SmallCircuit, trained_model: Path, tmp_path: Path, wanted: Any, message: str
) -> None:
    if message.startswith("has") or wanted == [{"days": ["28.2.2025"]}]:
        wanted = [_wanted(circuit, **changes) for changes in wanted]
    done = _score(circuit, trained_model, tmp_path, wanted)
    assert done.returncode == 2
    assert message in done.stderr
