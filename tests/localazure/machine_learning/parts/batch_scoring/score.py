"""A batch scoring script: one row a file; a file that says so raises, sleeps, or fails at the first attempt."""

import os
import time
from pathlib import Path

attempts: dict[str, int] = {}
model = ""


def init() -> None:
    global model
    model = (Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "model.txt").read_text()


def run(mini_batch: list[str]) -> list[tuple[str, str]]:
    names = [Path(path).name for path in mini_batch]
    print("mini-batch:", *names)
    for path in mini_batch:
        text = Path(path).read_text()
        attempts[path] = attempts.get(path, 0) + 1
        if text == "raise" or (text == "once" and attempts[path] == 1):
            raise ValueError(f"{Path(path).name} cannot be scored")
        if text == "sleep":
            time.sleep(60)
    (Path(os.environ["AZUREML_BI_OUTPUT_PATH"]) / f"own-{names[0]}").write_text(os.environ["COLOUR"])
    return [(name, model) for name in names]
