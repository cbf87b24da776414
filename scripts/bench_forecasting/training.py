"""What training one circuit after the other costs, three ways; a JSON object a way.

Each circuit has 2,160 hourly rows of 7 sensors (90 days) and trains for 5 epochs.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from series import SHARES, Case
from shared.circuit import Hyperparameters
from shared.windows import Windows

ROWS, SENSORS, EPOCHS = 2160, 7, 5
CHOSEN = Hyperparameters(epochs=EPOCHS, patience=EPOCHS)


def circuits(count: int) -> list[Case]:
    """Daily waves with noise."""
    hours = np.arange(ROWS)[:, None]
    ends = tuple(int(ROWS * share) for share in SHARES)
    cases: list[Case] = []
    for number in range(count):
        random = np.random.default_rng(number)
        wave = np.sin(2 * np.pi * hours / 24 + random.uniform(0, 6, SENSORS))
        values = wave + 0.4 * random.standard_normal((ROWS, SENSORS))
        sensors = tuple(f"sensor{index}" for index in range(SENSORS))
        cases.append(Case(f"circuit {number}", sensors, values, (ends[0], ends[1], ends[2])))
    return cases


def ours(parts: list[tuple[Windows, Windows]]) -> None:
    """`fit_blend`: ridges, LSTM and their weights, as the component trains a circuit."""
    from blend import Scale, fit_blend

    scale = Scale(np.zeros(SENSORS), np.ones(SENSORS))
    for train, validation in parts:
        fit_blend(scale, train, validation, CHOSEN)


def fit_loop(parts: list[tuple[Windows, Windows]]) -> None:
    """The same network on the same samples, a new model and `model.fit` for each circuit."""
    from lstm import _Samples  # pyright: ignore[reportPrivateUsage] - the same samples are the point

    keras = _keras()
    for train, validation in parts:
        given, checked = (
            _Samples.of(part.inputs, part.targets, CHOSEN.patch) for part in (train, validation)
        )
        model = keras.Sequential(
            [
                keras.Input(given.patches.shape[1:]),
                keras.layers.LSTM(CHOSEN.units, unroll=True),
                keras.layers.Dense(CHOSEN.horizon),
            ]
        )
        model.compile(keras.optimizers.Adam(CHOSEN.learning_rate), loss="mse")
        model.fit(
            given.patches,
            given.targets,
            sample_weight=np.square(given.deviation[:, 0]),
            batch_size=CHOSEN.batch_size * SENSORS,
            epochs=EPOCHS,
            validation_data=(checked.patches, checked.targets),
            verbose=0,
        )


def plain_fit(parts: list[tuple[Windows, Windows]]) -> None:
    """What one writes first: an LSTM over all steps and sensors at once, `model.fit`."""
    keras = _keras()
    for train, validation in parts:
        model = keras.Sequential(
            [
                keras.Input((CHOSEN.look_back, SENSORS)),
                keras.layers.LSTM(CHOSEN.units),
                keras.layers.Dense(CHOSEN.horizon * SENSORS),
            ]
        )
        model.compile(keras.optimizers.Adam(CHOSEN.learning_rate), loss="mse")
        model.fit(
            train.inputs,
            train.targets.reshape(len(train), -1),
            batch_size=CHOSEN.batch_size,
            epochs=EPOCHS,
            validation_data=(validation.inputs, validation.targets.reshape(len(validation), -1)),
            verbose=0,
        )


WAYS = {"ours": ours, "fit-loop": fit_loop, "plain-fit": plain_fit}


def measure(way: str, count: int) -> dict[str, object]:
    """CPU and wall seconds of training `count` circuits, without importing TensorFlow and making the data."""
    parts = [case.windows(CHOSEN)[:2] for case in circuits(count)]
    _keras()
    cpu, wall = time.process_time(), time.perf_counter()
    WAYS[way](parts)
    return {
        "way": way,
        "circuits": count,
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
    }


def cold(count: int) -> dict[str, object]:
    """A process for each circuit, with all that it takes to start one."""
    wall, cpu = time.perf_counter(), _children()
    for _ in range(count):
        command = [sys.executable, str(Path(__file__).resolve()), "plain-fit", "1"]
        subprocess.run(command, check=True, capture_output=True)
    spent = _children() - cpu
    return {"way": "cold", "circuits": count, "cpu": spent, "wall": time.perf_counter() - wall}


def _children() -> float:
    """CPU seconds of the processes started and ended so far."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _keras() -> Any:
    from network import keras, use_one_core

    use_one_core()
    return keras


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=[*WAYS, "cold"])
    parser.add_argument("circuits", type=int)
    arguments = parser.parse_args()
    result = (
        cold(arguments.circuits) if arguments.way == "cold" else measure(arguments.way, arguments.circuits)
    )
    print(json.dumps(result))
