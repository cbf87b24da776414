"""Forecast one circuit from its latest readings and write the forecasts, with intervals, to a Delta table.

A repeat replaces what it wrote before: the same circuit, issue time and deployment never stand there twice. A replay
forecasts windows whose readings are there already, measures the error and writes no forecast. An online endpoint can be
asked for the forecasts, one request a window, instead of the model.
"""

import argparse
import json
import os
import sys
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ and forecasting/ beside this file; in the repository they lie three and two folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[2:4]))

from forecasting.asking import Endpoint
from forecasting.scoring import Scoring, score
from forecasting.windows import Mode, Share
from shared.circuit import load_circuit
from shared.errors import LOG, InputError, run_command
from shared.forecaster import Forecaster
from shared.storage import resolve


def main() -> None:
    """Command line: score, report."""
    arguments = _arguments()
    scoring = _scoring(arguments)
    summary = score(scoring, resolve(arguments.sensor_data), resolve(arguments.forecasts))
    Path(arguments.summary).write_text(json.dumps(summary, indent=2), encoding="utf-8")
    LOG.info(
        "%s: %s of %d windows, %d rows",
        *(scoring.circuit.name, scoring.mode, summary["windows"]["scored"], summary["rows"]),
    )


def _scoring(arguments: argparse.Namespace) -> Scoring:
    if arguments.windows < 1:
        raise InputError(f"windows must be at least 1, got {arguments.windows}")
    return Scoring(
        circuit=load_circuit(arguments.circuit_config),
        model=Forecaster.load(arguments.model),
        model_version=arguments.model_version,
        deployment=arguments.deployment,
        day=_day(arguments.score_date),
        windows=arguments.windows,
        share=Share(arguments.window_offset, arguments.window_share),
        mode=_mode(arguments.mode),
        endpoint=_endpoint(arguments),
    )


def _endpoint(arguments: argparse.Namespace) -> Endpoint | None:
    if arguments.scoring_uri is None:
        return None
    return Endpoint(arguments.scoring_uri, arguments.asked_deployment)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"score_date must be YYYY-MM-DD, got {text!r}") from error


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError as error:
        raise InputError(f"mode must be {' or '.join(Mode)}, got {text!r}") from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    parser.add_argument("--model", required=True, metavar="FOLDER", help="MLflow model folder of train_lstm")
    parser.add_argument(
        "--circuit_config", required=True, metavar="YAML", help="the circuit, everything resolved"
    )
    parser.add_argument(
        "--sensor_data", required=True, metavar="URI", help="abfss:// URI or folder of the readings"
    )
    parser.add_argument(
        "--forecasts", required=True, metavar="URI", help="abfss:// URI or folder of the forecasts"
    )
    parser.add_argument(
        "--score_date", required=True, metavar="YYYY-MM-DD", help="issue at the end of this day (UTC)"
    )
    parser.add_argument(
        "--model_version", required=True, metavar="TEXT", help="written beside every forecast"
    )
    parser.add_argument("--deployment", required=True, metavar="TEXT", help="written beside every forecast")
    parser.add_argument(
        "--window_share", type=float, default=1.0, metavar="0..1", help="share of the windows to score"
    )
    parser.add_argument(
        "--window_offset", type=float, default=0.0, metavar="0..1", help="where the share begins"
    )
    parser.add_argument("--windows", type=int, default=1, metavar="N", help="issue times: the last N steps")
    parser.add_argument(
        "--mode",
        default=Mode.FORECAST,
        metavar="MODE",
        help="forecast, or replay: measure on what was read since",
    )
    parser.add_argument(
        "--scoring_uri", metavar="URI", help="an online endpoint, asked instead of the model here"
    )
    parser.add_argument(
        "--asked_deployment", metavar="NAME", help="which of its deployments; left out: as its traffic falls"
    )
    parser.add_argument("--summary", required=True, metavar="JSON", help="output: what was scored, how fast")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
