"""Two environments compared: what is the same, what is apart, what broke."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare import Run, compare, read_task
from conftest import SmallCircuit
from forecasting.forecast import OUTPUTS
from shared.errors import InputError

SCRIPT = Path(__file__).parents[1] / "src" / "compare.py"


@pytest.fixture(scope="session")
def data(small_circuit: SmallCircuit, trained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a workspace's datastore holds after a training job, and one job whose model is no model."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copytree(trained_model, folder / "jobs" / "train-job" / "trained_model")
    (folder / "jobs" / "broken" / "trained_model").mkdir(parents=True)
    (folder / "jobs" / "broken" / "trained_model" / "model.onnx").write_bytes(b"no model")
    (folder / "circuit_configs").mkdir()
    shutil.copy(small_circuit.config(), folder / "circuit_configs")
    return folder


def model(version: str = "1", job: str = "train-job") -> dict[str, str]:
    config = "circuit_configs/circuit.yaml"
    return {
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "model_version": version,
        "job": job,
        "circuit_config": config,
    }


def run(
    folder: Path, data: Path, readings: str, *models: dict[str, str], reference: Path | None = None
) -> dict[str, dict[str, Any]]:
    """The report of one run, by model version."""
    folder.mkdir()
    task = {"schema_version": 1, "day": "2025-02-28", "windows": 5, "models": list(models)}
    (folder / "models.json").write_text(json.dumps(task))
    flags = {
        "models": folder / "models.json",
        "workspace_data": data,
        "sensor_data": readings,
        "forecasts": folder / "forecasts",
        "report": folder / "report.json",
    } | ({"reference": reference / "forecasts"} if reference else {})
    arguments = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text())
    return {one["model_version"]: one for one in report["models"]}


def test_the_same_environment_twice_is_not_apart(data: Path, small_circuit: SmallCircuit, tmp_path: Path):
    models = (model(), model("2", "broken"), model("3", "purged"))
    before = run(tmp_path / "before", data, small_circuit.table, *models)
    assert (before["1"]["problem"], before["1"]["windows"], before["1"]["failed_rows"]) == (None, 5, 0)
    assert before["1"]["latency_ms"]["p95"] > 0
    assert "max_difference" not in before["1"]
    after = run(tmp_path / "after", data, small_circuit.table, *models, reference=tmp_path / "before")
    assert {
        name: after["1"][name] for name in ("compared", "differently_read", "one_sided", "max_difference")
    } == {
        "compared": 5,
        "differently_read": 0,
        "one_sided": 0,
        "max_difference": 0.0,
    }
    assert "jobs/purged/trained_model/model.onnx does not exist" in after["3"]["problem"]
    assert after["2"]["problem"]


def test_a_model_that_the_other_environment_could_not_score_is_told(
    data: Path, small_circuit: SmallCircuit, tmp_path: Path
):
    run(tmp_path / "before", data, small_circuit.table, model("1", "broken"))
    after = run(tmp_path / "after", data, small_circuit.table, model("1"), reference=tmp_path / "before")
    assert after["1"]["problem"] == "it could not be scored in the other environment"


def forecasts(**changes: np.ndarray) -> Run:
    outputs = {name: np.zeros((3, 2, 2)) for name in OUTPUTS} | changes
    return Run(("a", "b", "c"), np.ones((3, 4, 2)), np.array([2.0, 0.0]), outputs)


def shifted(where: tuple[int, int, int], by: float) -> np.ndarray:
    values = np.zeros((3, 2, 2))
    values[where] = by
    return values


OTHER_READINGS = np.ones((3, 4, 2))
OTHER_READINGS[0] = 2.0
CASES = [
    ("nothing differs", forecasts(), (3, 0, 0, 0.0)),
    ("in standard deviations", forecasts(upper=shifted((1, 0, 0), -1.0)), (3, 0, 0, 0.5)),
    ("a constant sensor in its own unit", forecasts(lower=shifted((1, 0, 1), 0.25)), (3, 0, 0, 0.25)),
    ("a cell that only one has", forecasts(forecast=shifted((2, 1, 1), np.nan)), (3, 0, 1, 0.0)),
    ("an infinite one", forecasts(forecast=shifted((2, 1, 1), np.inf)), (3, 0, 1, 0.0)),
    ("other readings", replace(forecasts(), inputs=OTHER_READINGS), (2, 1, 0, 0.0)),
    ("a window further", replace(forecasts(), issued=("b", "c", "d")), (2, 0, 0, 0.0)),
    ("no window in common", replace(forecasts(), issued=("x", "y", "z")), (0, 0, 0, None)),
]


@pytest.mark.parametrize(("after", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_how_far_two_runs_are_apart(after: Run, expected: tuple[int, int, int, float | None]):
    found = compare(forecasts(), after)
    assert tuple(found.values()) == expected


def test_a_run_is_kept_whole(tmp_path: Path):
    kept = forecasts(forecast=shifted((0, 0, 0), np.nan))
    kept.save(tmp_path / "run.npz")
    again = Run.load(tmp_path / "run.npz")
    assert again.issued == kept.issued
    assert all(np.array_equal(again.outputs[name], kept.outputs[name], equal_nan=True) for name in OUTPUTS)


@pytest.mark.parametrize(
    "content",
    ["{", {"schema_version": 2}, {"schema_version": 1, "day": "tomorrow", "windows": 1, "models": []},
     {"schema_version": 1, "day": "2025-02-28", "windows": 1, "models": [{"colour": "red"}]}],
)  # fmt: skip
def test_a_document_that_does_not_fit_is_refused_in_words(tmp_path: Path, content: Any):
    path = tmp_path / "models.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match="models"):
        read_task(path)
