"""Measure a trained forecaster on the held-out test windows, beside seasonal-naive, ridge and the champion."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

import numpy as np
from shared.circuit import Circuit, load_circuit
from shared.errors import LOG, InputError, run_command
from shared.forecaster import Forecaster
from shared.metrics import metrics_document, seasonal_naive
from shared.readings import Series, load_training_series
from shared.tracking import log_run
from shared.windows import split_windows


def main() -> None:
    """Command line: load, measure, report."""
    arguments = _arguments()
    circuit = load_circuit(arguments.circuit_config)
    model = Forecaster.load(arguments.trained_model)
    champion = Forecaster.load(arguments.champion_model) if arguments.champion_model else None
    document = evaluate(circuit, load_training_series(circuit, arguments.training_data), model, champion)
    Path(arguments.metrics).write_text(json.dumps(document, indent=2), encoding="utf-8")
    skills = {f"test_skill_{name}": value for name, value in document["skill"].items()}
    measured = {f"test_{name}": value for name, value in document["metrics"].items()}
    log_run({"circuit": circuit.name}, measured | skills)
    baselines = {name: errors and round(errors["mse"], 4) for name, errors in document["baselines"].items()}
    LOG.info("%s: standardised mse %.4f against %s", circuit.name, document["standardised"]["mse"], baselines)


def evaluate(
    circuit: Circuit, series: Series, model: Forecaster, champion: Forecaster | None
) -> dict[str, Any]:
    """metrics.json of the test windows; raises `InputError` when the model is not one of this circuit."""
    chosen = circuit.hyperparameters
    expected = circuit.sensors, chosen.look_back, chosen.horizon, circuit.frequency_minutes
    if model.shape != expected:
        raise InputError(f"trained_model forecasts {model.shape}, circuit_config asks for {expected}")
    parts = split_windows(circuit, series)
    test = parts["test"]
    if not len(test):
        raise InputError(
            f"no complete test window of {circuit.name}: its last {chosen.look_back} rows have long gaps"
        )
    forecast, ridge = model.predict(test.inputs, "forecast", "ridge")
    return metrics_document(
        circuit,
        rows=len(series.values),
        windows={name: len(part) for name, part in parts.items()},
        truth=test.truth,
        forecast=forecast,
        seasonal=seasonal_naive(test.inputs, chosen.horizon, chosen.season),
        ridge=ridge,
        champion=_champion_forecast(model, champion, test.inputs),
        scale=np.array(model.metadata["deviation"]),
        blend_weights=np.array(model.metadata["blend_weight"]),
        training=model.metadata["training"],
    )


def _champion_forecast(
    model: Forecaster, champion: Forecaster | None, inputs: np.ndarray
) -> np.ndarray | None:
    if champion is None:
        return None
    if champion.shape != model.shape:
        LOG.warning("the champion forecasts %s, the model %s: not compared", champion.shape, model.shape)
        return None
    return champion.predict(inputs, "forecast")[0]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    parser.add_argument(
        "--circuit_config", required=True, metavar="YAML", help="the circuit, everything resolved"
    )
    parser.add_argument(
        "--training_data",
        required=True,
        metavar="MLTABLE",
        help="folder or URI of the MLTable that pins the readings",
    )
    parser.add_argument(
        "--trained_model", required=True, metavar="FOLDER", help="MLflow model folder of train_lstm"
    )
    parser.add_argument(
        "--champion_model", metavar="FOLDER", help="the model in service, measured on the same windows"
    )
    parser.add_argument("--metrics", required=True, metavar="JSON", help="output: metrics.json")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
