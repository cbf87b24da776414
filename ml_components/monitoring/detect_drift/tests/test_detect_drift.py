"""detect_drift on small tables: the report, what lasts, and what cannot be judged."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SmallCircuit, signals

SCRIPT = Path(__file__).parents[1] / "src" / "detect_drift.py"
DAYS = 140
LATER = {"cutoff_date": "2025-02-10"}  # readings end with 2025-02-28


def _command(
    circuit: SmallCircuit,
    folder: Path,
    day: str = "2025-02-28",
    config: dict[str, Any] | None = None,
    **changes: Any,
) -> subprocess.CompletedProcess[str]:
    flags = {
        "circuit_config": circuit.config(**(LATER if config is None else config)),
        "sensor_data": circuit.table,
        "history": folder / "history",
        "day": day,
        "report": folder / "report.json",
        "plots": folder / "plots",
        **changes,
    }
    command = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *command], capture_output=True, text=True, check=False
    )


def _report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def drifted(make_small_circuit: Callable[[np.ndarray], SmallCircuit]) -> SmallCircuit:
    """Pressure reads 1.2 σ more for the last 16 days."""
    values = signals(DAYS * 24)
    values[-16 * 24 :, 1] += 1.2 * values[:, 1].std()
    return make_small_circuit(values)


def test_drift_must_last(drifted: SmallCircuit, tmp_path: Path) -> None:
    severities = []
    for day in ("2025-02-26", "2025-02-27", "2025-02-27", "2025-02-28"):
        done = _command(drifted, tmp_path, day)
        assert done.returncode == 0, done.stderr
        severities.append(_report(tmp_path)["severity"])
    assert severities == ["watch", "watch", "watch", "drift"]  # the repeated day counts once
    report = _report(tmp_path)
    assert report["retrain"] is True
    assert report["persistence"] == {
        "days": 5,
        "needed": 3,
        "judged": ["2025-02-26", "2025-02-27", "2025-02-28"],
    }
    assert report["sentence"].startswith("PLANT1/CIRC1: ")
    # the residuals of the others move as well: pressure helps to expect them
    assert (report["findings"][0]["sensor"], report["findings"][0]["kind"]) == ("pressure", "data drift")
    assert set(report["kinds"]) <= {"data drift", "residual drift"}
    svg = (tmp_path / "plots" / "distributions.svg").read_text()
    assert svg.startswith("<?xml")


def test_the_report_has_the_agreed_shape(drifted: SmallCircuit, tmp_path: Path) -> None:
    assert _command(drifted, tmp_path).returncode == 0
    report = _report(tmp_path)
    assert set(report) == {
        "schema_version", "plant_id", "circuit_id", "day", "cutoff_date", "severity", "kinds", "retrain",
        "sentence", "reasons", "findings", "not_judged", "sensors", "model_ratio", "reference", "current",
        "persistence", "delta_version",
    }  # fmt: skip
    assert report["current"] == {
        "start": "2025-02-15T00:00:00+00:00",
        "end": "2025-03-01T00:00:00+00:00",
        "days": 14,
    }
    assert report["reference"]["end"] == "2025-02-11T00:00:00+00:00"
    assert set(report["sensors"]["flow"]) == {"missing_share", "data", "residual", "prediction"}
    assert set(report["findings"][0]) == {
        "kind", "severity", "days", "name", "sensor", "sentence", "measured", "limit",
    }  # fmt: skip


def test_broken_data_is_told_at_once_and_never_retrained(make_small_circuit, tmp_path: Path) -> None:
    values = signals(DAYS * 24)
    values[-200:, 0] = 20.0
    values[-40:, 2] = np.inf
    done = _command(make_small_circuit(values), tmp_path)
    assert done.returncode == 0, done.stderr
    report = _report(tmp_path)
    assert (report["severity"], report["retrain"], report["kinds"]) == ("drift", False, ["data-quality"])
    assert {(one["sensor"], one["name"]) for one in report["findings"]} == {
        ("temperature", "stuck"), ("flow", "missing"), ("flow", "silent"),
    }  # fmt: skip


def test_an_unknown_sensor_in_the_table_is_a_finding(drifted: SmallCircuit, tmp_path: Path) -> None:
    done = _command(drifted, tmp_path, config=LATER | {"sensors": ["temperature", "flow"]})
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in _report(tmp_path)["findings"]] == ["schema"]


def test_a_young_circuit_is_not_judged_but_its_data_is(make_small_circuit, tmp_path: Path) -> None:
    values = signals(60 * 24)
    values[-100:, 0] = 20.0
    done = _command(make_small_circuit(values), tmp_path)
    assert done.returncode == 0, done.stderr
    report = _report(tmp_path)
    assert [one["name"] for one in report["not_judged"]] == ["short-reference"]
    assert [one["name"] for one in report["findings"]] == ["stuck"]


@pytest.mark.parametrize("cutoff", ["2025-02-28", "2031-01-01"])
def test_a_cutoff_inside_or_after_the_window_ends_the_reference_before_it(
    drifted: SmallCircuit, tmp_path: Path, cutoff: str
) -> None:
    assert _command(drifted, tmp_path, config={"cutoff_date": cutoff}).returncode == 0
    assert _report(tmp_path)["reference"]["end"] == "2025-02-15T00:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"day": "today"}, "day must be YYYY-MM-DD"),
        ({"day": "2020-01-01"}, "no reading of PLANT1/CIRC1 up to 2020-01-01"),
        ({"sensor_data": "nowhere"}, "there is no Delta table at nowhere"),
        ({"reference_days": 30}, "reference_days must be at least 56"),
        ({"config": {"frequency_minutes": 7}}, "frequency_minutes must divide a day"),
    ],
)
def test_inputs_that_cannot_be_used_exit_2(
    drifted: SmallCircuit, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    done = _command(drifted, tmp_path, **changes)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
