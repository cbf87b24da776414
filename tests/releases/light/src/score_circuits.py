"""Stands in for score_circuits: a window of every circuit and day."""

import argparse
import json
from pathlib import Path

ROWS = 48

parser = argparse.ArgumentParser()
parser.add_argument("--circuits", type=Path, required=True)
parser.add_argument("--summaries", type=Path, required=True)
arguments, _ = parser.parse_known_args()
summaries = [
    {
        "plant_id": one["plant_id"],
        "circuit_id": one["circuit_id"],
        "deployment": one["deployment"],
        "score_date": day,
        "rows": ROWS,
        "problem": None,
    }
    for one in json.loads(arguments.circuits.read_text())
    for day in one["days"]
]
arguments.summaries.write_text(json.dumps(summaries))
