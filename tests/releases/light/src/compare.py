"""Stands in for compare_environments: every model forecasts the same in every environment."""

import argparse
import json
from pathlib import Path

WINDOWS, ROWS = 24, 1152

parser = argparse.ArgumentParser()
for name in ("models", "forecasts", "report"):
    parser.add_argument(f"--{name}", type=Path, required=True)
parser.add_argument("--reference", type=Path)
arguments, _ = parser.parse_known_args()
scored = {"windows": WINDOWS, "rows": ROWS, "failed_rows": 0, "latency_ms": {"p50": 1.0, "p95": 2.0}}
compared = {"compared": WINDOWS, "differently_read": 0, "one_sided": 0, "max_difference": 0.0}
models = [
    {key: model[key] for key in ("plant_id", "circuit_id", "model_version")}
    | {"problem": None}
    | scored
    | (compared if arguments.reference else {})
    for model in json.loads(arguments.models.read_text())["models"]
]
arguments.forecasts.mkdir(parents=True, exist_ok=True)
(arguments.forecasts / "models.txt").write_text(
    f"{len(models)}\n"
)  # a folder without a file is no input to a job
arguments.report.write_text(json.dumps({"schema_version": 1, "models": models}))
