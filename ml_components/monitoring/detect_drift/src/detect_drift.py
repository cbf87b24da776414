"""Judge whether a circuit's readings, residuals, forecasts and errors are still what its model was trained on.

Data quality comes first: what is stuck, missing, silent or out of range is a sensor to repair and is judged no
further. Tests count independent values, not rows; what they find must last for several days before it is drift. The
plain KS p-value is reported and never acted on.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

import numpy as np
from detector import MIN_DAYS, WINDOW_DAYS, Detector, Findings, Stretch, guard, window_days
from history import earlier_findings, remember
from shared.circuit import Circuit, load_circuit
from shared.errors import LOG, InputError, run_command
from shared.findings import Finding
from shared.readings import load_grid
from shared.storage import resolve
from sources import forecast_drift, model_drift, strangers
from verdict import Kind, Verdict, judge


@dataclass(frozen=True)
class Span:
    """The reference ends with the cutoff date, or where the current window begins if that is earlier."""

    reference_start: datetime
    reference_end: datetime
    current_start: datetime
    end: datetime

    @classmethod
    def of(cls, circuit: Circuit, day: date, reference_days: int, window: int) -> "Span":
        """Of a window of whole days that ends with `day`."""
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        start = end - timedelta(days=window)
        reference_end = min(circuit.cutoff, start)
        return cls(reference_end - timedelta(days=reference_days), reference_end, start, end)

    @property
    def window(self) -> int:
        """Days of the current window."""
        return (self.end - self.current_start).days


def main() -> None:
    """Command line: read, judge, remember, report."""
    arguments = _arguments()
    circuit, day = load_circuit(arguments.circuit_config), _day(arguments.day)
    if 1440 % circuit.frequency_minutes:
        raise InputError(f"frequency_minutes must divide a day, got {circuit.frequency_minutes}")
    readings = resolve(arguments.sensor_data)
    span, reference, current = _load(circuit, readings, day, arguments.reference_days)
    found = _look(circuit, reference, current)
    for finding in strangers(circuit, readings, span.current_start, span.end):
        found.add(Kind.DATA_QUALITY, finding)
    if arguments.forecasts:
        forecast_drift(found, circuit, resolve(arguments.forecasts), span.end, span.window)
    if arguments.metrics:
        model_drift(found, circuit, resolve(arguments.metrics), day, arguments.model_drift)
    history = resolve(arguments.history)
    earlier = earlier_findings(history, circuit, day, arguments.days)
    verdict = judge(found.observed, earlier, arguments.needed)
    version = remember(history, circuit, day, found.observed)
    document = _report(circuit, day, span, found, verdict) | {
        "persistence": {
            "days": arguments.days,
            "needed": arguments.needed,
            "judged": sorted([*earlier, day.isoformat()]),
        },
        "delta_version": version,
    }
    Path(arguments.report).write_text(json.dumps(document, indent=2), encoding="utf-8")
    _plot(Path(arguments.plots), circuit, reference, current, verdict)
    LOG.info("%s: %s (%s)", circuit.name, verdict.severity, verdict.sentence)


def _load(circuit: Circuit, readings: str, day: date, reference_days: int) -> tuple[Span, Stretch, Stretch]:
    """Reference and current readings; a circuit with a short past is judged by shorter windows."""
    if window_days(reference_days) is None:
        raise InputError(f"reference_days must be at least {MIN_DAYS} (eight weeks), got {reference_days}")
    span = Span.of(circuit, day, reference_days, max(WINDOW_DAYS))
    before = load_grid(circuit, readings, span.reference_start, span.reference_end).values
    now = load_grid(circuit, readings, span.current_start, span.end).values
    if np.isnan(before).all() and np.isnan(now).all():
        raise InputError(
            f"no reading of {circuit.name} up to {day}: run etl_merge first, or judge an earlier day"
        )
    reference, current = (Stretch(values, circuit.frequency_minutes) for values in (before, now))
    seen = np.flatnonzero(~np.isnan(before).all(1))
    days = (len(before) - int(seen[0])) // reference.rows_a_day if len(seen) else 0
    window = window_days(days) or min(WINDOW_DAYS)
    used = replace(
        span,
        reference_start=span.reference_end - timedelta(days=days),
        current_start=span.end - timedelta(days=window),
    )
    return used, reference.last_days(days), current.last_days(window)


def _look(circuit: Circuit, reference: Stretch, current: Stretch) -> Findings:
    """Data quality alone where the reference is too short for more."""
    days = len(reference.values) // reference.rows_a_day
    if window_days(days) is not None:
        return Detector(circuit.sensors, reference).judge(current)
    found = guard(circuit.sensors, reference, current)[0]
    sentence = (
        f"{circuit.name} has {days} days of readings before its cutoff date; judging drift needs {MIN_DAYS}"
    )
    found.not_judged.append(Finding("short-reference", None, sentence, float(days), float(MIN_DAYS)))
    return found


def _report(circuit: Circuit, day: date, span: Span, found: Findings, verdict: Verdict) -> dict[str, Any]:
    """report.json; ml_components/README.md describes it."""
    return {
        "schema_version": 1,
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "day": day.isoformat(),
        "cutoff_date": circuit.cutoff_date.isoformat(),
        "severity": verdict.severity,
        "kinds": verdict.kinds,
        "retrain": verdict.retrain,
        "sentence": f"{circuit.name}: {verdict.sentence}",
        "reasons": [one.observed.finding.sentence for one in verdict.findings],
        "findings": [
            {
                "kind": one.observed.kind,
                "severity": one.severity,
                "days": one.days,
                **one.observed.finding.document(),
            }
            for one in verdict.findings
        ],
        "not_judged": [finding.document() for finding in found.not_judged],
        "sensors": found.sensors,
        "model_ratio": found.ratio,
        "reference": {"start": span.reference_start.isoformat(), "end": span.reference_end.isoformat()},
        "current": {
            "start": span.current_start.isoformat(),
            "end": span.end.isoformat(),
            "days": span.window,
        },
    }


def _plot(folder: Path, circuit: Circuit, reference: Stretch, current: Stretch, verdict: Verdict) -> None:
    from plots import write_distributions

    folder.mkdir(parents=True, exist_ok=True)
    alarms: dict[str, str] = {}
    for one in verdict.findings:
        if one.observed.finding.sensor:
            alarms.setdefault(one.observed.finding.sensor, one.observed.kind)
    write_distributions(
        folder / "distributions.svg", circuit.sensors, reference.values, current.values, alarms
    )


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
        "--history", required=True, metavar="URI", help="Delta table of daily findings: read and replaced"
    )
    parser.add_argument(
        "--day", required=True, metavar="YYYY-MM-DD", help="judge what led up to its end (UTC)"
    )
    parser.add_argument("--forecasts", metavar="URI", help="Delta table of forecasts, for prediction drift")
    parser.add_argument("--metrics", metavar="URI", help="Delta table of calculate_metrics, for model drift")
    parser.add_argument(
        "--model_drift",
        type=float,
        default=0.10,
        metavar="SHARE",
        help="errors beyond training's that are drift",
    )
    parser.add_argument(
        "--reference_days", type=int, default=364, metavar="N", help="days before the cutoff to compare with"
    )
    parser.add_argument("--days", type=int, default=5, metavar="N", help="days that are looked back on")
    parser.add_argument("--needed", type=int, default=3, metavar="N", help="days of them that make it drift")
    parser.add_argument("--report", required=True, metavar="JSON", help="output: the verdict and its reasons")
    parser.add_argument("--plots", required=True, metavar="FOLDER", help="output: distributions then and now")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
