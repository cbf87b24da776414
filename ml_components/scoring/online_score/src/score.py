"""Online scoring: `init()` loads the deployment's model, `run()` answers one request; the code of batch scoring.

A request is `{"readings": {"temperature": [20.1, null, …], …}}`: every sensor of the model, oldest first, one value a
step up to the issue time, null where nothing was read; or a list of such objects, one a window. The answer is
`{"sensors": {"temperature": {"forecast": […], "lower": […], "upper": […]}}, "skipped_sensors": {…},
"frequency_minutes": 60}`, or a list of them. A request that cannot be used is answered 400 with `{"error": …}`.

The folder is deployed with `shared/` and `forecasting/` beside this file. Run as a program it answers one request
from a file, as the endpoint would.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
# In the repository shared/ and forecasting/ lie three and two folders up.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.extend(map(str, Path(__file__).resolve().parents[2:4]))

import numpy as np
from forecasting.forecast import OUTPUTS, Forecasts, forecast
from shared.errors import InputError, run_command
from shared.forecaster import Forecaster
from shared.windows import latest_look_backs

_loaded: list[Forecaster] = []


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR, and ask it once, so that no request pays for the first run."""
    model = Forecaster.load(os.environ["AZUREML_MODEL_DIR"])
    forecast(model, np.zeros((1, model.metadata["look_back"], len(model.sensors))))
    _loaded[:] = [model]


def run(raw_data: str) -> Any:
    """The answer to one request, see above."""
    [model] = _loaded
    try:
        return answer(model, raw_data)
    except InputError as error:
        return _response({"error": str(error)}, 400)


def answer(model: Forecaster, raw_data: str) -> dict[str, Any] | list[dict[str, Any]]:
    """The forecasts of one window or of a list of them; raises `InputError` naming what is wrong."""
    try:
        asked = json.loads(raw_data)
    except ValueError as error:
        raise InputError(f"the request is no JSON: {error}") from error
    windows = asked if isinstance(asked, list) else [asked]
    if not windows:
        raise InputError("the request is an empty list")
    inputs = np.stack([_look_back(model, window) for window in windows])
    found = forecast(model, inputs)
    answers = [_window(model, found, index) for index in range(len(windows))]
    return answers if isinstance(asked, list) else answers[0]


def _look_back(model: Forecaster, window: Any) -> np.ndarray:
    readings = window.get("readings") if isinstance(window, dict) else None
    if not isinstance(readings, dict):
        raise InputError('a window must be {"readings": {sensor: [values]}}')
    if missing := [sensor for sensor in model.sensors if sensor not in readings]:
        raise InputError(f"readings lack sensor {missing[0]}; the model needs {', '.join(model.sensors)}")
    columns = [_values(sensor, readings[sensor]) for sensor in model.sensors]
    look_back = model.metadata["look_back"]
    if len({len(column) for column in columns}) > 1 or len(columns[0]) < look_back:
        lengths = {sensor: len(column) for sensor, column in zip(model.sensors, columns, strict=True)}
        raise InputError(f"every sensor needs the same number of steps, at least {look_back}; got {lengths}")
    values = np.stack(columns, 1)
    return latest_look_backs(values, np.array([len(values)]), look_back, model.metadata["max_gap"])[0]


def _values(sensor: str, given: Any) -> np.ndarray:
    try:
        values = np.array([np.nan if value is None else value for value in given], float)
    except (TypeError, ValueError) as error:
        raise InputError(f"readings of {sensor} must be a list of numbers and nulls: {error}") from error
    return np.where(np.isfinite(values), values, np.nan)


def _window(model: Forecaster, found: Forecasts, index: int) -> dict[str, Any]:
    good = found.good[index].all(0)
    return {
        "sensors": {
            sensor: {name: found.outputs[name][index, :, column].tolist() for name in OUTPUTS}
            for column, sensor in enumerate(model.sensors)
            if good[column]
        },
        "skipped_sensors": {
            sensor: "no finite forecast" if found.usable[index, column] else "a long gap in the look-back"
            for column, sensor in enumerate(model.sensors)
            if not good[column]
        },
        "frequency_minutes": model.metadata["frequency_minutes"],
    }


def _response(document: dict[str, Any], status: int) -> Any:
    """A response with a status: the inference server's own class where that runs us, else one that looks like it."""
    try:
        from azureml_inference_server_http.api.aml_response import AMLResponse
    except ImportError:
        return _Response(json.dumps(document).encode(), status)
    return AMLResponse(document, status, json_str=True)


class _Response:
    """As Flask's."""

    mimetype = content_type = "application/json"

    def __init__(self, body: bytes, status: int) -> None:
        self._body, self.status_code = body, status

    def get_data(self) -> bytes:
        """The body."""
        return self._body


def main() -> None:
    """Command line: answer one request."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the request cannot be used, and the message says what to change."
    )
    parser.add_argument("--model", required=True, metavar="FOLDER", help="MLflow model folder of train_lstm")
    parser.add_argument("--request", required=True, metavar="JSON", help="as an online endpoint is sent it")
    parser.add_argument("--answer", required=True, metavar="JSON", help="output: what it would answer")
    arguments = parser.parse_args()
    asked = Path(arguments.request).read_text(encoding="utf-8")
    found = answer(Forecaster.load(arguments.model), asked)
    Path(arguments.answer).write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
