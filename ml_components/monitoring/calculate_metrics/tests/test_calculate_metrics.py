"""calculate_metrics on tables whose errors are known by hand; a repeat replaces, what is not read yet waits."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SENSORS, SmallCircuit, signals
from deltalake import DeltaTable, QueryBuilder

SCRIPT = Path(__file__).parents[1] / "src" / "calculate_metrics.py"
END = datetime(2025, 3, 1, tzinfo=UTC)


def _command(circuit: SmallCircuit, folder: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
    flags = {
        "circuit_config": circuit.config(),
        "sensor_data": circuit.table,
        "forecasts": folder / "forecasts",
        "metrics": folder / "metrics",
        "day": "2025-02-28",
        "report": folder / "report.json",
        **changes,
    }
    command = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *command], capture_output=True, text=True, check=False
    )


def _report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def _write(
    folder: Path, issued: datetime, values: np.ndarray, version: str = "3", width: float = 1.0
) -> None:
    """Forecasts [steps, sensors] issued at a moment, as batch_score writes them."""
    from forecasting.forecast import Forecasts
    from forecasting.table import forecast_rows, replaced
    from shared.circuit import parse_circuit
    from shared.delta import replace_rows

    circuit = parse_circuit(
        {"plant_id": "PLANT1", "circuit_id": "CIRC1", "sensors": list(SENSORS), "cutoff_date": "2025-02-28"}
    )
    outputs = {"forecast": values[None], "lower": values[None] - width, "upper": values[None] + width}
    found = Forecasts(outputs, np.ones((1, len(SENSORS)), bool), np.ones(1))
    rows = forecast_rows(circuit, [issued], found, version, f"circ1-v{version}")
    replace_rows(str(folder / "forecasts"), rows, replaced(circuit, [issued], f"circ1-v{version}"))


@pytest.fixture(scope="module")
def circuit(make_small_circuit: Callable[[np.ndarray], SmallCircuit]) -> tuple[SmallCircuit, np.ndarray]:
    values = signals(240)
    values[-3, 0] = np.nan
    return make_small_circuit(values), values


def test_errors_are_those_of_the_pairs(circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path) -> None:
    small, values = circuit
    truth = values[-12:]
    _write(tmp_path, END - timedelta(hours=12), truth + np.array([0.5, 2.0, 0.0]))
    (tmp_path / "metrics.json").write_text(
        json.dumps({"sensors": {"temperature": {"rmse": 0.4}, "pressure": {"rmse": 4.0}}})
    )
    done = _command(small, tmp_path, training_metrics=tmp_path / "metrics.json", model_version="3")
    assert done.returncode == 0, done.stderr
    [model] = _report(tmp_path)["models"]
    assert (model["model_version"], model["issues"], model["circuit"]["pairs"]) == ("3", 1, 35)
    warm, pressed = model["sensors"]["temperature"], model["sensors"]["pressure"]
    assert (warm["pairs"], warm["mae"], warm["rmse"]) == (11, pytest.approx(0.5), pytest.approx(0.5))
    assert (warm["coverage"], pressed["coverage"]) == (1.0, 0.0)
    assert (warm["ratio"], pressed["ratio"]) == (pytest.approx(1.25), pytest.approx(0.5))
    assert model["circuit"]["ratio"] == pytest.approx(0.875)
    assert pressed["wape"] == pytest.approx(24.0 / np.abs(truth[:, 1]).sum())
    naive = np.mean((values[-24:-12, 1] - truth[:, 1]) ** 2)  # a season of 12 before, known at the issue
    assert pressed["skill_seasonal_naive"] == pytest.approx(1.0 - 4.0 / naive)


def test_seasonal_naive_knows_nothing_after_the_issue(
    circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path
) -> None:
    """The second season of a horizon repeats the last one before the issue, not the first of the horizon."""
    small, values = circuit
    _write(tmp_path, END - timedelta(hours=24), values[-24:] + 1.0)
    assert _command(small, tmp_path).returncode == 0
    found = _report(tmp_path)["models"][0]["sensors"]["pressure"]["skill_seasonal_naive"]
    naive = np.mean((np.tile(values[-36:-24, 1], 2) - values[-24:, 1]) ** 2)
    assert found == pytest.approx(1.0 - 1.0 / naive)


def test_what_is_not_read_yet_waits(circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path) -> None:
    small, _ = circuit
    _write(tmp_path, END, np.ones((6, 3)))
    done = _command(small, tmp_path, day="2025-03-01")
    assert done.returncode == 0, done.stderr
    report = _report(tmp_path)
    assert report["models"] == []
    assert "has a reading yet" in report["reason"]
    assert not (tmp_path / "metrics").exists()


def test_a_repeat_replaces_its_day(circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path) -> None:
    small, values = circuit
    _write(tmp_path, END - timedelta(hours=12), values[-12:], "3")
    _write(tmp_path, END - timedelta(hours=12), values[-12:], "4")
    for day in ("2025-02-27", "2025-02-28", "2025-02-28"):
        assert _command(small, tmp_path, day=day).returncode == 0
    table = DeltaTable(str(tmp_path / "metrics"))
    query = "SELECT day, model_version, count(*) AS n FROM m GROUP BY 1, 2 ORDER BY 1, 2"
    rows = QueryBuilder().register("m", table).execute(query).read_all()
    found = list(zip(*(rows.column(name).to_pylist() for name in rows.column_names), strict=True))
    assert found == [("2025-02-28", "3", 4), ("2025-02-28", "4", 4)]


def test_only_the_champion_is_compared_with_training(
    circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path
) -> None:
    small, values = circuit
    for version in ("3", "4"):
        _write(tmp_path, END - timedelta(hours=12), values[-12:] + 1.0, version)
    (tmp_path / "metrics.json").write_text(json.dumps({"sensors": {"pressure": {"rmse": 2.0}}}))
    _command(small, tmp_path, training_metrics=tmp_path / "metrics.json", model_version="4")
    ratios = [model["circuit"]["ratio"] for model in _report(tmp_path)["models"]]
    assert ratios == [None, pytest.approx(0.5)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"day": "soon"}, "day must be YYYY-MM-DD"),
        ({"days": 0}, "days must be at least 1"),
        ({"training_metrics": "nowhere.json"}, "is no metrics.json of evaluate_model"),
        ({"sensor_data": "nowhere"}, "there is no Delta table at nowhere"),
    ],
)
def test_inputs_that_cannot_be_used_exit_2(
    circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _write(tmp_path, END - timedelta(hours=12), np.ones((12, 3)))
    done = _command(circuit[0], tmp_path, **changes)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
