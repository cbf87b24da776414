"""A scoring script that does as the payload says, so that a test can have it succeed, raise, sleep or die."""

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

model = ""


def init() -> None:
    global model
    if os.environ.get("FAIL"):
        raise RuntimeError("the model does not load")
    model = (Path(os.environ["AZUREML_MODEL_DIR"]) / "model.txt").read_text()
    print("init ran")


def run(raw: str) -> Any:
    asked = json.loads(raw)
    print("run was asked", raw)
    if "raise" in asked:
        raise ValueError(asked["raise"])
    if "die" in asked:
        os._exit(9)
    time.sleep(asked.get("sleep", 0))
    if note := asked.get("note"):
        with Path(note).open("a") as file:
            file.write(os.environ["COLOUR"] + "\n")
    ours = [name for name in ("mlflow", "online_server", "planning") if importlib.util.find_spec(name)]
    return {"ours": ours, "model": model, "colour": os.environ["COLOUR"], "pid": os.getpid()}
