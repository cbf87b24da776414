"""Train one circuit's forecaster: ridge and channel-independent LSTM, blended per sensor, exported as one ONNX."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from blend import Blend

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

    from blend import Scale, fit_blend  # imports TensorFlow: only now that the inputs are known to be good

    split = split_rows(circuit, series)
    clock = time.perf_counter()
    scale = Scale.of(series.values[: split.train])
    blend = fit_blend(scale, parts["train"], parts["validation"], circuit.hyperparameters)
    training = {
        "epochs": len(blend.lstm.training_loss),
        "seconds": round(time.perf_counter() - clock, 2),
        "missing_share": round(series.missing_share, 6),
    }
    _say(started, f"trained {training['epochs']} epochs, LSTM weights {blend.weight.round(2)}")
    training["onnx_parity"] = export(
        circuit, blend, training, parts["validation"], Path(arguments.trained_model)
    )
    _say(started, f"exported, parity {training['onnx_parity']:.1g}")
    document = validation_document(circuit, len(series.values), parts, blend, training)
    Path(arguments.metrics).write_text(json.dumps(document, indent=2), encoding="utf-8")

    from report import write_artifacts

    artifacts = Path(arguments.artifacts)
    write_artifacts(artifacts, circuit, series, blend, parts["validation"], document)
    _log(circuit, document, artifacts)
    _say(started, f"mse {document['standardised']['mse']:.3f} on validation windows")


def export(
    circuit: Circuit, blend: "Blend", training: dict[str, Any], checked: Windows, folder: Path
) -> float:
    """Save the model; returns its largest difference from the original on the `checked` windows."""
    from export import build_onnx, check_parity, save_model

    metadata = forecaster_metadata(circuit, blend)
    parity = check_parity(build_onnx(blend, circuit, metadata), blend, checked.inputs)
    described = metadata | {"training": training | {"onnx_parity": parity}}
    save_model(build_onnx(blend, circuit, described), circuit, folder, _requirements())
    return parity


def validation_document(
    circuit: Circuit, rows: int, parts: Mapping[str, Windows], blend: "Blend", training: dict[str, Any]
) -> dict[str, Any]:
    """metrics.json of the validation windows."""
    validation, chosen = parts["validation"], circuit.hyperparameters
    return metrics_document(
        circuit,
        rows=rows,
        windows={name: len(part) for name, part in parts.items()},
        truth=validation.truth,
        forecast=blend.predict(validation.inputs),
        seasonal=seasonal_naive(validation.inputs, chosen.horizon, chosen.season),
        ridge=blend.predict_ridge(validation.inputs),
        champion=None,
        scale=blend.scale.deviation,
        blend_weights=blend.weight,
        training=training,
    )


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


def forecaster_metadata(circuit: Circuit, blend: "Blend") -> dict[str, Any]:
    """What evaluate_model and batch_score need to know of the model; travels inside the ONNX file."""
    return {
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "sensors": list(circuit.sensors),
        "cutoff_date": circuit.cutoff_date.isoformat(),
        "frequency_minutes": circuit.frequency_minutes,
        **asdict(circuit.hyperparameters),
        "blend_weight": blend.weight.tolist(),
        "mean": blend.scale.mean.tolist(),
        "deviation": blend.scale.deviation.tolist(),
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
