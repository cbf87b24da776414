"""Check a circuit's newest forecasts before anybody relies on them: there, fresh, in range, no jumps, not flat.

What is found is reported, not refused: the exit is not 0 only where there is nothing to check. `valid` says whether
the forecasts may be relied on; a limit that is forecast to be passed is an alarm, not a fault.
"""

import argparse
import json
import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

import numpy as np
from checks import Forecast, check, check_freshness, check_presence
from shared.circuit import Circuit, load_circuit
from shared.errors import LOG, InputError, run_command
from shared.query import equal, moment, select, text
from shared.readings import load_grid
from shared.storage import resolve

ALARMS = {"limit"}


def main() -> None:
    """Command line: read the newest forecasts, check, report."""
    arguments = _arguments()
    circuit, day = load_circuit(arguments.circuit_config), _day(arguments.score_date)
    due = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    issued, forecasts = read_newest(
        circuit, resolve(arguments.forecasts), resolve(arguments.sensor_data), arguments.deployment, due
    )
    findings = [
        *check_freshness(issued, due, timedelta(minutes=circuit.frequency_minutes)),
        *check_presence(circuit.sensors, forecasts),
    ]
    for sensor, forecast in forecasts.items():
        findings += check(forecast, circuit.limits.get(sensor))
    faults = [finding for finding in findings if finding.name not in ALARMS]
    document = {
        "schema_version": 1,
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "deployment": arguments.deployment,
        "score_date": day.isoformat(),
        "issued_at": issued.isoformat(),
        "valid": not faults,
        "sentence": f"{circuit.name}: {'; '.join(one.sentence for one in faults) or 'forecasts are sound'}",
        "findings": [finding.document() for finding in findings],
    }
    Path(arguments.report).write_text(json.dumps(document, indent=2), encoding="utf-8")
    LOG.info(document["sentence"])


def read_newest(
    circuit: Circuit, forecasts: str, readings: str, deployment: str, due: datetime
) -> tuple[datetime, dict[str, Forecast]]:
    """The newest issue time up to `due`, its forecasts by sensor, each with the 28 days of readings before it."""
    mine = equal(plant_id=circuit.plant_id, circuit_id=circuit.circuit_id, deployment=deployment)
    mine += f" AND issued_at <= {moment(due)}"
    newest: list[Any] = (
        select(forecasts, f"SELECT max(issued_at) AS newest FROM rows WHERE {mine}")  # noqa: S608 every text is quoted
        .column("newest")
        .to_pylist()
    )
    [issued] = newest
    if issued is None:
        raise InputError(
            f"{circuit.name} has no forecast of deployment {deployment} issued up to {due.isoformat()}: score first"
        )
    rows = select(
        forecasts,
        "SELECT sensor, to_unixtime(time) AS second, forecast, lower, upper FROM rows "  # noqa: S608 as above
        f"WHERE {mine} AND issued_at = {moment(issued)} AND sensor IN ({', '.join(map(text, circuit.sensors))})",
    )
    step = circuit.frequency_minutes * 60
    ahead = (rows.column("second").to_numpy() - int(issued.timestamp())) // step
    steps = int(ahead.max(initial=-1)) + 1
    sensors = np.array(rows.column("sensor").to_pylist())
    before = load_grid(circuit, readings, _grid_start(issued, step), issued).values
    found: dict[str, Forecast] = {}
    for index, sensor in enumerate(circuit.sensors):
        own = sensors == sensor
        if not own.any():
            continue
        columns = np.full((3, steps), np.nan)
        for row, name in zip(columns, ("forecast", "lower", "upper"), strict=True):
            row[ahead[own]] = rows.column(name).to_numpy()[own]
        found[sensor] = Forecast(sensor, *columns, before[:, index])
    return issued, found


def _grid_start(issued: datetime, step: int) -> datetime:
    return datetime.fromtimestamp((int(issued.timestamp()) - 28 * 86400) // step * step, UTC)


def _day(text_given: str) -> date:
    try:
        return date.fromisoformat(text_given)
    except ValueError as error:
        raise InputError(f"score_date must be YYYY-MM-DD, got {text_given!r}") from error


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
    parser.add_argument("--deployment", required=True, metavar="TEXT", help="whose forecasts are checked")
    parser.add_argument(
        "--score_date",
        required=True,
        metavar="YYYY-MM-DD",
        help="forecasts are due at the end of this day (UTC)",
    )
    parser.add_argument("--report", required=True, metavar="JSON", help="output: what was found")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
