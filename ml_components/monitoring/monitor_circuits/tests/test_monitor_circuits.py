"""monitor_circuits: three reports a circuit from one process, as the commands give them alone; one stops no other."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import END, ROOT, SENSORS, SmallCircuit, signals

SCRIPT = Path(__file__).parents[1] / "src" / "monitor_circuits.py"
DAY = "2025-02-28"
CUTOFF = {"cutoff_date": "2025-02-10"}


def _forecasts(folder: Path, values: np.ndarray) -> None:
    """Forecasts issued at the last two midnights, as batch_score writes them: half a unit off the readings."""
    from forecasting.forecast import Forecasts
    from forecasting.table import forecast_rows
    from shared.circuit import parse_circuit
    from shared.delta import replace_rows

    document = {"plant_id": "PLANT1", "circuit_id": "CIRC1", "sensors": list(SENSORS), **CUTOFF}
    days = np.stack([values[-24:], values[-24:]]) + 0.5
    outputs = {"forecast": days, "lower": days - 1, "upper": days + 1}
    found = Forecasts(outputs, np.ones((2, len(SENSORS)), bool), np.ones(1))
    issued = [END - timedelta(days=1), END]
    rows = forecast_rows(parse_circuit(document), issued, found, "3", "circ1-v3")
    replace_rows(str(folder / "forecasts"), rows, "true")


def _watched(circuit: SmallCircuit, name: str = "CIRC1", **config: Any) -> dict[str, Any]:
    return {
        "plant_id": "PLANT1",
        "circuit_id": name,
        "circuit_config": circuit.config(circuit_id=name, **CUTOFF | config).read_text(),
        "deployment": "circ1-v3",
        "model_version": "3",
        "training_metrics": {"sensors": {"temperature": {"rmse": 0.25}}},
    }


def _look(circuit: SmallCircuit, folder: Path, watched: Any) -> subprocess.CompletedProcess[str]:
    (folder / "circuits.json").write_text(json.dumps(watched))
    flags = {
        "circuits": folder / "circuits.json",
        "sensor_data": circuit.table,
        "forecasts": folder / "forecasts",
        "metrics": folder / "errors",
        "history": folder / "drift",
        "day": DAY,
        "model_drift": 0.1,
        "reports": folder / "reports.json",
        "plots": folder / "plots",
    }
    command = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *command], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def circuit(make_small_circuit: Callable[[np.ndarray], SmallCircuit]) -> tuple[SmallCircuit, np.ndarray]:
    values = signals(100 * 24)
    return make_small_circuit(values), values


def test_each_circuit_gets_its_three_reports_and_one_stops_no_other(
    circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path
) -> None:
    small, values = circuit
    _forecasts(tmp_path, values)
    missing, wrong = _watched(small, "CIRC2"), _watched(small, "CIRC3", sensors=[])
    done = _look(small, tmp_path, [missing, wrong, _watched(small)])
    assert done.returncode == 0, done.stderr
    absent, broken, good = json.loads((tmp_path / "reports.json").read_text())
    assert "no reading of PLANT1/CIRC2" in absent["drift"]["problem"]
    assert all("sensors must be" in broken[part]["problem"] for part in ("validation", "errors", "drift"))
    assert (good["plant_id"], good["circuit_id"]) == ("PLANT1", "CIRC1")
    assert good["validation"]["deployment"] == "circ1-v3"
    assert good["errors"]["models"][0]["sensors"]["temperature"]["ratio"] == pytest.approx(2.0)
    # measured before it is judged: the drift report has the day's own ratio
    assert good["drift"]["model_ratio"] == pytest.approx(2.0)
    assert "model drift" in good["drift"]["kinds"]
    assert [one.name for one in (tmp_path / "plots").iterdir()] == ["PLANT1-CIRC1.svg"]


def test_the_reports_are_those_of_the_commands_alone(
    circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path
) -> None:
    small, values = circuit
    _forecasts(tmp_path, values)
    assert _look(small, tmp_path, [_watched(small)]).returncode == 0
    [together] = json.loads((tmp_path / "reports.json").read_text())
    alone = ROOT / "scoring" / "validate_predictions" / "src" / "validate_predictions.py"
    flags = {
        "circuit_config": small.config(**CUTOFF),
        "sensor_data": small.table,
        "forecasts": tmp_path / "forecasts",
        "deployment": "circ1-v3",
        "score_date": DAY,
        "report": tmp_path / "alone.json",
    }
    command = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    subprocess.run([sys.executable, str(alone), *command], check=True, capture_output=True)
    assert together["validation"] == json.loads((tmp_path / "alone.json").read_text())


@pytest.mark.parametrize("watched", ["nothing", [{"plant_id": "PLANT1"}]])
def test_a_list_that_is_none_exits_2(
    circuit: tuple[SmallCircuit, np.ndarray], tmp_path: Path, watched: Any
) -> None:
    done = _look(circuit[0], tmp_path, watched)
    assert done.returncode == 2
    assert "is no list of circuits" in done.stderr
