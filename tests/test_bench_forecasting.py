"""The benchmarks of data and models start, count what they measure, and say what they need."""

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.bench_forecasting.__main__ import ENVIRONMENT, FOLDER, SETUP, _shares, app

QUIET = {
    "sensors": 4,
    "look": {"a": "residual drift"},
    "verdict": [],
    "shifted": [True, True, True, False],
    "stuck": [True] * 4,
    "missing": [True] * 4,
}
LOUD = QUIET | {"verdict": ["a", "b"], "stuck": [True, False, False, False]}


def test_alarms_are_shares_of_sensors_and_of_circuits() -> None:
    sensor, circuit, *found = _shares([QUIET, LOUD, QUIET, QUIET])
    assert (sensor, circuit) == (2 / 16, 1 / 4)
    assert found == [0.75, 13 / 16, 1.0]


def test_alarms_without_the_stations_say_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["alarms", str(tmp_path)])
    assert done.exit_code == 2
    assert "docs/benchmarks.md" in done.output


def test_the_statistic_is_measured_without_the_stations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = {"ours": 1.0, "scipy": 5.0, "evidently": 120.0, "apart": 0.0}
    monkeypatch.setattr("scripts.bench_forecasting.__main__.prepare", lambda *_: None)
    monkeypatch.setattr("scripts.bench_forecasting.__main__._run", lambda *_: [turn])
    done = CliRunner().invoke(app, ["drift", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "alarms are not measured" in " ".join(done.stderr.split())


@pytest.mark.parametrize("program", ["accuracy", "training", "scoring", "days", "alarms"])
def test_a_program_finds_what_it_measures(program: str) -> None:
    if not SETUP.exists():
        pytest.skip("the training environment is not built: make setup")
    python = Path(SETUP.read_text().splitlines()[-1]) / "bin" / "python"
    command = [str(python), str(FOLDER / f"{program}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ENVIRONMENT)
    assert done.returncode == 0, done.stderr
