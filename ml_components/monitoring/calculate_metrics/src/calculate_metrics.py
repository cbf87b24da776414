"""Measure the forecasts whose hour has come: rolling errors beside seasonal-naive and beside training's, by circuit.

A day that is measured again replaces what stood there for it. What has no reading yet is left out.
"""

import argparse
import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

from errors_table import measure, read_pairs, remember
from shared.circuit import load_circuit
from shared.errors import LOG, InputError, run_command
from shared.storage import resolve


def main() -> None:
    """Command line: pair, measure, remember, report."""
    arguments = _arguments()
    circuit, day = load_circuit(arguments.circuit_config), _day(arguments.day)
    if arguments.days < 1:
        raise InputError(f"days must be at least 1, got {arguments.days}")
    training = _training(arguments.training_metrics)
    found = read_pairs(
        circuit,
        *(resolve(arguments.forecasts), resolve(arguments.sensor_data), day, arguments.days),
        circuit.hyperparameters.season,
    )
    measured = [
        (pairs, measure(pairs, circuit.sensors, training if _is_champion(pairs, arguments) else {}))
        for pairs in found
    ]
    version = remember(resolve(arguments.metrics), circuit, day, measured) if measured else None
    document = {
        "schema_version": 1,
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "day": day.isoformat(),
        "days": arguments.days,
        "models": [
            {
                "deployment": pairs.deployment,
                "model_version": pairs.model_version,
                "issues": pairs.issues,
                **errors,
            }
            for pairs, errors in measured
        ],
        "reason": ""
        if measured
        else f"no forecast of the {arguments.days} days up to {day} has a reading yet",
        "delta_version": version,
    }
    Path(arguments.report).write_text(json.dumps(document, indent=2), encoding="utf-8")
    LOG.info("%s: %d models measured %s", circuit.name, len(measured), document["reason"])


def _is_champion(pairs: Any, arguments: argparse.Namespace) -> bool:
    """Training's errors are those of one model version: only that one is compared with them."""
    return pairs.model_version == arguments.model_version


def _training(path: str | None) -> dict[str, dict[str, float]]:
    """Errors by sensor out of metrics.json of evaluate_model."""
    if path is None:
        return {}
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8"))["sensors"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"training_metrics {path} is no metrics.json of evaluate_model: {error!r}"
        ) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"day must be YYYY-MM-DD, got {text!r}") from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    parser.add_argument(
        "--circuit_config", required=True, metavar="YAML", help="the circuit, everything resolved"
    )
    parser.add_argument(
        "--sensor_data", required=True, metavar="URI", help="abfss:// URI or folder of the readings"
    )
    parser.add_argument(
        "--forecasts", required=True, metavar="URI", help="abfss:// URI or folder of the forecasts"
    )
    parser.add_argument("--metrics", required=True, metavar="URI", help="Delta table of errors, by day")
    parser.add_argument(
        "--day", required=True, metavar="YYYY-MM-DD", help="the newest day that is measured (UTC)"
    )
    parser.add_argument("--days", type=int, default=7, metavar="N", help="days that the errors roll over")
    parser.add_argument(
        "--training_metrics", metavar="JSON", help="metrics.json of the champion's evaluation"
    )
    parser.add_argument(
        "--model_version", default="", metavar="TEXT", help="the champion, which training_metrics is of"
    )
    parser.add_argument("--report", required=True, metavar="JSON", help="output: the errors")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
