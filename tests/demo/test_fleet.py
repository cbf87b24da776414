"""What the demonstration pushes is a fleet that the app reads without a complaint."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from busbar.domain.circuits import CircuitKey, Fleet
from busbar.domain.policies import Thresholds
from busbar.fleet import load_fleet
from demo.fleet import Files, digest, fleet_files, one_day_earlier
from demo.plan import Group, Plant

PLANT = Plant(
    plant_id="NORTH",
    file=Path("north.csv"),
    delimiter=";",
    time_columns=("year", "month", "day", "hour"),
    circuits=(Group("CIRC1", ("PM2.5", "NO", "1", "true: x")), Group("CIRC2", ("2024-01-01",))),
    cutoff_date=date(2024, 3, 30),
    training_days=60,
    frequency_minutes=60,
    season=24,
    rows=1000,
)


def load(files: Files) -> Fleet:
    config = {
        path.removeprefix("config/"): text for path, text in files.items() if path.startswith("config/")
    }
    return load_fleet(config, "0" * 40)


def test_the_fleet_loads_as_planned() -> None:
    fleet = load(fleet_files([PLANT]))
    assert [circuit.key for circuit in fleet.circuits] == [
        CircuitKey("NORTH", "CIRC1"),
        CircuitKey("NORTH", "CIRC2"),
    ]
    first = fleet.circuits[0]
    assert first.sensors == ("PM2.5", "NO", "1", "true: x")
    assert (first.cutoff_date, first.training_days, first.frequency_minutes) == (date(2024, 3, 30), 60, 60)
    assert first.hyperparameters["season"] == 24
    (source,) = fleet.sources
    assert (source.files, source.delimiter) == ("NORTH/*.csv", ";")
    assert source.time_columns == ("year", "month", "day", "hour")


@pytest.mark.parametrize("season", [1, 8, 7])
def test_coarser_readings_have_their_own_season(season: int) -> None:
    fleet = load(fleet_files([replace(PLANT, season=season, training_days=400)]))
    assert fleet.circuits[0].hyperparameters["season"] == season


def test_no_absolute_thresholds() -> None:
    policies = load(fleet_files([PLANT])).policies
    assert {stage.thresholds for stage in policies.stages.values()} == {Thresholds()}


def test_the_scaffold_is_a_fleet_without_circuits() -> None:
    assert load(fleet_files([])).circuits == ()


def test_one_day_earlier_changes_exactly_one_circuit() -> None:
    before = load(fleet_files([PLANT]))
    after = load(fleet_files(one_day_earlier([PLANT], "NORTH", "CIRC2")))
    assert before.circuits[0] == after.circuits[0]
    assert after.circuits[1].cutoff_date == before.circuits[1].cutoff_date - timedelta(days=1)


def test_components_travel_without_caches() -> None:
    files = fleet_files([])
    assert "ml_components/environments/sensor-forecasting-env.yaml" in files
    assert not [path for path in files if "__pycache__" in path or path.endswith(".pyc")]


def test_the_digest_is_of_paths_and_contents() -> None:
    assert digest({"a": b"1", "b": b"2"}) == digest({"b": b"2", "a": b"1"})
    assert digest({"a": b"1"}) != digest({"a": b"2"}) != digest({"b": b"2"})
