"""Stands in for online_score: answers with its model's seed; a model that fails late refuses the windows of a ramp's
second bake."""

import json
import os
from pathlib import Path
from typing import Any

FAILS_LATE = 25
_seeds: list[int] = []


def init() -> None:
    [model] = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.json")
    _seeds[:] = [json.loads(model.read_text())["seed"]]


def run(raw: str) -> Any:
    [seed] = _seeds
    if seed == FAILS_LATE and json.loads(raw)["late"]:
        raise ValueError("this model fails late")
    return {"seed": seed}
