"""evaluate_model on a small circuit: the held-out part, the baselines, the champion; ONNX alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SmallCircuit
from shared.circuit import load_circuit
from shared.errors import InputError
from shared.forecaster import Forecaster
from shared.readings import Series, load_training_series
from shared.windows import split_rows

SCRIPT = Path(__file__).parents[1] / "src" / "evaluate.py"


def _evaluate(circuit: SmallCircuit, model: Path, champion: Path | None = None, **changes):
    from evaluate import evaluate

    config = load_circuit(circuit.config(**changes))
    series = load_training_series(config, circuit.training_data)
    return evaluate(config, series, Forecaster.load(model), champion and Forecaster.load(champion))


def test_the_command_writes_metrics_without_tensorflow(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path: Path
) -> None:
    program = f"""
import sys, runpy
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
print("tensorflow" in sys.modules)
"""
    flags = {
        "circuit_config": small_circuit.config(),
        "training_data": small_circuit.training_data,
        "trained_model": trained_model,
        "champion_model": trained_model,
        "metrics": tmp_path / "metrics.json",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            *(part for name, value in flags.items() for part in (f"--{name}", str(value))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()[-1]) == (0, "False"), done.stderr
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["baselines"]["champion"] == document["standardised"]
    assert document["skill"]["champion"] == 0.0
    assert document["standardised"]["mse"] < document["baselines"]["seasonal_naive"]["mse"]
    assert document["training"]["epochs"] == 2
    assert document["metrics"]["precision"] is None


def test_without_a_champion_there_is_no_champion(small_circuit: SmallCircuit, trained_model: Path) -> None:
    document = _evaluate(small_circuit, trained_model)
    assert document["baselines"]["champion"] is None
    assert document["skill"]["champion"] is None


def test_limits_give_precision_and_recall(small_circuit: SmallCircuit, trained_model: Path) -> None:
    document = _evaluate(small_circuit, trained_model, limits={"temperature": {"low": 17, "high": 23}})
    assert document["metrics"]["precision"] > 0.8
    assert document["metrics"]["recall"] > 0.8


def test_only_the_held_out_part_is_measured(small_circuit: SmallCircuit, trained_model: Path) -> None:
    from evaluate import evaluate

    circuit = load_circuit(small_circuit.config())
    series = load_training_series(circuit, small_circuit.training_data)
    look_back = circuit.hyperparameters.look_back
    before = split_rows(circuit, series).validation - look_back
    values = series.values.copy()
    values[: before - look_back] = 1e6
    planted = Series(series.start, series.step, series.sensors, values)
    model = Forecaster.load(trained_model)
    one, other = evaluate(circuit, series, model, None), evaluate(circuit, planted, model, None)
    assert one["standardised"] == other["standardised"]
    values[-1] += 100.0
    assert evaluate(circuit, planted, model, None)["standardised"] != one["standardised"]


def test_a_champion_of_another_shape_is_not_compared(
    small_circuit: SmallCircuit, trained_model: Path
) -> None:
    from evaluate import evaluate

    circuit = load_circuit(small_circuit.config())
    series = load_training_series(circuit, small_circuit.training_data)
    model = Forecaster.load(trained_model)
    other = Forecaster(model.session, model.metadata | {"horizon": 12})
    assert evaluate(circuit, series, model, other)["baselines"]["champion"] is None


def test_a_model_of_another_circuit_is_refused(small_circuit: SmallCircuit, trained_model: Path) -> None:
    with pytest.raises(InputError, match="trained_model forecasts"):
        _evaluate(small_circuit, trained_model, sensors=["temperature", "pressure"])


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it has no model\.onnx"):
        Forecaster.load(tmp_path)


def test_errors_are_in_the_units_of_the_training_part(
    small_circuit: SmallCircuit, trained_model: Path
) -> None:
    document = _evaluate(small_circuit, trained_model)
    model = Forecaster.load(trained_model)
    for sensor, deviation in zip(model.sensors, model.metadata["deviation"], strict=True):
        row = document["sensors"][sensor]
        assert row["rmse"] == pytest.approx(np.sqrt(row["standardised_mse"]) * deviation)
