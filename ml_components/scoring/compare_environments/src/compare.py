"""Score models in this environment, and say how far their forecasts are from those of another environment.

One model that breaks leaves its reason in the report and stops no other.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ and forecasting/ beside this file; in the repository they lie three and two folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[2:4]))

import numpy as np
import yaml
from forecasting.forecast import OUTPUTS, forecast, latency
from forecasting.windows import Mode, issue_times, load_recent, look_backs
from shared.circuit import parse_circuit
from shared.errors import LOG, InputError, run_command
from shared.forecaster import MODEL_FILE, Forecaster
from shared.storage import read_below, resolve


@dataclass(frozen=True)
class Model:
    """A deployed model; paths are below the workspace's data."""

    plant_id: str
    circuit_id: str
    model_version: str
    job: str
    circuit_config: str

    @property
    def name(self) -> str:
        return f"{self.plant_id}_{self.circuit_id}_v{self.model_version}"

    @property
    def key(self) -> dict[str, str]:
        return {
            "plant_id": self.plant_id,
            "circuit_id": self.circuit_id,
            "model_version": self.model_version,
        }


@dataclass(frozen=True)
class Task:
    """Which models to score: the last `windows` windows up to the end of `day` whose readings are there."""

    day: date
    windows: int
    models: tuple[Model, ...]


@dataclass(frozen=True)
class Run:
    """One model's forecasts: each output is [windows, horizon, sensors], inputs are [windows, look_back, sensors]."""

    issued: tuple[str, ...]
    inputs: np.ndarray
    deviation: np.ndarray
    outputs: Mapping[str, np.ndarray]

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path, issued=np.array(self.issued), inputs=self.inputs, deviation=self.deviation, **self.outputs
        )

    @classmethod
    def load(cls, path: Path) -> "Run":
        with np.load(path) as kept:
            outputs = {name: kept[name] for name in OUTPUTS}
            return cls(tuple(map(str, kept["issued"])), kept["inputs"], kept["deviation"], outputs)


def main() -> None:
    """Command line: score, compare, report."""
    arguments = _arguments()
    task, data = read_task(Path(arguments.models)), resolve(arguments.workspace_data)
    readings, forecasts = resolve(arguments.sensor_data), Path(arguments.forecasts)
    reference = Path(arguments.reference) if arguments.reference else None
    forecasts.mkdir(parents=True, exist_ok=True)
    found = [_attempt(model, task, data, readings, forecasts, reference) for model in task.models]
    # A folder without a file is no input to a job: where every model breaks, the other step would hide why.
    (forecasts / "models.txt").write_text(
        "".join(f"{model.name}\n" for model in task.models), encoding="utf-8"
    )
    Path(arguments.report).write_text(
        json.dumps({"schema_version": 1, "models": found}, indent=2), encoding="utf-8"
    )
    broken = sum(bool(one["problem"]) for one in found)
    LOG.info("%d models scored, %d broke", len(found) - broken, broken)


def read_task(path: Path) -> Task:
    """Read the document; raises `InputError` saying what does not fit."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] != 1:
            raise InputError(f"models: schema_version {document['schema_version']} is not 1")
        models = tuple(Model(**item) for item in document["models"])
        return Task(date.fromisoformat(document["day"]), int(document["windows"]), models)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"models {path.name} does not say what to score: {error!r}") from error


def _attempt(
    model: Model, task: Task, data: str, readings: str, forecasts: Path, reference: Path | None
) -> dict[str, Any]:
    """What was measured of a model, or why nothing could be."""
    try:
        return {**model.key, "problem": None, **measure(model, task, data, readings, forecasts, reference)}
    except InputError as error:
        return {**model.key, "problem": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever an environment breaks with is what is looked for here
        LOG.exception("%s", model.name)
        return {**model.key, "problem": f"{type(error).__name__}: {error}"}


def measure(
    model: Model, task: Task, data: str, readings: str, forecasts: Path, reference: Path | None
) -> dict[str, Any]:
    """Score the model as batch_score does, keep its forecasts, and compare them with the reference's."""
    circuit = parse_circuit(yaml.safe_load(read_below(data, model.circuit_config)))
    forecaster = Forecaster.load(read_below(data, f"jobs/{model.job}/trained_model/{MODEL_FILE}"))
    series = load_recent(circuit, forecaster, readings, task.day, task.windows, Mode.REPLAY)
    issued = issue_times(series, forecaster, task.windows, Mode.REPLAY)
    inputs = look_backs(forecaster, series, issued)
    found = forecast(forecaster, inputs)
    run = Run(
        tuple(map(datetime.isoformat, issued)),
        inputs,
        np.array(forecaster.metadata["deviation"]),
        found.outputs,
    )
    run.save(forecasts / f"{model.name}.npz")
    measured = {
        "windows": len(issued),
        "rows": int(found.good.sum()),
        "failed_rows": found.failed,
        "latency_ms": latency(found),
    }
    if reference is None:
        return measured
    kept = reference / f"{model.name}.npz"
    if not kept.exists():
        raise InputError("it could not be scored in the other environment")
    return measured | compare(Run.load(kept), run)


def compare(before: Run, after: Run) -> dict[str, Any]:
    """How far two runs are apart, on the windows that both have.

    `compared` windows had the same readings, `differently_read` had others; of the compared ones `one_sided` counts
    cells that only one of the two has, `max_difference` is the largest distance in standard deviations of the sensor.
    """
    position = {at: index for index, at in enumerate(before.issued)}
    pairs = [(position[at], index) for index, at in enumerate(after.issued) if at in position]
    same = [
        (old, new)
        for old, new in pairs
        if np.array_equal(before.inputs[old], after.inputs[new], equal_nan=True)
    ]
    olds, news = ([pair[side] for pair in same] for side in (0, 1))
    one_sided, largest = 0, None
    for name in OUTPUTS:
        old, new = before.outputs[name][olds], after.outputs[name][news]
        finite = np.isfinite(old) & np.isfinite(new)
        one_sided += int((np.isfinite(old) != np.isfinite(new)).sum())
        apart = np.abs(new - old) / np.where(before.deviation > 0, before.deviation, 1.0)
        if finite.any():
            largest = max(largest or 0.0, float(apart[finite].max()))
    return {
        "compared": len(same),
        "differently_read": len(pairs) - len(same),
        "one_sided": one_sided,
        "max_difference": largest,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    parser.add_argument("--models", required=True, metavar="JSON", help="the models to score")
    parser.add_argument(
        "--workspace_data", required=True, metavar="URI", help="where models and configurations lie"
    )
    parser.add_argument("--sensor_data", required=True, metavar="URI", help="the table of readings")
    parser.add_argument("--reference", metavar="FOLDER", help="forecasts of another environment")
    parser.add_argument(
        "--forecasts", required=True, metavar="FOLDER", help="output: a file of forecasts per model"
    )
    parser.add_argument(
        "--report", required=True, metavar="JSON", help="output: what was measured of each model"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
