"""Stands in for train_lstm: the model remembers the circuit's seed, which says how it behaves."""

import argparse
import json
import re
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("circuit_config", "training_data", "trained_model", "metrics", "artifacts"):
    parser.add_argument(f"--{name}", type=Path, required=True)
arguments = parser.parse_args()
seed = int(re.search(r"seed: (\d+)", arguments.circuit_config.read_text())[1])
for folder in (arguments.trained_model, arguments.artifacts):
    folder.mkdir(parents=True, exist_ok=True)
(arguments.trained_model / "MLmodel").write_text("flavors: {}\n")
(arguments.trained_model / "model.json").write_text(json.dumps({"seed": seed}))
(arguments.artifacts / "model_card.md").write_text("# A model of a light fleet\n")
arguments.metrics.write_text("{}")
