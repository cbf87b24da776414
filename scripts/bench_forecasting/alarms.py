"""What detect_drift says of real weeks that nobody disturbed, and of the same weeks disturbed; a JSON object a stretch.

A stretch is a year of reference and the eighteen days after it, in which a circuit is looked at on five days, as the
nightly job does; stretches begin every fortnight. A sensor alarms when the last day's verdict calls it drifted:
broken, or drifted on three of the days.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from detector import Detector, Findings, Stretch, guard
from guard import MAX_MISSING
from series import Case, etth1, station
from verdict import Severity, judge

# Rules and limits of detect_drift are chosen on these two stations; the others are only ever measured.
CHOSEN_ON = ("Aotizhongxin", "Changping")
MEASURED_ON = ("Dingling", "Dongsi")
# Rain is left out: a gauge that is stuck at nothing reads what a dry fortnight reads.
SENSORS = ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "WSPM")
HOURS, REFERENCE, WINDOW, STEP = 24, 364, 14, 14  # rows a day; days
LOOKS, NEEDED = 5, 3  # as detect_drift's `days` and `needed`


def stretches(case: Case) -> Iterator[dict[str, Any]]:
    """One after the other; `skipped` where a sensor of the circuit did lack readings."""
    random = np.random.default_rng(1)
    for start in range(0, len(case.values) // HOURS - REFERENCE - WINDOW - LOOKS + 2, STEP):
        rows = case.values[start * HOURS :]
        reference, after = np.split(rows[: (REFERENCE + WINDOW + LOOKS - 1) * HOURS], [REFERENCE * HOURS])
        if any(_lacking(look) for look in looks(after)) or np.isnan(reference).all(0).any():
            yield {"case": case.name, "start": start, "skipped": True}
        else:
            detector = Detector(case.sensors, Stretch(reference, 60))
            yield {"case": case.name, "start": start, "skipped": False} | measure(detector, after, random)


def measure(detector: Detector, after: np.ndarray, random: np.random.Generator) -> dict[str, Any]:
    """Sensors that alarm undisturbed, on the last look alone and by the verdict; and those found when disturbed."""
    seen = [detector.judge(Stretch(look, 60)) for look in looks(after)]
    deviation = np.nanstd(detector.reference.values, 0)
    last = looks(after)[-1]
    sensors = range(len(detector.sensors))
    return {
        "sensors": len(detector.sensors),
        "look": {one.finding.sensor: one.kind for one in seen[-1].observed},
        "verdict": sorted(drifted(seen)),
        "shifted": [_shifted(detector, after, sensor, deviation[sensor]) for sensor in sensors],
        "stuck": [_broken(detector, stuck(last, sensor), sensor) for sensor in sensors],
        "missing": [_broken(detector, thinned(last, sensor, random), sensor) for sensor in sensors],
    }


def looks(after: np.ndarray) -> list[np.ndarray]:
    """The windows that end with each of the last days, the oldest first."""
    return [after[day * HOURS : (day + WINDOW) * HOURS] for day in range(LOOKS)]


def drifted(seen: list[Findings]) -> set[str | None]:
    """Sensors that the last day's verdict calls drifted or broken."""
    earlier = {str(day): {one.key for one in found.observed} for day, found in enumerate(seen[:-1])}
    found = judge(seen[-1].observed, earlier, NEEDED).findings
    return {one.observed.finding.sensor for one in found if one.severity is Severity.DRIFT}


def stuck(window: np.ndarray, sensor: int) -> np.ndarray:
    """The window with the sensor at one value for its last seven days."""
    changed, half = window.copy(), len(window) // 2
    known = window[half:, sensor][~np.isnan(window[half:, sensor])]
    changed[half:, sensor] = known[0]
    return changed


def thinned(window: np.ndarray, sensor: int, random: np.random.Generator) -> np.ndarray:
    """The window without a fifth of the sensor's readings."""
    changed = window.copy()
    changed[random.permutation(len(window))[: len(window) // 5], sensor] = np.nan
    return changed


def _shifted(detector: Detector, after: np.ndarray, sensor: int, by: float) -> bool:
    """Whether a shift is drift on the third day that shows it throughout."""
    moved = after.copy()
    moved[:, sensor] += by
    seen = [detector.judge(Stretch(look, 60)) for look in looks(moved)[-NEEDED:]]
    return detector.sensors[sensor] in drifted(seen)


def _broken(detector: Detector, window: np.ndarray, sensor: int) -> bool:
    found = guard(detector.sensors, detector.reference, Stretch(window, 60))[0]
    return any(one.finding.sensor == detector.sensors[sensor] for one in found.observed)


def _lacking(window: np.ndarray) -> bool:
    missing = np.isnan(window)
    return bool((missing.mean(0) > MAX_MISSING).any() or missing[-HOURS:].all(0).any())


def _cases(data: Path, names: Iterable[str]) -> Iterator[Case]:
    for name in names:
        yield etth1(data) if name == "ETTh1" else station(data, name, SENSORS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--chosen-on", action="store_true", help="the stations that rules were chosen on")
    arguments = parser.parse_args()
    for case in _cases(arguments.data, CHOSEN_ON if arguments.chosen_on else (*MEASURED_ON, "ETTh1")):
        for stretch in stretches(case):
            print(json.dumps(stretch), flush=True)
