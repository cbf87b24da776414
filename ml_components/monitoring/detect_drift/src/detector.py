"""Judge one circuit's current window against its reference: guard, then data, residual, prediction and model drift."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from calibration import MIN_BLOCKS, independent_values
from guard import check_sensor
from ks import ks_p, ks_statistic
from residuals import ResidualChannel, time_of_day
from shared.findings import Finding
from shared.windows import fill_short_gaps
from verdict import Kind, Observed

WINDOW_DAYS = (14, 7)
MIN_DAYS = MIN_BLOCKS * min(WINDOW_DAYS)
MAX_GAP_HOURS = 6
DATA_LIMIT = 0.001
# Undrifted stretches whose residuals may be called drifted: of a sensor's, and of a circuit's by any of its sensors.
SENSOR_SHARE, CIRCUIT_SHARE = 0.005, 0.025


@dataclass(frozen=True)
class Stretch:
    """Readings [rows, sensors] on a regular grid, whole days, NaN where nothing was read."""

    values: np.ndarray
    minutes: int

    @property
    def rows_a_day(self) -> int:
        """Steps in a day."""
        return 1440 // self.minutes

    def last_days(self, days: int) -> "Stretch":
        """The last days of it."""
        return Stretch(self.values[len(self.values) - days * self.rows_a_day :], self.minutes)


@dataclass
class Findings:
    """What one day's look has found: findings, figures per sensor, and what could not be judged, and why."""

    observed: list[Observed] = field(default_factory=list)
    sensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_judged: list[Finding] = field(default_factory=list)
    ratio: float | None = None  # rolling error over training's

    def add(self, kind: Kind, finding: Finding) -> None:
        """One more."""
        self.observed.append(Observed(kind, finding))


