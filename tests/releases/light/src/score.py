"""Stands in for batch_score: counts the windows of its share and reports them as the model's seed says.

An online endpoint is asked once a window, and what it answers is counted.
"""

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

FAILS_LATE = 25
HORIZON, SENSORS = 24, 2


def ask(uri: str, deployment: str | None, windows: int, *, late: bool) -> dict[str, Any]:
    """How many requests were sent and failed, and which deployments answered how often."""
    named = {"azureml-model-deployment": deployment} if deployment else {}
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"} | named
    answered: Counter[str] = Counter()
    for _ in range(windows):
        try:
            with urlopen(Request(uri, json.dumps({"late": late}).encode(), headers), timeout=60) as answer:
                answered[answer.headers["azureml-model-deployment"]] += 1
        except HTTPError as error:
            if error.code in (401, 403):
                raise
    return {"sent": windows, "failed": windows - answered.total(), "answered": answered}


def token() -> str:
    """Of the compute's managed identity, as the SDK asks for it."""
    address = f"{os.environ['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource=https://ml.azure.com"
    asked = Request(address, headers={"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]})
    with urlopen(asked, timeout=30) as answer:
        return json.load(answer)["access_token"]


parser = argparse.ArgumentParser()
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--summary", type=Path, required=True)
parser.add_argument("--mode", default="forecast")
parser.add_argument("--window_share", type=float, default=1.0)
parser.add_argument("--window_offset", type=float, default=0.0)
parser.add_argument("--windows", type=int, default=1)
parser.add_argument("--scoring_uri")
parser.add_argument("--asked_deployment")
arguments, _ = parser.parse_known_args()
seed = json.loads((arguments.model / "model.json").read_text())["seed"]
places = ((number + 0.5) / arguments.windows for number in range(arguments.windows))
end = arguments.window_offset + arguments.window_share
windows = sum(arguments.window_offset <= place < end for place in places)
rows = windows * HORIZON * SENSORS
late = arguments.window_offset > 0  # windows that an earlier step did not have
uri, requests = arguments.scoring_uri, None
if uri:
    requests = ask(uri, arguments.asked_deployment, windows, late=late)
fails = seed == FAILS_LATE and late
error = {"mae": 0.4, "mse": 0.3, "seasonal_naive_mse": 0.5, "windows": windows}
arguments.summary.write_text(
    json.dumps(
        {
            "schema_version": 1,
            "windows": {"available": arguments.windows, "scored": windows},
            "rows": rows,
            "failed_rows": rows // 2 if fails else 0,
            "latency_ms": {"p50": 1.0, "p95": 2.0},
            "requests": requests,
            "error": error if arguments.mode == "replay" and windows else None,
        }
    )
)
