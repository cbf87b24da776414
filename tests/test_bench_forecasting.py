"""The benchmark of alarms counts what it measures, and says what it needs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.bench_forecasting.__main__ import _shares, app

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
