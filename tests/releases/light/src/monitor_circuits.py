"""Stands in for monitor_circuits: all is well, but the readings of one circuit have moved."""

import argparse
import json
from pathlib import Path

DRIFTS = "CIRC5"

parser = argparse.ArgumentParser()
parser.add_argument("--circuits", type=Path, required=True)
parser.add_argument("--reports", type=Path, required=True)
parser.add_argument("--plots", type=Path, required=True)
arguments, _ = parser.parse_known_args()
arguments.plots.mkdir(parents=True, exist_ok=True)
moved = {
    "kind": "data drift",
    "severity": "drift",
    "days": 3,
    "name": "distribution",
    "sensor": "flow",
    "sentence": "flow has moved",
    "measured": 0.3,
    "limit": 0.1,
}
reports = []
for one in json.loads(arguments.circuits.read_text()):
    found = [moved] if one["circuit_id"] == DRIFTS else []
    figures = {"data": {"statistic": 0.4}, "residual": None, "prediction": None}
    drift = {"findings": found, "not_judged": [], "sensors": {"flow": figures}, "model_ratio": 1.02}
    validation = {"valid": True, "sentence": "forecasts are sound"}
    place = {"plant_id": one["plant_id"], "circuit_id": one["circuit_id"]}
    reports.append(place | {"validation": validation, "errors": {"models": []}, "drift": drift})
    (arguments.plots / f"{one['plant_id']}-{one['circuit_id']}.svg").write_text("<svg/>")
arguments.reports.write_text(json.dumps(reports))
