"""One circuit's drift: the verdict on a day's report under the stage's alert limits, and what is remembered of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import AlertPolicy, Stage

MARKS = 30
LASTS = "drift"  # what detect_drift calls a finding that lasted long enough, or needs no time to be sure of
SMALLEST_LIMIT = 0.01  # a limit of 0 would make every excess infinite


class DriftVerdict(StrEnum):
    """What a day's report comes to. Only data drift and model drift are mended by training on newer readings."""

    SOUND = "no drift"
    NOT_JUDGED = "not judged"
    WATCH = "watch"
    PREDICTION = "prediction drift"
    DATA = "data drift"
    MODEL = "model drift"
    DATA_QUALITY = "data quality"

    @property
    def mended_by_training(self) -> bool:
        return self in (DriftVerdict.DATA, DriftVerdict.MODEL)

    @property
    def alert(self) -> bool:
        """Whether somebody should know."""
        return self in (
            DriftVerdict.PREDICTION,
            DriftVerdict.DATA,
            DriftVerdict.MODEL,
            DriftVerdict.DATA_QUALITY,
        )


_KINDS = {
    "data-quality": DriftVerdict.DATA_QUALITY,
    "model drift": DriftVerdict.MODEL,
    "data drift": DriftVerdict.DATA,
    "residual drift": DriftVerdict.DATA,
    "prediction drift": DriftVerdict.PREDICTION,
}
"""detect_drift's kinds of findings, the verdict that each can lead to, the one that counts most first."""

_FIGURES = {"data drift": "data", "residual drift": "residual"}


@dataclass(frozen=True)
class DriftFinding:
    """A finding of detect_drift; `sensor` is empty for the circuit. `days` says on how many days its like was seen.

    `distance` is the KS distance that `data_drift` limits, where the finding has one. `verdict` is what it leads to.
    """

    kind: str
    sensor: str
    sentence: str
    days: int
    verdict: DriftVerdict
    measured: float | None = None
    limit: float | None = None
    distance: float | None = None
    excess: float = 0.0


@dataclass(frozen=True)
class CircuitDrift:
    """The verdict on one circuit's day, in a sentence; `excess` says how far beyond its limit the worst finding is.

    `ratio` is the rolling error over that of training. `forecasts` says what is wrong with the newest forecasts.
    """

    key: CircuitKey
    day: str
    verdict: DriftVerdict
    sentence: str
    findings: tuple[DriftFinding, ...] = ()
    excess: float = 0.0
    ratio: float | None = None
    forecasts: str = ""

    @property
    def reason(self) -> str:
        """The sentence without what stands beside it in a table: the circuit and the verdict."""
        return self.sentence.removeprefix(f"{self.key}: ").removeprefix(self.verdict).removeprefix(": ")


@dataclass(frozen=True)
class DriftMark:
    """A day in the past: its verdict, the model's ratio, and whether its forecasts were sound."""

    day: str
    verdict: DriftVerdict
    ratio: float | None = None
    sound: bool = True


@dataclass(frozen=True)
class DriftRecord:
    """What is on record of a circuit in a stage: the newest day's verdict, earlier days as marks, oldest first.

    `response` says what was done about it; `incident` is the newest that asked about the circuit.
    """

    stage: Stage
    judged: CircuitDrift
    at: str
    marks: tuple[DriftMark, ...] = ()
    response: str = ""
    incident: str = ""

    @property
    def key(self) -> CircuitKey:
        return self.judged.key

    def before(self, day: str) -> DriftMark | None:
        """The newest mark of an earlier day."""
        return next((mark for mark in reversed(self.marks) if mark.day < day), None)


def remembered(before: DriftRecord | None, stage: Stage, judged: CircuitDrift, at: str) -> DriftRecord:
    """The record with a day's verdict: a day that is judged again is replaced, an older one only leaves its mark."""
    known = before.marks if before else ()
    mark = DriftMark(judged.day, judged.verdict, judged.ratio, not judged.forecasts)
    others = [one for one in known if one.day != judged.day]
    marks = tuple(sorted([*others, mark], key=lambda one: one.day)[-MARKS:])
    if before is None:
        return DriftRecord(stage, judged, at, marks)
    if judged.day < before.judged.day:
        return replace(before, marks=marks)
    response = before.response if judged.day == before.judged.day else ""
    return replace(before, judged=judged, at=at, marks=marks, response=response)


