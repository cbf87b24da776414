"""Stands in for batch_score: counts the windows of its share and reports them as the model's seed says."""

import argparse
import json
from pathlib import Path

FAILS_LATE = 25
HORIZON, SENSORS = 24, 2

parser = argparse.ArgumentParser()
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--summary", type=Path, required=True)
parser.add_argument("--mode", default="forecast")
parser.add_argument("--window_share", type=float, default=1.0)
parser.add_argument("--window_offset", type=float, default=0.0)
parser.add_argument("--windows", type=int, default=1)
arguments, _ = parser.parse_known_args()
seed = json.loads((arguments.model / "model.json").read_text())["seed"]
places = ((number + 0.5) / arguments.windows for number in range(arguments.windows))
end = arguments.window_offset + arguments.window_share
windows = sum(arguments.window_offset <= place < end for place in places)
rows = windows * HORIZON * SENSORS
fails = seed == FAILS_LATE and arguments.window_offset > 0  # windows that an earlier step did not have
error = {"mae": 0.4, "mse": 0.3, "seasonal_naive_mse": 0.5, "windows": windows}
arguments.summary.write_text(
    json.dumps(
        {
            "schema_version": 1,
            "windows": {"available": arguments.windows, "scored": windows},
            "rows": rows,
            "failed_rows": rows // 2 if fails else 0,
            "latency_ms": {"p50": 1.0, "p95": 2.0},
            "error": error if arguments.mode == "replay" and windows else None,
        }
    )
)
