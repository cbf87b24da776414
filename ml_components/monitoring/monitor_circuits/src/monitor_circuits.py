"""Look at a day of many circuits: check their forecasts, measure their errors, judge their drift.

One process for all of them: each of the three commands runs as from a shell, its imports paid once. What cannot be
looked at of a circuit is reported in the place of its report, and the rest goes on. A day that is looked at again
replaces what stood there for it.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ and the folders of the three beside this file; in the repository they lie above it.
sys.path.extend(
    str(Path(__file__).resolve().parent / place)
    for place in (
        *("validate_predictions/src", "calculate_metrics/src", "detect_drift/src"),
        *(
            "../../../scoring/validate_predictions/src",
            "../../calculate_metrics/src",
            "../../detect_drift/src",
        ),
        "../../..",
    )
)

import calculate_metrics
import detect_drift
import validate_predictions
from shared.errors import LOG, InputError, run_command


@dataclass(frozen=True)
class Watched:
    """One circuit: its circuit_config, what serves it, and its training's metrics.json where that is known."""

    plant_id: str
    circuit_id: str
    circuit_config: str
    deployment: str
    model_version: str
    training_metrics: dict[str, Any] | None


def main() -> None:
    """Command line: look at each circuit in turn, report all."""
    arguments = _arguments()
    watched = read_circuits(arguments.circuits)
    arguments.plots.mkdir(parents=True, exist_ok=True)
    reports = [look_at(circuit, arguments) for circuit in watched]
    arguments.reports.write_text(json.dumps(reports, indent=1), encoding="utf-8")
    LOG.info("%d circuits looked at", len(reports))


def read_circuits(path: Path) -> list[Watched]:
    """The list; raises `InputError` where it is none."""
    try:
        return [Watched(**item) for item in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"circuits {path} is no list of circuits: {error}") from error


def look_at(circuit: Watched, arguments: argparse.Namespace) -> dict[str, Any]:
    """The three reports of a circuit; errors are measured before drift is judged, which reads them."""
    with TemporaryDirectory(prefix="circuit-") as name:
        folder = Path(name)
        tables = {
            "circuit_config": _written(folder / "circuit.yaml", circuit.circuit_config),
            "sensor_data": arguments.sensor_data,
            "forecasts": arguments.forecasts,
        }
        validating = {"deployment": circuit.deployment, "score_date": arguments.day}
        measuring = {
            "metrics": arguments.metrics,
            "day": arguments.day,
            "model_version": circuit.model_version,
        }
        if circuit.training_metrics is not None:
            trained = json.dumps(circuit.training_metrics)
            measuring["training_metrics"] = _written(folder / "metrics.json", trained)
        judging = {
            "metrics": arguments.metrics,
            "history": arguments.history,
            "day": arguments.day,
            "model_drift": str(arguments.model_drift),
            "plots": str(folder / "plots"),
        }
        found = {
            "plant_id": circuit.plant_id,
            "circuit_id": circuit.circuit_id,
            "validation": _report(validate_predictions.main, folder, tables | validating),
            "errors": _report(calculate_metrics.main, folder, tables | measuring),
            "drift": _report(detect_drift.main, folder, tables | judging),
        }
        plot = folder / "plots" / "distributions.svg"
        if plot.exists():
            (arguments.plots / f"{circuit.plant_id}-{circuit.circuit_id}.svg").write_bytes(plot.read_bytes())
    return found


def _report(command: Callable[[], None], folder: Path, options: dict[str, str]) -> dict[str, Any]:
    """What a command reports, run as from a shell; `{"problem": …}` where it cannot."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    flags = [
        part for name, value in (options | {"report": str(report)}).items() for part in (f"--{name}", value)
    ]
    sys.argv = [command.__module__, *flags]
    try:
        command()
    except InputError as error:
        return {"problem": str(error)}
    except Exception as error:  # noqa: BLE001 - one circuit stops no other: log and report say why
        LOG.exception("%s %s", command.__module__, options["circuit_config"])
        return {"problem": f"{type(error).__name__}: {error}"}
    return json.loads(report.read_text(encoding="utf-8"))


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the list cannot be used, and the message says what to change."
    )
    parser.add_argument("--circuits", type=Path, required=True, metavar="JSON", help="what to look at")
    parser.add_argument("--sensor_data", required=True, metavar="URI", help="Delta table of readings")
    parser.add_argument("--forecasts", required=True, metavar="URI", help="Delta table of forecasts")
    parser.add_argument("--metrics", required=True, metavar="URI", help="Delta table of errors, by day")
    parser.add_argument("--history", required=True, metavar="URI", help="Delta table of daily findings")
    parser.add_argument("--day", required=True, metavar="YYYY-MM-DD", help="the day that is looked at (UTC)")
    parser.add_argument(
        "--model_drift", type=float, default=0.10, metavar="SHARE", help="errors beyond training's"
    )
    parser.add_argument("--reports", type=Path, required=True, metavar="JSON", help="output: all reports")
    parser.add_argument(
        "--plots", type=Path, required=True, metavar="FOLDER", help="output: an SVG a circuit"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
