"""Repeats a text in capitals; the text may also ask to fail or to sleep."""

import argparse
import json
import os
import time
from pathlib import Path

import letters

parser = argparse.ArgumentParser()
for name in ("text", "times", "ending", "model", "loud", "trained"):
    parser.add_argument(f"--{name}")
asked = parser.parse_args()
text = Path(asked.text).read_text()
print("heard", text)
if text == "fail":
    raise SystemExit("the text asked to fail")
if text.startswith("sleep"):
    time.sleep(float(text.split()[1]))
model = Path(asked.model, "MLmodel").read_text() if asked.model else ""
Path(asked.loud).write_text(letters.capitals(text) * int(asked.times) + (asked.ending or "") + model)
Path(asked.trained, "MLmodel").write_text("flavors: {}\n")
shown = ("MLFLOW_", "AZURE_", "IDENTITY_", "SSL_", "AZUREML_", "SECRET_")
variables = {key: value for key, value in os.environ.items() if key.startswith(shown)}
Path(asked.trained, "variables.json").write_text(json.dumps(variables))
