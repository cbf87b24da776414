"""What it takes to load a model and forecast a circuit's newest window with it; a JSON object a way."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from shared.circuit import Hyperparameters

SENSORS = 7
CHOSEN = Hyperparameters()
WINDOW = np.random.default_rng(7).standard_normal((1, CHOSEN.look_back, SENSORS))


def make_onnx(path: Path) -> None:
    """A trained blend, as train_lstm exports it."""
    import training
    from blend import Scale, fit_blend
    from export import build_onnx

    [case] = training.circuits(1)
    train, validation, _ = case.windows(training.CHOSEN)
    blend = fit_blend(Scale(np.zeros(SENSORS), np.ones(SENSORS)), train, validation, training.CHOSEN)
    metadata = {
        "sensors": case.sensors,
        "look_back": CHOSEN.look_back,
        "horizon": CHOSEN.horizon,
        "season": CHOSEN.season,
        "max_gap": CHOSEN.max_gap,
        "frequency_minutes": 60,
        "deviation": [1.0] * SENSORS,
    }
    path.write_bytes(build_onnx(blend, case.circuit(training.CHOSEN), metadata).SerializeToString())


def make_keras(path: Path) -> None:
    """The blend's network alone, as Keras saves it."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((CHOSEN.look_back // CHOSEN.patch, CHOSEN.patch)),
            keras.layers.LSTM(CHOSEN.units),
            keras.layers.Dense(CHOSEN.horizon),
        ]
    )
    model.save(path)


def score_onnx(path: Path) -> None:
    """As batch_score does it, a model after the other in one process."""
    from forecasting.forecast import forecast
    from shared.forecaster import Forecaster

    forecast(Forecaster.load(path.read_bytes()), WINDOW)


def score_keras(path: Path) -> None:
    import keras

    patches = WINDOW.transpose(0, 2, 1).reshape(SENSORS, -1, CHOSEN.patch)
    keras.models.load_model(path, compile=False).predict(patches, verbose=0)


WAYS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], None]]] = {
    "ours": ("onnx", make_onnx, score_onnx),
    "keras": ("keras", make_keras, score_keras),
}


def measure(way: str, count: int, folder: Path) -> dict[str, Any]:
    """CPU and wall seconds of `count` models, each a file of its own, without the first import."""
    kind, make, score = WAYS[way]
    paths = [folder / f"model-{number}.{kind}" for number in range(count + 1)]
    make(paths[0])
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    score(paths[0])
    cpu, wall = time.process_time(), time.perf_counter()
    for path in paths[1:]:
        score(path)
    spent = time.process_time() - cpu
    return {"way": way, "models": count, "cpu": spent, "wall": time.perf_counter() - wall}


def cold(count: int, folder: Path) -> dict[str, Any]:
    """A process with Keras for each model."""
    import resource

    path = folder / "model.keras"
    make_keras(path)
    cpu, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for _ in range(count):
        command = [sys.executable, str(Path(__file__).resolve()), "one", "1", "--model", str(path)]
        subprocess.run(command, check=True, capture_output=True)
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = now.ru_utime + now.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {"way": "cold", "models": count, "cpu": spent, "wall": time.perf_counter() - wall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=[*WAYS, "cold", "one"])
    parser.add_argument("models", type=int)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    if arguments.way == "one":
        score_keras(arguments.model)
        return
    with tempfile.TemporaryDirectory() as name:
        run = cold if arguments.way == "cold" else lambda *given: measure(arguments.way, *given)
        print(json.dumps(run(arguments.models, Path(name))))


if __name__ == "__main__":
    main()
