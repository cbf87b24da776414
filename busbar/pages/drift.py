"""The pages of drift: the fleet by severity, and one circuit with its report."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from busbar.domain.drift import DriftMark, DriftRecord, DriftVerdict
from busbar.domain.drift_plan import Incident
from busbar.domain.policies import Stage
from busbar.pages.render import number, render, tone
from busbar.pages.rows import in_order

DAYS = 14
LONG = 30
INCIDENTS_SHOWN = 10
STEP, HEIGHT, TALLEST = 9, 12, 60.0


@dataclass(frozen=True)
class Day:
    """A day's mark: where it begins in pixels, its colour, and what a pointer reads. No tone: not looked at."""

    x: int
    tone: str
    title: str
    height: float = HEIGHT


@dataclass(frozen=True)
class Line:
    """One circuit's line."""

    record: DriftRecord
    days: tuple[Day, ...]

    @property
    def tone(self) -> str:
        return tone(self.record.judged.verdict)


@dataclass(frozen=True)
class PlantLines:
    """A plant's circuits, and how many of them are an alert."""

    id: str
    lines: tuple[Line, ...]

    @property
    def alerts(self) -> int:
        return sum(line.record.judged.verdict.alert for line in self.lines)


@dataclass(frozen=True)
class CircuitDriftView:
    """One circuit's drift in a stage: what is on record, the newest day's report, and the incidents about it.

    `plot` says whether the report has one.
    """

    record: DriftRecord
    report: Mapping[str, Any]
    incidents: tuple[Incident, ...] = ()
    plot: bool = False


def drift(records: tuple[DriftRecord, ...], incidents: tuple[Incident, ...], stage: Stage) -> str:
    """The fleet: circuits by plant, each with its last two weeks; and what people were asked."""
    newest = max((record.judged.day for record in records), default="")
    verdicts = Counter(record.judged.verdict for record in records)
    return render(
        "drift.html",
        stage=stage,
        plants=_plants(records, newest),
        newest=newest,
        verdicts=[(verdict, verdicts[verdict], tone(verdict)) for verdict in _SHOWN],
        unsound=sum(bool(record.judged.forecasts) for record in records),
        open=[one for one in incidents if not one.status.ended],
        ended=[one for one in incidents if one.status.ended][:INCIDENTS_SHOWN],
        width=DAYS * STEP,
    )


def circuit_drift(view: CircuitDriftView) -> str:
    """One circuit: verdict, findings, distributions, errors over time, what was decided."""
    record, judged = view.record, view.record.judged
    found = view.report.get("drift", {})
    return render(
        "circuit_drift.html",
        view=view,
        record=record,
        judged=judged,
        days=_days(record.marks, judged.day, LONG),
        ratios=_ratios(record.marks, judged.day),
        width=LONG * STEP,
        tallest=TALLEST,
        base=round(TALLEST - TALLEST / 2, 1),
        sensors=_sensors(found, view.report.get("errors", {})),
        not_judged=found.get("not_judged", ()),
        span={name: found.get(name) for name in ("reference", "current")},
    )


_SHOWN = (
    DriftVerdict.DATA_QUALITY,
    DriftVerdict.MODEL,
    DriftVerdict.DATA,
    DriftVerdict.PREDICTION,
    DriftVerdict.WATCH,
    DriftVerdict.NOT_JUDGED,
    DriftVerdict.SOUND,
)


def _plants(records: Iterable[DriftRecord], newest: str) -> tuple[PlantLines, ...]:
    ordered = sorted(records, key=lambda record: in_order(record.key))
    return tuple(
        PlantLines(plant, tuple(Line(one, _days(one.marks, newest, DAYS)) for one in group))
        for plant, group in groupby(ordered, key=lambda record: record.key.plant_id)
    )


def _days(marks: Iterable[DriftMark], newest: str, shown: int) -> tuple[Day, ...]:
    """A mark for each of the last days, a blank where nobody looked."""
    known = {mark.day: mark for mark in marks}
    return tuple(
        Day(index * STEP, tone(known[day].verdict), f"{day}: {known[day].verdict}")
        if day in known
        else Day(index * STEP, "", f"{day}: not looked at")
        for index, day in enumerate(_last(newest, shown))
    )


def _ratios(marks: Iterable[DriftMark], newest: str) -> tuple[Day, ...]:
    """A bar for each day with a rolling error; half of the height is training's own, twice that is as high as any."""
    known = {mark.day: (mark.ratio, mark.verdict) for mark in marks if mark.ratio is not None}
    return tuple(
        Day(
            index * STEP,
            "bad" if known[day][1] is DriftVerdict.MODEL else "calm",
            f"{day}: {number(known[day][0])} times the error of training",
            round(min(known[day][0], 2.0) * TALLEST / 2, 1),
        )
        for index, day in enumerate(_last(newest, LONG))
        if day in known
    )


def _last(newest: str, shown: int) -> list[str]:
    if not newest:
        return []
    end = date.fromisoformat(newest)
    return [(end - timedelta(days=back)).isoformat() for back in range(shown - 1, -1, -1)]


@dataclass(frozen=True)
class SensorLine:
    """A sensor's figures: its KS distances, the shift in standard deviations, its rolling errors in service."""

    name: str
    missing: float | None
    shift: float | None
    data: float | None
    residual: float | None
    prediction: float | None
    mae: float | None
    skill: float | None
    ratio: float | None


def _sensors(found: Mapping[str, Any], errors: Mapping[str, Any]) -> tuple[SensorLine, ...]:
    """The report's figures by sensor, those in service of the model that training's errors are of."""
    models = errors.get("models", ())
    model = next(
        (one for one in models if one["circuit"].get("ratio") is not None), models[0] if models else {}
    )
    return tuple(
        _sensor(name, figures, model.get("sensors", {}).get(name, {}))
        for name, figures in found.get("sensors", {}).items()
    )


def _sensor(name: str, figures: Mapping[str, Any], errors: Mapping[str, Any]) -> SensorLine:
    data, residual, prediction = (figures.get(kind) or {} for kind in ("data", "residual", "prediction"))
    return SensorLine(
        name=name,
        missing=figures.get("missing_share"),
        shift=data.get("mean_shift"),
        data=data.get("statistic"),
        residual=residual.get("statistic"),
        prediction=prediction.get("statistic"),
        mae=errors.get("mae"),
        skill=errors.get("skill_seasonal_naive"),
        ratio=errors.get("ratio"),
    )
