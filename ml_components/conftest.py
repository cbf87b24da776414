"""A small circuit in a local Delta table, and the components' own folders on the path, as a job has them."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parent
FOLDERS = [ROOT, ROOT / "scoring", ROOT / "data", ROOT / "data" / "cases", *sorted(ROOT.glob("*/*/src"))]
sys.path[:0] = map(str, FOLDERS)

SENSORS = ("temperature", "pressure", "flow")
SMALL = {"look_back": 24, "horizon": 6, "season": 12, "patch": 6, "units": 8, "epochs": 2, "max_gap": 3}
END = datetime(2025, 3, 1, tzinfo=UTC)


def pytest_configure(config: pytest.Config) -> None:
    """TensorFlow's own warnings are not ours to fix."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:gast")


def signals(rows: int, seed: int = 0) -> np.ndarray:
    """Daily waves with noise on very different scales [rows, sensors]."""
    noise = np.random.default_rng(seed).standard_normal((rows, len(SENSORS)))
    wave = np.sin(2 * np.pi * np.arange(rows)[:, None] / 12 + np.arange(len(SENSORS)))
    return wave * [5.0, 40.0, 0.2] + noise * [0.5, 5.0, 0.02] + [20.0, 1013.0, 3.0]


@dataclass(frozen=True)
class SmallCircuit:
    """Files of one small circuit: its table, its MLTable folder, its configuration."""

    folder: Path
    table: str
    training_data: str

    def config(self, **changes: Any) -> Path:
        """circuit_config with some keys changed."""
        document = {
            "plant_id": "PLANT1",
            "circuit_id": "CIRC1",
            "sensors": list(SENSORS),
            "cutoff_date": "2025-02-28",
            "training_days": 20,
            "frequency_minutes": 60,
            "hyperparameters": SMALL,
            **changes,
        }
        path = self.folder / "circuit.yaml"
        path.write_text(yaml.safe_dump(document))
        return path


@pytest.fixture(scope="session")
def make_small_circuit(tmp_path_factory: pytest.TempPathFactory) -> Callable[[np.ndarray], SmallCircuit]:
    """Build a small circuit whose last hourly row [rows, sensors] starts an hour before the end of 2025-02-28."""

    from shared.delta import merge_readings

    def make(values: np.ndarray) -> SmallCircuit:
        folder = tmp_path_factory.mktemp("circuit")
        table = str(folder / "readings")
        start = END - timedelta(hours=len(values))
        moments = int(start.timestamp() * 10**6) + np.arange(len(values)) * 3600 * 10**6
        columns = zip(SENSORS, values.T, strict=True)
        merge_readings(table, {("PLANT1", "CIRC1", sensor): (moments, column) for sensor, column in columns})
        mltable = folder / "mltable"
        mltable.mkdir()
        (mltable / "MLTable").write_text(
            yaml.safe_dump(
                {
                    "type": "mltable",
                    "paths": [{"folder": table}],
                    "transformations": [
                        {"read_delta_lake": {"version_as_of": 0}},
                        {"filter": 'col("plant_id") == "PLANT1" and col("circuit_id") == "CIRC1"'},
                    ],
                }
            )
        )
        return SmallCircuit(folder, table, str(mltable))

    return make


@pytest.fixture(scope="session")
def small_circuit(make_small_circuit: Callable[[np.ndarray], SmallCircuit]) -> SmallCircuit:
    """480 hourly rows with two gaps: a short one, which is filled, and a long one, which is left out."""
    values = signals(480)
    values[100:102, 0] = np.nan
    values[200:210, 1] = np.nan
    return make_small_circuit(values)


@pytest.fixture(scope="session")
def trained_model(small_circuit: SmallCircuit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model trained on the small circuit."""
    folder = tmp_path_factory.mktemp("trained")
    outputs = {"trained_model": "model", "metrics": "metrics.json", "artifacts": "artifacts"}
    flags = [part for name, path in outputs.items() for part in (f"--{name}", str(folder / path))]
    inputs = ["--circuit_config", str(small_circuit.config()), "--training_data", small_circuit.training_data]
    script = ROOT / "training" / "train_lstm" / "src" / "train.py"
    subprocess.run([sys.executable, str(script), *inputs, *flags], check=True, capture_output=True)
    return folder / "model"
