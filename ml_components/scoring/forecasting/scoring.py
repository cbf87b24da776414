"""One circuit scored: read, forecast, write, and say what was done."""

import time
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from shared.circuit import Circuit
from shared.delta import replace_rows
from shared.errors import InputError
from shared.forecaster import Forecaster

from forecasting.asking import Asked, Endpoint, ask
from forecasting.forecast import Forecasts, forecast, latency, replay_error
from forecasting.table import forecast_rows, replaced
from forecasting.windows import Mode, Share, actuals, issue_times, load_recent, look_backs


@dataclass(frozen=True)
class Scoring:
    """What to score: the last `windows` windows of `day` that fall to this deployment's share.

    With an `endpoint` that one is asked for the forecasts; `model` then only says what they look like.
    """

    circuit: Circuit
    model: Forecaster
    model_version: str
    deployment: str
    day: date
    windows: int = 1
    share: Share = field(default_factory=Share)
    mode: Mode = Mode.FORECAST
    endpoint: Endpoint | None = None


def score(scoring: Scoring, readings: str, forecasts: str) -> dict[str, Any]:
    """Score from the table of readings into the table of forecasts; returns summary.json.

    A repeat replaces what it wrote before. A replay writes nothing and measures the error instead.
    """
    clock, circuit, model = _Clock(), scoring.circuit, scoring.model
    series = load_recent(circuit, model, readings, scoring.day, scoring.windows, scoring.mode)
    load_seconds = clock.lap()
    available = issue_times(series, model, scoring.windows, scoring.mode)
    issued = [at for at in available if scoring.share.holds(circuit, at)]
    inputs = look_backs(model, series, issued)
    asked = _ask(scoring, inputs)
    found = asked.found if asked else forecast(model, inputs)
    replayed = scoring.mode is Mode.REPLAY
    error = replay_error(model, found, inputs, actuals(model, series, issued)) if replayed else None
    predict_seconds = clock.lap()
    version = None if replayed else _write(scoring, issued, found, forecasts)
    return {
        "schema_version": 1,
        "mode": scoring.mode,
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "deployment": scoring.deployment,
        "model_version": scoring.model_version,
        "score_date": scoring.day.isoformat(),
        "issued_at": [at.isoformat() for at in issued],
        "windows": {"available": len(available), "scored": len(issued)},
        "rows": int(found.good.sum()),
        "failed_rows": found.failed,
        "skipped_sensors": skipped_sensors(circuit, found),
        "latency_ms": latency(found),
        "requests": asked.summary if asked else None,
        "error": error,
        "seconds": {"load": load_seconds, "predict": predict_seconds, "write": clock.lap()},
        "delta_version": version,
    }


def skipped_sensors(circuit: Circuit, found: Forecasts) -> dict[str, str]:
    """Sensors without a forecast in some window, and why."""
    gaps = (~found.usable).sum(0)
    return {
        sensor: f"a long gap in the look-back of {count} windows"
        for sensor, count in zip(circuit.sensors, gaps.tolist(), strict=True)
        if count
    }


def _ask(scoring: Scoring, inputs: np.ndarray) -> Asked | None:
    """What the endpoint answers; raises `InputError` where a forecast was needed and no request was answered."""
    if scoring.endpoint is None:
        return None
    asked = ask(scoring.endpoint, scoring.model, inputs)
    if scoring.mode is Mode.FORECAST and asked.problems and len(asked.problems) == len(inputs):
        raise InputError(
            f"{scoring.endpoint.uri} answered no request: {', '.join(sorted(set(asked.problems)))}"
        )
    return asked


def _write(scoring: Scoring, issued: list[datetime], found: Forecasts, table: str) -> int | None:
    rows = forecast_rows(scoring.circuit, issued, found, scoring.model_version, scoring.deployment)
    if not rows.num_rows:
        return None
    return replace_rows(table, rows, replaced(scoring.circuit, issued, scoring.deployment))


class _Clock:
    def __init__(self) -> None:
        self._at = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self._at = self._at, time.perf_counter()
        return round(self._at - before, 3)
