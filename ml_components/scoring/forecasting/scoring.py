"""Circuits scored: read, forecast, write all at once, and say what was done of each."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from shared.circuit import Circuit
from shared.delta import replace_rows
from shared.errors import InputError
from shared.forecaster import Forecaster

from forecasting.asking import Asked, Endpoint, ask
from forecasting.forecast import Forecasts, forecast, latency, replay_error
from forecasting.table import forecast_rows, replaced
from forecasting.windows import Mode, Share, actuals, issue_times, load_recent, look_backs

if TYPE_CHECKING:
    from arro3.core import Table


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


@dataclass(frozen=True)
class Scored:
    """What a model forecast, before it is written: summary.json but for the write, and the rows, with the predicate of
    those that they replace. A replay has no rows.
    """

    summary: dict[str, Any]
    rows: "Table | None" = None
    replaces: str = ""


def score(scoring: Scoring, readings: str, forecasts: str) -> dict[str, Any]:
    """Score from the table of readings into the table of forecasts; returns summary.json.

    A repeat replaces what it wrote before. A replay writes nothing and measures the error instead.
    """
    return write([forecast_day(scoring, readings)], forecasts)[0]


def forecast_day(scoring: Scoring, readings: str) -> Scored:
    """Forecast from the table of readings; nothing is written yet."""
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
    summary = {
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
        "seconds": {"load": load_seconds, "predict": clock.lap()},
    }
    if replayed:
        return Scored(summary)
    rows = forecast_rows(circuit, issued, found, scoring.model_version, scoring.deployment)
    return Scored(summary, rows, replaced(circuit, issued, scoring.deployment))


def write(scored: Sequence[Scored], forecasts: str) -> list[dict[str, Any]]:
    """Put forecasts into their table in one commit, in the place of what stood there; gives back their summaries.

    No two may be of the same circuit, issue time and deployment. The seconds of the write are those of all together.
    """
    clock = _Clock()
    version = _commit([one for one in scored if _has_rows(one)], forecasts)
    seconds = clock.lap()
    return [
        one.summary
        | {
            "seconds": one.summary["seconds"] | {"write": seconds},
            "delta_version": version if _has_rows(one) else None,
        }
        for one in scored
    ]


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


def _has_rows(scored: Scored) -> bool:
    return scored.rows is not None and scored.rows.num_rows > 0


def _commit(scored: Sequence[Scored], forecasts: str) -> int | None:
    from arro3.core import Table

    if not scored:
        return None
    batches = [batch for one in scored if one.rows for batch in one.rows.to_batches()]
    return replace_rows(
        forecasts, Table.from_batches(batches), " OR ".join(f"({one.replaces})" for one in scored)
    )


class _Clock:
    def __init__(self) -> None:
        self._at = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self._at = self._at, time.perf_counter()
        return round(self._at - before, 3)
