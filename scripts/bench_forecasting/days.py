"""What it takes to score days of circuits from their tables, as jobs do; a JSON object a way.

A circuit has 30 days of hourly rows of 7 sensors, and the last three of them are scored. All of a process counts.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scoring import SENSORS, make_onnx

ROWS, DAYS = 30 * 24, ("2025-12-31", "2025-12-30", "2025-12-29")
END = datetime(2026, 1, 1, tzinfo=UTC)
COMPONENTS = Path(__file__).resolve().parents[2] / "ml_components"
TOGETHER = COMPONENTS / "scoring" / "score_circuits" / "src" / "score_circuits.py"
ALONE = COMPONENTS / "scoring" / "batch_score" / "src" / "score.py"


def make(count: int, folder: Path) -> None:
    """A table of readings of so many circuits, their configurations, and a model that fits them all."""
    from shared.delta import merge_readings

    (folder / "model").mkdir()
    make_onnx(folder / "model" / "model.onnx")
    moments = (int((END - timedelta(hours=ROWS)).timestamp()) + np.arange(ROWS) * 3600) * 10**6
    values = np.random.default_rng(7).standard_normal((ROWS, SENSORS))
    sensors = [f"sensor{number}" for number in range(SENSORS)]
    for number in range(count):
        columns = zip(sensors, values.T, strict=True)
        readings = {("BENCH", f"C{number}", name): (moments, column) for name, column in columns}
        merge_readings(str(folder / "readings"), readings)
        config = {"plant_id": "BENCH", "circuit_id": f"C{number}", "sensors": sensors}
        (folder / f"C{number}.yaml").write_text(yaml.safe_dump(config | {"cutoff_date": "2025-12-28"}))


def together(count: int, folder: Path) -> None:
    """All in one process of score_circuits."""
    circuits = [
        {
            "plant_id": "BENCH",
            "circuit_id": f"C{number}",
            "circuit_config": (folder / f"C{number}.yaml").read_text(),
            "model": "model",
            "model_version": "1",
            "deployment": "v1",
            "days": DAYS,
        }
        for number in range(count)
    ]
    (folder / "circuits.json").write_text(json.dumps(circuits))
    _run(
        TOGETHER,
        folder,
        circuits=folder / "circuits.json",
        workspace_data=folder,
        summaries=folder / "summaries.json",
    )
    summaries = json.loads((folder / "summaries.json").read_text())
    if problems := [one["problem"] for one in summaries if one["problem"]]:
        raise SystemExit(problems[0])


def alone(count: int, folder: Path) -> None:
    """A process of batch_score for each circuit and day."""
    for number in range(count):
        for day in DAYS:
            _run(
                ALONE,
                folder,
                model=folder / "model",
                circuit_config=folder / f"C{number}.yaml",
                score_date=day,
                model_version="1",
                deployment="v1",
                summary=folder / "summary.json",
            )


WAYS: dict[str, Callable[[int, Path], None]] = {"ours": together, "cold": alone}


def _run(script: Path, folder: Path, **flags: Path | str) -> None:
    tables = {"sensor_data": folder / "readings", "forecasts": folder / "forecasts"}
    given: Sequence[str] = [
        part for name, value in (flags | tables).items() for part in (f"--{name}", str(value))
    ]
    subprocess.run([sys.executable, str(script), *given], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("days", type=int, help="of circuits: a multiple of three")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, count = Path(name), arguments.days // len(DAYS)
        make(count, folder)
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        WAYS[arguments.way](count, folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        done: dict[str, Any] = {"way": arguments.way, "days": count * len(DAYS), "cpu": cpu}
        print(json.dumps(done | {"wall": time.perf_counter() - wall}))


if __name__ == "__main__":
    main()
