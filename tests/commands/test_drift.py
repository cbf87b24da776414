"""`busbar drift` and `busbar look` against the app's own routes."""

from collections.abc import Callable, Generator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from busbar.cli import app
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import DriftVerdict
from tests.activities.bench import Bench
from tests.pages import drift_samples
from tests.served import KEY, served


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def busbar(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[..., Result]]:
    with served(monkeypatch, vars(bench)) as app_at:
        monkeypatch.setenv("BUSBAR_URL", app_at.url)
        monkeypatch.setenv("BUSBAR_KEY", KEY)
        monkeypatch.setenv("COLUMNS", "240")
        yield lambda *arguments: CliRunner().invoke(app, list(arguments))


def fleet(bench: Bench) -> None:
    records, incidents = drift_samples.fleet()
    for record in records:
        bench.drifts.change_record(record.stage, record.key, lambda _, record=record: record)
    for incident in incidents:
        bench.drifts.add_incident(incident)


def test_the_fleet_in_lines(bench: Bench, busbar: Callable[..., Result]):
    fleet(bench)
    done = busbar("drift")
    assert done.exit_code == 0, done.output
    line = next(one for one in done.output.splitlines() if "PLANT2/CIRC1 " in one)
    assert "data drift" in line
    assert "!!!" in line
    assert "a retrain is asked for" in done.output


def test_one_circuit_with_its_findings(bench: Bench, busbar: Callable[..., Result]):
    fleet(bench)
    done = busbar("drift", "PLANT2/CIRC1")
    assert done.exit_code == 0, done.output
    assert "residual drift" in done.output
    assert "2025-11-20 committed: approved by ml-lead" in done.output


def test_a_circuit_that_nobody_looked_at(bench: Bench, busbar: Callable[..., Result]):
    done = busbar("drift", "PLANT9/CIRC9")
    assert done.exit_code == 1
    assert "nobody has looked at PLANT9/CIRC9 in prod yet" in done.output
    assert "`busbar look` does it now" in busbar("drift").output


def test_not_every_circuit_has_an_error_or_a_finding(bench: Bench, busbar: Callable[..., Result]):
    sound = drift_samples.record(CircuitKey("PLANT1", "CIRC1"), DriftVerdict.SOUND)
    bench.drifts.change_record(sound.stage, sound.key, lambda _: sound)
    done = busbar("drift", "PLANT1/CIRC1")
    assert done.exit_code == 0, done.output
    assert "PLANT1/CIRC1: no drift" in done.output
