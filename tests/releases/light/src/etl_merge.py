"""Stands in for etl_merge: reads nothing, and reports readings up to a day after every cutoff date of the tests."""

import argparse
import json
from pathlib import Path

NEWEST = "2025-12-20T23:00:00+00:00"

parser = argparse.ArgumentParser()
parser.add_argument("--report", type=Path, required=True)
arguments, _ = parser.parse_known_args()
counts = {"inserted": 10, "updated": 0, "unchanged": 0, "duplicates": 0}
arguments.report.write_text(
    json.dumps(
        {
            "merged_at": NEWEST,
            "files": {"found": 1, "read": 1},
            "rows_read": 10,
            "merged": counts,
            "quarantined": {"total": 0, "reasons": {}},
            "problems": [],
            "drift": [],
            "sensors": {},
            "delta_version": {"before": 0, "after": 0},
            "seconds": 0.1,
            "latest": {f"PLANT1/CIRC{number}": NEWEST for number in range(1, 11)},
        }
    )
)
