"""What else is looked at beside the readings: unknown sensors, earlier forecasts, the model's errors."""

from datetime import date, datetime, timedelta

import numpy as np
from calibration import MIN_BLOCKS
from detector import Findings, prediction_drift
from shared.circuit import Circuit
from shared.findings import Finding
from shared.query import equal, moment, select, select_if_there, text
from verdict import Kind

HISTORY_DAYS = 364


def strangers(circuit: Circuit, readings: str, start: datetime, end: datetime) -> list[Finding]:
    """Schema: sensors that the table has for the circuit and circuit_config does not know."""
    known = ", ".join(map(text, circuit.sensors))
    rows = select(
        readings,
        f"SELECT DISTINCT sensor FROM rows WHERE {_circuit(circuit)} AND sensor NOT IN ({known}) "  # noqa: S608 every text is quoted
        f"AND time >= {moment(start)} AND time < {moment(end)} ORDER BY 1",
    )
    return [
        Finding("schema", None, f"the readings have a sensor {name} that circuit_config does not name")
        for name in rows.column("sensor").to_pylist()
    ]


def forecast_drift(found: Findings, circuit: Circuit, forecasts: str, end: datetime, window: int) -> None:
    """Prediction drift of the window's forecasts, from the blocks of forecasts before it."""
    start = end - timedelta(days=HISTORY_DAYS + window)
    rows = select_if_there(
        forecasts,
        f"SELECT sensor, to_unixtime(time) AS second, avg(forecast) AS value FROM rows "  # noqa: S608 as above
        f"WHERE {_circuit(circuit)} AND time >= {moment(start)} AND time < {moment(end)} GROUP BY 1, 2",
    )
    days, block = HISTORY_DAYS + window, window * 1440 // circuit.frequency_minutes
    grid = np.full((days * 1440 // circuit.frequency_minutes, len(circuit.sensors)), np.nan)
    if rows is not None and rows.num_rows:
        known = {sensor: index for index, sensor in enumerate(circuit.sensors)}
        columns = np.array([known.get(sensor, -1) for sensor in rows.column("sensor").to_pylist()])
        steps = (rows.column("second").to_numpy() - int(start.timestamp())) // (
            circuit.frequency_minutes * 60
        )
        mine = columns >= 0
        grid[steps[mine], columns[mine]] = rows.column("value").to_numpy()[mine]
    whole = grid[len(grid) % block :].reshape(-1, block, len(circuit.sensors))
    filled = ~np.isnan(whole[:-1]).all((1, 2))
    if filled.sum() < MIN_BLOCKS or np.isnan(whole[-1]).all():
        sentence = f"forecasts fill {int(filled.sum())} earlier stretches of {window} days; judging needs {MIN_BLOCKS}"
        found.not_judged.append(
            Finding("short-forecasts", None, sentence, float(filled.sum()), float(MIN_BLOCKS))
        )
        return
    for index, sensor in enumerate(circuit.sensors):
        if not np.isnan(whole[-1, :, index]).all():
            prediction_drift(found, sensor, whole[:-1, :, index], whole[-1, :, index])


def model_drift(found: Findings, circuit: Circuit, metrics: str, day: date, limit: float) -> None:
    """Model drift: the newest rolling error up to `day` over that of training, as calculate_metrics wrote it."""
    rows = select_if_there(
        metrics,
        f"SELECT day, ratio FROM rows WHERE {_circuit(circuit)} AND sensor = '' "  # noqa: S608 as above
        f"AND day <= '{day.isoformat()}' AND ratio IS NOT NULL ORDER BY day DESC LIMIT 1",
    )
    if rows is None or not rows.num_rows:
        sentence = f"{circuit.name} has no rolling error yet: run calculate_metrics"
        found.not_judged.append(Finding("no-metrics", None, sentence))
        return
    [ratio], [at] = rows.column("ratio").to_pylist(), rows.column("day").to_pylist()
    found.ratio = ratio
    if ratio - 1.0 > limit:
        sentence = f"the error of the days up to {at} is {ratio:.2f} times that of training (limit {1.0 + limit:.2f})"
        found.add(Kind.MODEL, Finding("model", None, sentence, ratio, 1.0 + limit))


def _circuit(circuit: Circuit) -> str:
    return equal(plant_id=circuit.plant_id, circuit_id=circuit.circuit_id)
