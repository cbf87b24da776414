"""Stands in for evaluate_model: every model is better than seasonal-naive, and as good as its champion."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("circuit_config", "training_data", "trained_model", "metrics"):
    parser.add_argument(f"--{name}", type=Path, required=True)
parser.add_argument("--champion_model", type=Path)
arguments = parser.parse_args()
(arguments.trained_model / "model.json").read_text()  # it must be there
errors = {"mse": 0.3, "mae": 0.4}
document = {
    "metrics": {"mae": 1.0, "rmse": 1.5, "accuracy": 0.9, "r2": 0.8, "precision": None, "recall": None},
    "standardised": errors,
    "baselines": {
        "seasonal_naive": {"mse": 0.5, "mae": 0.5},
        "champion": errors if arguments.champion_model else None,
    },
    "skill": {"seasonal_naive": 0.4},
}
arguments.metrics.write_text(json.dumps(document))