def judge(key: CircuitKey, day: str, report: Mapping[str, Any], alerts: AlertPolicy) -> CircuitDrift:
    """The verdict on what monitor_circuits reports of a circuit.

    Broken data comes before all else: a training would learn from it. Raises `KeyError` on another shape.
    """
    forecasts = _forecasts(report["validation"])
    drift = report["drift"]
    if "problem" in drift:
        sentence = f"{key}: not judged: {drift['problem']}"
        return CircuitDrift(key, day, DriftVerdict.NOT_JUDGED, sentence, forecasts=forecasts)
    findings = tuple(
        sorted((_finding(one, drift["sensors"], alerts) for one in drift["findings"]), key=_order)
    )
    verdict = findings[0].verdict if findings else _unfound(drift)
    return CircuitDrift(
        key=key,
        day=day,
        verdict=verdict,
        sentence=f"{key}: {_sentence(verdict, findings, drift)}",
        findings=findings,
        excess=findings[0].excess if findings else 0.0,
        ratio=drift["model_ratio"],
        forecasts=forecasts,
    )


def missed_days(until: str | None, newest: date, most: int) -> tuple[date, ...]:
    """The days after `until` (ISO 8601) up to `newest`, the newest first and no more than `most` of them.

    Before the first time only the newest was missed.
    """
    if until is None:
        return (newest,)
    days = min(most, (newest - date.fromisoformat(until)).days)
    return tuple(newest - timedelta(days=back) for back in range(days))


def not_judged(key: CircuitKey, day: str, reason: str) -> CircuitDrift:
    """The verdict where there is no report."""
    return CircuitDrift(key, day, DriftVerdict.NOT_JUDGED, f"{key}: not judged: {reason}")


def _forecasts(validation: Mapping[str, Any]) -> str:
    """What is wrong with the newest forecasts; empty where they may be relied on."""
    if "problem" in validation:
        return str(validation["problem"])
    return "" if validation["valid"] else str(validation["sentence"])


def _finding(
    found: Mapping[str, Any], sensors: Mapping[str, Mapping[str, Any]], alerts: AlertPolicy
) -> DriftFinding:
    """A finding that lasts leads to its kind's verdict, unless the stage allows a shift of that size."""
    kind, sensor = found["kind"], found["sensor"] or ""
    figures = sensors.get(sensor, {}).get(_FIGURES.get(kind, "")) or {}
    distance = figures.get("statistic")
    verdict = _KINDS[kind] if found["severity"] == LASTS else DriftVerdict.WATCH
    sentence = found["sentence"]
    if verdict is DriftVerdict.DATA and distance is not None and distance <= alerts.data_drift:
        verdict = DriftVerdict.WATCH
        sentence += f" (its distance of {distance:.2f} is within data_drift {alerts.data_drift:g})"
    return DriftFinding(
        kind=kind,
        sensor=sensor,
        sentence=sentence,
        days=found["days"],
        verdict=verdict,
        measured=found["measured"],
        limit=found["limit"],
        distance=distance,
        excess=_excess(kind, found, distance, alerts),
    )


def _excess(kind: str, found: Mapping[str, Any], distance: float | None, alerts: AlertPolicy) -> float:
    """How many times the limit is reached; 1 where there is nothing to divide."""
    measured, limit = found["measured"], found["limit"]
    if kind == "model drift" and measured is not None:
        return (measured - 1.0) / max(alerts.model_drift, SMALLEST_LIMIT)
    if distance is not None:
        return distance / max(alerts.data_drift, SMALLEST_LIMIT)
    if measured is None or limit is None:
        return 1.0
    return abs(measured) / max(abs(limit), SMALLEST_LIMIT)


def _order(finding: DriftFinding) -> tuple[int, float, str, str]:
    """What counts most first."""
    return -list(DriftVerdict).index(finding.verdict), -finding.excess, finding.kind, finding.sensor


def _unfound(drift: Mapping[str, Any]) -> DriftVerdict:
    short = any(one["name"] == "short-reference" for one in drift["not_judged"])
    return DriftVerdict.NOT_JUDGED if short else DriftVerdict.SOUND


def _sentence(verdict: DriftVerdict, findings: tuple[DriftFinding, ...], drift: Mapping[str, Any]) -> str:
    if findings:
        first, *others = findings
        return f"{verdict}: {first.sentence}{f', and {len(others)} more' if others else ''}"
    if verdict is DriftVerdict.NOT_JUDGED:
        return f"{verdict}: {drift['not_judged'][0]['sentence']}"
    return str(verdict)
