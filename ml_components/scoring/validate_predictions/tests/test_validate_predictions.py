"""validate_predictions on what batch_score wrote, and on what it could not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SmallCircuit, signals

SCRIPT = Path(__file__).parents[1] / "src" / "validate_predictions.py"
SCORE = ROOT / "scoring" / "batch_score" / "src" / "score.py"


def _run(script: Path, flags: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    return subprocess.run(
        [sys.executable, str(script), *command], capture_output=True, text=True, check=False
    )


def _score(circuit: SmallCircuit, model: Path, folder: Path) -> None:
    done = _run(
        SCORE,
        {
            "model": model,
            "circuit_config": circuit.config(),
            "sensor_data": circuit.table,
            "forecasts": folder / "forecasts",
            "score_date": "2025-02-28",
            "model_version": "3",
            "deployment": "blue",
            "summary": folder / "summary.json",
        },
    )
    assert done.returncode == 0, done.stderr


def _validate(
    circuit: SmallCircuit, folder: Path, config: dict[str, Any] | None = None, **changes: Any
) -> subprocess.CompletedProcess[str]:
    return _run(
        SCRIPT,
        {
            "circuit_config": circuit.config(**(config or {})),
            "sensor_data": circuit.table,
            "forecasts": folder / "forecasts",
            "deployment": "blue",
            "score_date": "2025-02-28",
            "report": folder / "report.json",
            **changes,
        },
    )


def _report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def test_sound_forecasts_are_valid(small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path) -> None:
    _score(small_circuit, trained_model, tmp_path)
    done = _validate(small_circuit, tmp_path)
    assert done.returncode == 0, done.stderr
    assert _report(tmp_path) == {
        "schema_version": 1,
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "deployment": "blue",
        "score_date": "2025-02-28",
        "issued_at": "2025-03-01T00:00:00+00:00",
        "valid": True,
        "sentence": "PLANT1/CIRC1: forecasts are sound",
        "findings": [],
    }


def test_yesterdays_forecasts_are_stale(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    _score(small_circuit, trained_model, tmp_path)
    assert _validate(small_circuit, tmp_path, score_date="2025-03-01").returncode == 0
    report = _report(tmp_path)
    assert (report["valid"], [one["name"] for one in report["findings"]]) == (False, ["stale"])


def test_a_sensor_that_could_not_be_scored_is_absent(
    make_small_circuit, trained_model: Path, tmp_path: Path
) -> None:
    values = signals(200)
    values[-10:, 1] = np.nan
    circuit = make_small_circuit(values)
    _score(circuit, trained_model, tmp_path)
    assert _validate(circuit, tmp_path).returncode == 0
    report = _report(tmp_path)
    assert [(one["name"], one["sensor"]) for one in report["findings"]] == [("absent", "pressure")]
    assert report["sentence"] == "PLANT1/CIRC1: pressure has no forecast"


def test_a_limit_is_an_alarm_and_no_fault(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    _score(small_circuit, trained_model, tmp_path)
    limits = {"limits": {"pressure": {"high": 900.0}}}
    assert _validate(small_circuit, tmp_path, config=limits).returncode == 0
    report = _report(tmp_path)
    assert (report["valid"], [one["name"] for one in report["findings"]]) == (True, ["limit"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deployment": "green"}, "has no forecast of deployment green"),
        ({"score_date": "2025-01-01"}, "has no forecast of deployment blue"),
        ({"score_date": "x"}, "score_date must be YYYY-MM-DD"),
        ({"forecasts": "nowhere"}, "there is no Delta table at nowhere"),
    ],
)
def test_inputs_that_cannot_be_used_exit_2(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _score(small_circuit, trained_model, tmp_path)
    done = _validate(small_circuit, tmp_path, **changes)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
