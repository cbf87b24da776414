"""Train one circuit's forecaster: ridge and channel-independent LSTM, blended per sensor, exported as one ONNX."""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

# One core a job: many circuits train side by side, and one thread gives the same sums every time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

import numpy as np
from shared.circuit import Circuit, load_circuit
from shared.errors import LOG, InputError, run_command
from shared.metrics import metrics_document, seasonal_naive
from shared.readings import load_training_series
from shared.windows import Windows, split_rows, split_windows

MIN_WINDOWS = 16


def main() -> None:
    """Command line: read, fit, export, report."""
    arguments = _arguments()
    started = time.perf_counter()
    circuit = load_circuit(arguments.circuit_config)
    series = load_training_series(circuit, arguments.training_data)
    _say(
        started,
        f"{circuit.name}: {len(series.values)} rows from {series.start}, {series.missing_share:.1%} missing",
    )
    parts = split_windows(circuit, series)
    check_windows(circuit, parts)

    from blend import Scale, fit_blend

    scale = Scale.of(series.values[: split_rows(circuit, series).train])
    clock = time.perf_counter()
    blend = fit_blend(scale, parts["train"], parts["validation"], circuit.hyperparameters)
    seconds = time.perf_counter() - clock
    _say(started, f"trained {len(blend.lstm.training_loss)} epochs, LSTM weights {blend.weight.round(2)}")

    from export import build_onnx, check_parity, save_model

    training: dict[str, Any] = {
        "epochs": len(blend.lstm.training_loss),
        "seconds": round(seconds, 2),
        "missing_share": round(series.missing_share, 6),
    }
    metadata = forecaster_metadata(circuit, blend.weight, scale.mean, scale.deviation)
    validation = parts["validation"]
    training["onnx_parity"] = check_parity(build_onnx(blend, circuit, metadata), blend, validation.inputs)
    model = build_onnx(blend, circuit, metadata | {"training": training})
    save_model(model, circuit, Path(arguments.trained_model), _requirements())
    _say(started, f"exported, parity {training['onnx_parity']:.1g}")

    document = metrics_document(
        circuit,
        rows=len(series.values),
        windows={name: len(part) for name, part in parts.items()},
        truth=validation.truth,
        forecast=blend.predict(validation.inputs),
        seasonal=seasonal_naive(
            validation.inputs, circuit.hyperparameters.horizon, circuit.hyperparameters.season
        ),
        ridge=blend.predict_ridge(validation.inputs),
        champion=None,
        scale=scale.deviation,
        blend_weights=blend.weight,
        training=training,
    )
    Path(arguments.metrics).write_text(json.dumps(document, indent=2), encoding="utf-8")

    from report import write_artifacts

    artifacts = Path(arguments.artifacts)
    write_artifacts(artifacts, circuit, series, blend, validation, document)
    _log(circuit, document, artifacts)
    _say(started, f"mse {document['standardised']['mse']:.3f} on validation windows")


def check_windows(circuit: Circuit, parts: dict[str, Windows]) -> None:
    """Raise `InputError` when a sensor has too few complete windows to be fitted and chosen on."""
    for name in ("train", "validation"):
        part = parts[name]
        complete = ~(np.isnan(part.inputs).any(1) | np.isnan(part.targets).any(1))
        for sensor, count in zip(circuit.sensors, complete.sum(0), strict=True):
            if count < MIN_WINDOWS:
                raise InputError(
                    f"sensor {sensor} of {circuit.name} has {count} complete {name} windows, needs ≥ {MIN_WINDOWS}: "
                    "it has long gaps; raise training_days, repair its readings or leave it out of the circuit"
                )


def forecaster_metadata(
    circuit: Circuit, weight: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> dict[str, Any]:
    """What evaluate_model and batch_score need to know of the model; travels inside the ONNX file."""
    return {
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "sensors": list(circuit.sensors),
        "cutoff_date": circuit.cutoff_date.isoformat(),
        "frequency_minutes": circuit.frequency_minutes,
        **asdict(circuit.hyperparameters),
        "blend_weight": weight.tolist(),
        "mean": mean.tolist(),
        "deviation": deviation.tolist(),
    }


def _requirements() -> list[str]:
    return [f"{package}=={version(package)}" for package in ("onnx", "onnxruntime", "numpy")]


def _log(circuit: Circuit, document: dict[str, Any], artifacts: Path) -> None:
    from shared.tracking import log_run

    params = {
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "cutoff_date": circuit.cutoff_date,
        "training_days": circuit.training_days,
        **asdict(circuit.hyperparameters),
    }
    measured = {f"validation_{name}": value for name, value in document["metrics"].items()}
    skills = {f"validation_skill_{name}": value for name, value in document["skill"].items()}
    log_run(params, measured | skills, artifacts)


def _say(started: float, text: str) -> None:
    LOG.info("%6.1f s  %s", time.perf_counter() - started, text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Exit 2: the inputs cannot be used, and the message says what to change.",
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
        "--trained_model", required=True, metavar="FOLDER", help="output: MLflow model folder"
    )
    parser.add_argument(
        "--metrics", required=True, metavar="JSON", help="output: errors on the validation windows"
    )
    parser.add_argument(
        "--artifacts", required=True, metavar="FOLDER", help="output: plots, weights, model card"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
