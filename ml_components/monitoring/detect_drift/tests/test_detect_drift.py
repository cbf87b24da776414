"""detect_drift on small tables: the report, what lasts, and what cannot be judged."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import END, SENSORS, SmallCircuit, signals

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


def _forecasts(folder: Path, values: np.ndarray) -> Path:
    """A day's forecasts issued at each midnight, as batch_score writes them."""
    from forecasting.forecast import Forecasts
    from forecasting.table import forecast_rows
    from shared.circuit import parse_circuit
    from shared.delta import replace_rows

    circuit = parse_circuit(
        {"plant_id": "PLANT1", "circuit_id": "CIRC1", "sensors": list(SENSORS), "cutoff_date": "2025-02-10"}
    )
    days = values.reshape(-1, 24, len(SENSORS))
    issued = [END - timedelta(days=back) for back in range(len(days), 0, -1)]
    found = Forecasts(
        dict.fromkeys(("forecast", "lower", "upper"), days),
        np.ones((len(days), len(SENSORS)), bool),
        np.ones(1),
    )
    replace_rows(str(folder / "forecasts"), forecast_rows(circuit, issued, found, "3", "circ1-v3"), "true")
    return folder / "forecasts"


def test_forecasts_and_errors_are_judged_where_they_are(drifted: SmallCircuit, tmp_path: Path) -> None:
    from errors_table import Pairs, measure, remember
    from shared.circuit import load_circuit

    values = signals(DAYS * 24)
    values[-14 * 24 :, 2] += 1.5 * values[:, 2].std()
    one = np.ones(2)
    pairs = Pairs("circ1-v3", "3", np.array([0, 0]), one * 2.0, one, one * 3.0, one, one, 1)
    errors = measure(pairs, SENSORS, {"temperature": {"rmse": 0.8}})
    circuit = load_circuit(drifted.config(**LATER))
    remember(str(tmp_path / "metrics"), circuit, date(2025, 2, 27), [(pairs, errors)])
    done = _command(drifted, tmp_path, forecasts=_forecasts(tmp_path, values), metrics=tmp_path / "metrics")
    assert done.returncode == 0, done.stderr
    report = _report(tmp_path)
    kinds = {one["kind"]: one["sensor"] for one in report["findings"]}
    assert (kinds["prediction drift"], kinds["model drift"]) == ("flow", None)
    assert report["model_ratio"] == pytest.approx(1.25)
    assert report["not_judged"] == []


def test_a_new_model_without_forecasts_and_errors_is_told(drifted: SmallCircuit, tmp_path: Path) -> None:
    done = _command(drifted, tmp_path, forecasts=tmp_path / "none", metrics=tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in _report(tmp_path)["not_judged"]] == ["short-forecasts", "no-metrics"]


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