def window_days(reference_days: int) -> int | None:
    """The longest window of which the reference holds enough; None if it holds too little of any."""
    return next((days for days in WINDOW_DAYS if reference_days // days >= MIN_BLOCKS), None)


@dataclass(frozen=True)
class Detector:
    """What the reference of some sensors lets expect of a window; fitted once, many windows can be judged."""

    sensors: tuple[str, ...]
    reference: Stretch
    channels: dict[bytes, ResidualChannel] = field(default_factory=dict)

    def judge(self, current: Stretch) -> Findings:
        """Guard, data drift and residual drift of `current`: whole days, of which the reference holds eight times."""
        found, usable = guard(self.sensors, self.reference, current)
        blocks, now = _standardised(self.reference, current)
        for index in np.flatnonzero(usable):
            _data_drift(found, self.sensors[index], blocks[..., index], now[:, index])
        if usable.any():
            _residual_drift(found, self.sensors, usable, self._channel(blocks, usable), now)
        return found

    def _channel(self, blocks: np.ndarray, usable: np.ndarray) -> ResidualChannel:
        key = usable.tobytes() + bytes(str(blocks.shape), "ascii")
        if key not in self.channels:
            day = time_of_day(blocks.shape[1], self.reference.minutes)
            self.channels[key] = ResidualChannel.fit(blocks, usable, day)
        return self.channels[key]


def guard(sensors: tuple[str, ...], reference: Stretch, current: Stretch) -> tuple[Findings, np.ndarray]:
    """Data quality alone, and which sensors [sensors] may be judged further."""
    found = Findings()
    usable = [_guard(found, sensor, reference, current, index) for index, sensor in enumerate(sensors)]
    return found, np.array(usable)


def prediction_drift(found: Findings, sensor: str, blocks: np.ndarray, current: np.ndarray) -> None:
    """Drift of what the model forecasts: `blocks` [blocks, rows] of earlier forecasts, `current` [rows]."""
    mean, deviation = np.nanmean(blocks), np.nanstd(blocks)
    if not deviation > 0:
        return
    figures = _compare((blocks - mean) / deviation, (current - mean) / deviation)
    if figures is None:
        return
    found.sensors.setdefault(sensor, {})["prediction"] = figures
    if figures["p"] < DATA_LIMIT:
        sentence = f"the forecasts of {sensor} are not distributed as before ({_explained(figures)})"
        found.add(Kind.PREDICTION, Finding("prediction", sensor, sentence, figures["p"], DATA_LIMIT))


def _guard(found: Findings, sensor: str, reference: Stretch, current: Stretch, index: int) -> bool:
    """Whether the sensor may be judged further."""
    before, now = reference.values[:, index], current.values[:, index]
    problems = check_sensor(sensor, before, now, current.minutes)
    for problem in problems:
        found.add(Kind.DATA_QUALITY, problem)
    missing = round(float(np.isnan(now).mean()), 6)
    found.sensors[sensor] = {"missing_share": missing, "data": None, "residual": None, "prediction": None}
    if useless := _useless(sensor, before):
        found.not_judged.append(useless)
    return not problems and useless is None


def _useless(sensor: str, reference: np.ndarray) -> Finding | None:
    if np.isnan(reference).all():
        return Finding("no-reference", sensor, f"{sensor} has no reading in the reference")
    if np.nanmax(reference) == np.nanmin(reference):
        return Finding("constant", sensor, f"{sensor} never changes in the reference")
    return None


def _standardised(reference: Stretch, current: Stretch) -> tuple[np.ndarray, np.ndarray]:
    """Reference as [blocks, rows, sensors], newest rows kept, and current [rows, sensors]; short gaps filled."""
    rows, gap = len(current.values), MAX_GAP_HOURS * 60 // current.minutes
    count = len(reference.values) // rows
    whole = fill_short_gaps(reference.values[len(reference.values) - count * rows :], gap)
    seen = ~np.isnan(whole).all(0)
    mean, deviation = np.zeros(whole.shape[1]), np.ones(whole.shape[1])
    mean[seen] = np.nanmean(whole[:, seen], 0)
    deviation[seen] = np.nanstd(whole[:, seen], 0)
    deviation[deviation == 0] = 1.0
    now = (fill_short_gaps(current.values, gap) - mean) / deviation
    return ((whole - mean) / deviation).reshape(count, rows, -1), now


def _data_drift(found: Findings, sensor: str, blocks: np.ndarray, current: np.ndarray) -> None:
    figures = _compare(blocks, current)
    if figures is None:
        sentence = f"{sensor} has readings in fewer than {MIN_BLOCKS} blocks of the reference"
        found.not_judged.append(Finding("short-reference", sensor, sentence))
        return
    found.sensors[sensor]["data"] = figures
    if figures["p"] < DATA_LIMIT:
        sentence = f"{sensor} is not distributed as in the reference ({_explained(figures)})"
        found.add(Kind.DATA, Finding("distribution", sensor, sentence, figures["p"], DATA_LIMIT))


def _compare(blocks: np.ndarray, current: np.ndarray) -> dict[str, float] | None:
    """KS with the independent values that autocorrelation leaves; the raw p is reported and never acted on."""
    worth = independent_values(blocks)
    before, now = (np.sort(values[~np.isnan(values)]) for values in (blocks.ravel(), current))
    if np.isnan(worth) or not len(now):
        return None
    statistic = ks_statistic(before, now)
    pairs = worth * len(blocks) / (len(blocks) + 1.0)
    return {
        "statistic": round(statistic, 6),
        "p": ks_p(statistic, pairs),
        "independent_values": round(worth, 2),
        "raw_p": ks_p(statistic, len(before) * len(now) / (len(before) + len(now))),
        "mean_shift": round(float(now.mean() - before.mean()), 6),
    }


def _explained(figures: dict[str, float]) -> str:
    return (
        f"KS {figures['statistic']:.2f}, p {figures['p']:.2g} over {figures['independent_values']:.1f} independent "
        f"values; its mean moved by {figures['mean_shift']:+.2f}σ"
    )


def _residual_drift(
    found: Findings,
    sensors: tuple[str, ...],
    usable: np.ndarray,
    channel: ResidualChannel,
    current: np.ndarray,
) -> None:
    share = min(SENSOR_SHARE, CIRCUIT_SHARE / int(usable.sum()))
    for index in np.flatnonzero(usable):
        statistic, calibration = channel.statistic(current, int(index)), channel.calibration
        if statistic is None or np.isnan(calibration.mean[index]) or not calibration.deviation[index] > 0:
            continue
        sensor, score = sensors[index], calibration.score(int(index), statistic)
        limit = calibration.limit(int(index), share)
        found.sensors[sensor]["residual"] = {
            "statistic": round(statistic, 6),
            "score": round(score, 4),
            "limit": round(limit, 4),
            "blocks": int(calibration.blocks[index]),
        }
        if score > limit:
            sentence = (
                f"{sensor} has left what the other sensors and the time of day let expect "
                f"(score {score:.1f}, undrifted stretches stay below {limit:.1f})"
            )
            found.add(Kind.RESIDUAL, Finding("residual", sensor, sentence, score, limit))
