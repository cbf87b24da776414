"""The online entry gives what batch scoring gives, loads no TensorFlow, and says what is wrong with a request."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import SENSORS, signals
from shared.forecaster import Forecaster

SCRIPT = Path(__file__).parents[1] / "src" / "score.py"


@pytest.fixture
def entry(trained_model: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(trained_model.parent))
    specification = importlib.util.spec_from_file_location("online_entry", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.init()
    return module


def _request(values: np.ndarray) -> dict[str, Any]:
    cells = np.where(np.isnan(values), None, values)
    return {"readings": {sensor: cells[:, index].tolist() for index, sensor in enumerate(SENSORS)}}


def test_forecasts_are_the_models(entry: ModuleType, trained_model: Path) -> None:
    values = signals(30)
    found = entry.run(json.dumps(_request(values)))
    model = Forecaster.load(trained_model)
    for name in ("forecast", "lower", "upper"):
        [expected] = model.predict(values[None, -24:], name)
        for index, sensor in enumerate(SENSORS):
            np.testing.assert_array_equal(found["sensors"][sensor][name], expected[0, :, index])
    assert (found["skipped_sensors"], found["frequency_minutes"]) == ({}, 60)


def test_a_list_of_windows_is_answered_in_order(entry: ModuleType) -> None:
    windows = [_request(signals(24, seed)) for seed in range(3)]
    assert entry.run(json.dumps(windows)) == [entry.run(json.dumps(window)) for window in windows]


def test_short_gaps_are_filled_and_long_ones_skip_their_sensor(entry: ModuleType) -> None:
    values = signals(24)
    values[10:12, 0] = np.nan
    values[5:15, 1] = np.nan
    found = entry.run(json.dumps(_request(values)))
    assert list(found["sensors"]) == ["temperature", "flow"]
    assert found["skipped_sensors"] == {"pressure": "a long gap in the look-back"}


GOOD = _request(signals(24))["readings"]


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ("{", "the request is no JSON"),
        ("[]", "an empty list"),
        ("3", 'must be {"readings"'),
        (json.dumps({"readings": GOOD | {"flow": [1.0]}}), "same number of steps, at least 24"),
        (json.dumps({"readings": {"flow": GOOD["flow"]}}), "readings lack sensor temperature"),
        (json.dumps({"readings": GOOD | {"flow": ["x"] * 24}}), "readings of flow must be a list of numbers"),
        (json.dumps({"readings": GOOD | {"flow": 7}}), "readings of flow must be a list of numbers"),
    ],
)
def test_what_is_wrong_is_a_400_that_says_so(entry: ModuleType, request_body: str, message: str) -> None:
    answer = entry.run(request_body)
    assert answer.status_code == 400
    assert message in json.loads(answer.get_data())["error"]


def test_nothing_heavy_is_imported(trained_model: Path) -> None:
    program = f"""
import os, runpy, sys
os.environ["AZUREML_MODEL_DIR"] = {str(trained_model)!r}
runpy.run_path({str(SCRIPT)!r})["init"]()
print(sorted({{"tensorflow", "mlflow", "pandas", "deltalake"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_as_a_program_it_answers_a_file(trained_model: Path, entry: ModuleType, tmp_path: Path) -> None:
    asked, answer = tmp_path / "request.json", tmp_path / "answer.json"
    asked.write_text(json.dumps(_request(signals(24))))
    flags = ["--model", str(trained_model), "--request", str(asked), "--answer", str(answer)]
    subprocess.run([sys.executable, str(SCRIPT), *flags], check=True, capture_output=True)
    assert json.loads(answer.read_text()) == entry.run(asked.read_text())
    asked.write_text("{")
    failed = subprocess.run(
        [sys.executable, str(SCRIPT), *flags], check=False, capture_output=True, text=True
    )
    assert (failed.returncode, failed.stderr.startswith("error: the request is no JSON")) == (2, True)
