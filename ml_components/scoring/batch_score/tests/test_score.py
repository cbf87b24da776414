"""batch_score on a small circuit: what it writes, that a repeat replaces it, that writers do not disturb each other."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SENSORS, SmallCircuit, signals
from deltalake import DeltaTable, QueryBuilder

SCRIPT = Path(__file__).parents[1] / "src" / "score.py"
PROGRAM = f"""
import sys, runpy
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
print(sorted({{"tensorflow", "mlflow", "pandas"}} & set(sys.modules)))
"""
END = "2025-03-01T00:00:00+00:00"


def _command(
    circuit: SmallCircuit, model: Path, folder: Path, *, config: Path | None = None, **changes: Any
) -> subprocess.CompletedProcess[str]:
    flags = {
        "model": model,
        "circuit_config": config or circuit.config(),
        "sensor_data": circuit.table,
        "forecasts": folder / "forecasts",
        "score_date": "2025-02-28",
        "model_version": "3",
        "deployment": "blue",
        "summary": folder / f"summary-{changes.get('deployment', 'blue')}.json",
        **changes,
    }
    return subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            *(part for name, value in flags.items() for part in (f"--{name}", str(value))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def _rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    found = QueryBuilder().register("f", DeltaTable(str(folder / "forecasts"))).execute(query).read_all()
    return list(zip(*(found.column(name).to_pylist() for name in found.column_names), strict=True))


def _summary(folder: Path, deployment: str = "blue") -> dict[str, Any]:
    return json.loads((folder / f"summary-{deployment}.json").read_text())


def test_it_writes_the_horizon_of_every_sensor_with_onnx_alone(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    done = _command(small_circuit, trained_model, tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
    assert _summary(tmp_path)["rows"] == 6 * len(SENSORS)
    assert _summary(tmp_path)["issued_at"] == [END]
    issued = datetime.fromisoformat(END)
    rows = _rows(
        tmp_path,
        "SELECT issued_at, time, forecast, lower, upper FROM f WHERE sensor = 'pressure' ORDER BY time",
    )
    assert [(row[0], row[1]) for row in rows] == [(issued, issued + timedelta(hours=k)) for k in range(6)]
    assert all(lower <= forecast <= upper and 900 < forecast < 1100 for _, _, forecast, lower, upper in rows)


def test_a_repeat_replaces_and_another_deployment_stands_beside(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    for changes in ({}, {"model_version": "4"}, {"deployment": "green"}, {"deployment": "green"}):
        done = _command(small_circuit, trained_model, tmp_path, windows=3, **changes)
        assert done.returncode == 0, done.stderr
    counted = _rows(
        tmp_path, "SELECT deployment, model_version, count(*) AS n FROM f GROUP BY 1, 2 ORDER BY 1"
    )
    assert counted == [("blue", "4", 54), ("green", "3", 54)]


def test_two_shares_cover_every_window_once(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    _command(small_circuit, trained_model, tmp_path, windows=24, window_share=0.25, deployment="green")
    _command(small_circuit, trained_model, tmp_path, windows=24, window_share=0.75, window_offset=0.25)
    green, blue = (set(_summary(tmp_path, name)["issued_at"]) for name in ("green", "blue"))
    assert 0 < len(green) < len(blue)
    assert len(green) + len(blue) == len(green | blue) == 24


def test_writers_of_several_circuits_at_once_all_succeed(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    from forecasting.forecast import Forecasts
    from forecasting.table import forecast_rows, replaced
    from shared.circuit import parse_circuit
    from shared.delta import replace_rows

    issued = [datetime(2025, 3, 1, tzinfo=UTC)]
    outputs = {name: np.ones((1, 6, 1)) for name in ("forecast", "lower", "upper")}
    found = Forecasts(outputs, np.ones((1, 1), bool), np.ones(1))

    def write(number: int) -> None:
        circuit = parse_circuit(
            {"plant_id": "PLANT1", "circuit_id": f"C{number}", "sensors": ["a"], "cutoff_date": "2025-02-28"}
        )
        rows = forecast_rows(circuit, issued, found, "1", "blue")
        for _ in range(2):
            replace_rows(str(tmp_path / "forecasts"), rows, replaced(circuit, issued, "blue"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    counted = _rows(tmp_path, "SELECT circuit_id, count(*) AS n FROM f GROUP BY 1 ORDER BY 1")
    assert counted == [(f"C{number}", 6) for number in range(6)]


def test_the_forecast_sees_nothing_after_its_issue(
    make_small_circuit, trained_model: Path, tmp_path: Path
) -> None:
    values = signals(200)
    planted = values.copy()
    planted[-24:] = 1e6  # the last day, which is after the end of the day before
    forecasts = []
    for name, given in (("plain", values), ("planted", planted)):
        folder = tmp_path / name
        folder.mkdir()
        done = _command(make_small_circuit(given), trained_model, folder, score_date="2025-02-27")
        assert done.returncode == 0, done.stderr
        forecasts.append(_rows(folder, "SELECT sensor, time, forecast FROM f ORDER BY 1, 2"))
    assert forecasts[0] == forecasts[1]


def test_a_sensor_with_a_long_gap_is_skipped_and_named(
    make_small_circuit, trained_model: Path, tmp_path: Path
) -> None:
    values = signals(200)
    values[-10:, 1] = np.nan
    values[-2:, 2] = np.nan
    done = _command(make_small_circuit(values), trained_model, tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(_summary(tmp_path)["skipped_sensors"]) == ["pressure"]
    assert _rows(tmp_path, "SELECT sensor, count(*) AS n FROM f GROUP BY 1 ORDER BY 1") == [
        ("flow", 6),
        ("temperature", 6),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score_date": "2025-03-04"}, "no reading of PLANT1/CIRC1 on 2025-03-04"),
        ({"score_date": "28.2.2025"}, "score_date must be YYYY-MM-DD"),
        ({"sensor_data": "nowhere"}, "there is no Delta table at nowhere"),
        ({"windows": 0}, "windows must be at least 1"),
        ({"mode": "rehearse"}, "mode must be forecast or replay, got 'rehearse'"),
        ({"mode": "replay", "score_date": "2024-01-01"}, "no reading of PLANT1/CIRC1 up to 2024-01-01"),
    ],
)
def test_inputs_that_cannot_be_used_exit_2(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    done = _command(small_circuit, trained_model, tmp_path, **changes)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_forecast_says_how_long_it_took_and_has_no_error_yet(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    done = _command(small_circuit, trained_model, tmp_path, windows=4)
    assert done.returncode == 0, done.stderr
    summary = _summary(tmp_path)
    assert (summary["mode"], summary["failed_rows"], summary["error"]) == ("forecast", 0, None)
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]


def test_a_replay_measures_the_error_and_writes_nothing(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    """The newest horizon that was read ends with the table; a date long after the last reading replays the same."""
    done = _command(
        small_circuit, trained_model, tmp_path, windows=24, mode="replay", score_date="2025-06-01"
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
    summary = _summary(tmp_path)
    newest = datetime.fromisoformat(END) - timedelta(hours=6)
    assert summary["issued_at"] == [(newest - timedelta(hours=k)).isoformat() for k in reversed(range(24))]
    assert (summary["mode"], summary["rows"], summary["failed_rows"]) == ("replay", 24 * 6 * 3, 0)
    assert summary["error"]["windows"] == 24
    assert 0 < summary["error"]["mse"] < summary["error"]["seasonal_naive_mse"]
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert summary["delta_version"] is None
    assert not (tmp_path / "forecasts").exists()


def test_shares_of_a_replay_cover_every_window_once(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    both = {"windows": 24, "mode": "replay"}
    _command(small_circuit, trained_model, tmp_path, window_share=0.25, deployment="green", **both)
    _command(small_circuit, trained_model, tmp_path, window_share=0.75, window_offset=0.25, **both)
    green, blue = (_summary(tmp_path, name)["error"]["windows"] for name in ("green", "blue"))
    assert (green + blue, 0 < green < blue) == (24, True)


def test_a_share_without_a_window_says_so(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    done = _command(small_circuit, trained_model, tmp_path, mode="replay", window_share=0.0)
    assert done.returncode == 0, done.stderr
    summary = _summary(tmp_path)
    assert summary["latency_ms"] == {"p50": None, "p95": None}
    assert summary["error"] == {"mae": None, "mse": None, "seasonal_naive_mse": None, "windows": 0}


def test_help_explains_itself() -> None:
    shown = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True
    )
    assert "--window_share" in shown.stdout
