"""purge_predictions on a table as batch_score writes it: old forecasts go, others and their files stay."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SENSORS
from deltalake import DeltaTable, QueryBuilder

SCRIPT = Path(__file__).parents[1] / "src" / "purge_predictions.py"
DAY = datetime(2025, 3, 1, tzinfo=UTC)
STEPS = 6


def write(table: Path, issued: datetime, circuit_id: str = "CIRC1") -> None:
    """Forecasts of three sensors issued at a moment, as batch_score writes them."""
    from forecasting.forecast import Forecasts
    from forecasting.table import forecast_rows, replaced
    from shared.circuit import parse_circuit
    from shared.delta import replace_rows

    circuit = parse_circuit(
        {
            "plant_id": "PLANT1",
            "circuit_id": circuit_id,
            "sensors": list(SENSORS),
            "cutoff_date": "2025-02-28",
        }
    )
    values = np.ones((1, STEPS, len(SENSORS)))
    outputs = dict.fromkeys(("forecast", "lower", "upper"), values)
    found = Forecasts(outputs, np.ones((1, len(SENSORS)), bool), np.ones(1))
    rows = forecast_rows(circuit, [issued], found, "3", "circ1-v3")
    replace_rows(str(table), rows, replaced(circuit, [issued], "circ1-v3"))


def purge(table: Path, folder: Path, before: str = "2025-03-01") -> dict[str, Any]:
    flags = {"forecasts": table, "before": before, "report": folder / "report.json"}
    command = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text())


def issues(table: Path) -> list[datetime]:
    """The issue times that the table has forecasts of, every circuit's."""
    query = "SELECT DISTINCT circuit_id, issued_at FROM rows ORDER BY issued_at, circuit_id"
    found = QueryBuilder().register("rows", DeltaTable(str(table))).execute(query).read_all()
    return [at.astimezone(UTC) for at in found["issued_at"].to_pylist()]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two circuits: forecasts of a day long ago, of an hour before the day, and of its first moment."""
    made = tmp_path / "forecasts"
    for circuit in ("CIRC1", "CIRC2"):
        for issued in (DAY - timedelta(days=200), DAY - timedelta(hours=1), DAY):
            write(made, issued, circuit)
    return made


def test_what_was_issued_before_the_day_goes_and_its_first_moment_stays(table: Path, tmp_path: Path):
    report = purge(table, tmp_path)
    assert report == {"before": "2025-03-01", "rows": 2 * 2 * STEPS * len(SENSORS), "files": 0}
    assert issues(table) == [DAY, DAY]


def test_a_repeat_deletes_nothing(table: Path, tmp_path: Path):
    purge(table, tmp_path)
    version = DeltaTable(str(table)).version()
    assert purge(table, tmp_path)["rows"] == 0
    assert DeltaTable(str(table)).version() == version


def test_a_version_of_today_stays_readable(table: Path, tmp_path: Path):
    before = DeltaTable(str(table)).version()
    purge(table, tmp_path)
    old = DeltaTable(str(table), version=before)
    found = QueryBuilder().register("rows", old).execute("SELECT count(*) AS n FROM rows").read_all()
    assert found["n"].to_pylist() == [3 * 2 * STEPS * len(SENSORS)]


def test_without_a_table_there_is_nothing_to_purge(tmp_path: Path):
    assert purge(tmp_path / "nothing", tmp_path)["rows"] == 0


def test_a_wrong_day_is_said(tmp_path: Path):
    command = [sys.executable, str(SCRIPT), "--forecasts", "x", "--before", "soon", "--report", "r.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: before 'soon' is not YYYY-MM-DD\n")
