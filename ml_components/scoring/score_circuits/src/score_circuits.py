"""Score several days of many circuits in one process, each as batch_score does, its imports paid once.

A day at a time, the newest first, since its forecasts are waited for: every circuit is forecast, then all are written
in one commit. A repeat replaces what it wrote before. What cannot be scored of a circuit and a day is reported in the
place of its summary, and the rest goes on.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ and forecasting/ beside this file; in the repository they lie three and two folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[2:4]))

import yaml
from forecasting.scoring import Scored, Scoring, forecast_day, write
from forecasting.windows import Share
from shared.circuit import Circuit, parse_circuit
from shared.errors import LOG, InputError, run_command
from shared.forecaster import MODEL_FILE, Forecaster
from shared.storage import read_below, resolve


@dataclass(frozen=True)
class Wanted:
    """One circuit: its circuit_config, what serves it, and which windows of which days (ISO 8601) are its own.

    `model` is the folder of the model below the workspace's data.
    """

    plant_id: str
    circuit_id: str
    circuit_config: str
    model: str
    model_version: str
    deployment: str
    days: Sequence[str]
    windows: int = 1
    window_offset: float = 0.0
    window_share: float = 1.0

    @property
    def place(self) -> dict[str, str]:
        """What of the table of forecasts is its own."""
        return {
            "plant_id": self.plant_id,
            "circuit_id": self.circuit_id,
            "deployment": self.deployment,
        }


class Ready:
    """A circuit whose configuration and model are read once, by the first day that asks for them."""

    def __init__(self, wanted: Wanted, data: str) -> None:
        self.wanted, self._data = wanted, data

    @cached_property
    def circuit(self) -> Circuit:
        found = parse_circuit(yaml.safe_load(self.wanted.circuit_config))
        if (found.plant_id, found.circuit_id) != (self.wanted.plant_id, self.wanted.circuit_id):
            raise InputError(f"circuit_config is of {found.name}")
        return found

    @cached_property
    def model(self) -> Forecaster:
        return Forecaster.load(read_below(self._data, f"{self.wanted.model}/{MODEL_FILE}"))

    def scoring(self, day: date) -> Scoring:
        """What batch_score would be asked."""
        wanted = self.wanted
        return Scoring(
            circuit=self.circuit,
            model=self.model,
            model_version=wanted.model_version,
            deployment=wanted.deployment,
            day=day,
            windows=wanted.windows,
            share=Share(wanted.window_offset, wanted.window_share),
        )


def main() -> None:
    """Command line: score day after day, report all."""
    arguments = _arguments()
    data, readings, forecasts = map(
        resolve, (arguments.workspace_data, arguments.sensor_data, arguments.forecasts)
    )
    ready = [Ready(wanted, data) for wanted in read_circuits(arguments.circuits)]
    summaries = [summary for day in _days(ready) for summary in score_day(ready, day, readings, forecasts)]
    arguments.summaries.write_text(json.dumps(summaries, indent=1), encoding="utf-8")
    failed = sum(summary["problem"] is not None for summary in summaries)
    LOG.info("%d circuits: %d days scored, %d not", len(ready), len(summaries) - failed, failed)


def read_circuits(path: Path) -> list[Wanted]:
    """The list; raises `InputError` where it is none, or where two of it would write the same rows."""
    try:
        found = [Wanted(**item) for item in json.loads(path.read_text(encoding="utf-8"))]
        for wanted in found:
            list(map(date.fromisoformat, wanted.days))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"circuits {path} is no list of circuits: {error}") from error
    places = [tuple(wanted.place.values()) for wanted in found]
    if doubled := sorted({place for place in places if places.count(place) > 1}):
        raise InputError(f"circuits {path} has {'/'.join(doubled[0][:2])}, {doubled[0][2]}, more than once")
    return found


def score_day(ready: Sequence[Ready], day: str, readings: str, forecasts: str) -> list[dict[str, Any]]:
    """The day's summaries, each with `problem`: None, or why there is nothing else in it."""
    scored = [_attempt(one, day, readings) for one in ready if day in one.wanted.days]
    done = write([one for one in scored if isinstance(one, Scored)], forecasts)
    problems = [one for one in scored if not isinstance(one, Scored)]
    return [*({**summary, "problem": None} for summary in done), *problems]


def _attempt(one: Ready, day: str, readings: str) -> Scored | dict[str, Any]:
    where = one.wanted.place | {"score_date": day}
    try:
        return forecast_day(one.scoring(date.fromisoformat(day)), readings)
    except InputError as error:
        return where | {"problem": str(error)}
    except Exception as error:  # noqa: BLE001 - one circuit stops no other: log and summary say why
        LOG.exception("%s", where)
        return where | {"problem": f"{type(error).__name__}: {error}"}


def _days(ready: Sequence[Ready]) -> list[str]:
    return sorted({day for one in ready for day in one.wanted.days}, reverse=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the list cannot be used, and the message says what to change."
    )
    parser.add_argument("--circuits", type=Path, required=True, metavar="JSON", help="what to score")
    parser.add_argument("--workspace_data", required=True, metavar="URI", help="where the models lie")
    parser.add_argument("--sensor_data", required=True, metavar="URI", help="Delta table of readings")
    parser.add_argument("--forecasts", required=True, metavar="URI", help="Delta table of forecasts")
    parser.add_argument(
        "--summaries", type=Path, required=True, metavar="JSON", help="output: a summary a circuit and day"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
