"""What the components are handed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from busbar.domain.circuits import Circuit, CircuitKey, Fleet, Limits, Source
from busbar.domain.errors import NotFound
from busbar.domain.policies import Policies
from busbar.fleet.render import circuit_config, raw_mapping, raw_mapping_file

READERS: list[Callable[[bytes], Any]] = [yaml.safe_load, YAML(typ="safe", pure=True).load]

CIRCUIT = Circuit(
    key=CircuitKey("PLANT1", "CIRC1"),
    sensors=("temperature", "flow"),
    cutoff_date=date(2025, 12, 9),
    training_days=90,
    frequency_minutes=60,
    hyperparameters={"look_back": 96, "learning_rate": 0.002},
    limits={"temperature": Limits(0.0, 80.0), "flow": Limits(high=9.5)},
)


def fleet(*circuits: Circuit, sources: tuple[Source, ...]) -> Fleet:
    return Fleet("c0ffee", circuits, (), Policies(), sources)


@pytest.mark.parametrize("read", READERS)
def test_a_circuit_config_says_everything(read: Callable[[bytes], Any]):
    assert read(circuit_config(CIRCUIT)) == {
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "sensors": ["temperature", "flow"],
        "cutoff_date": date(2025, 12, 9),
        "training_days": 90,
        "frequency_minutes": 60,
        "hyperparameters": {"look_back": 96, "learning_rate": 0.002},
        "limits": {"temperature": {"low": 0.0, "high": 80.0}, "flow": {"high": 9.5}},
    }


def test_the_same_circuit_is_the_same_bytes():
    shuffled = replace(
        CIRCUIT,
        hyperparameters=dict(reversed(CIRCUIT.hyperparameters.items())),
        limits=dict(reversed(CIRCUIT.limits.items())),
    )
    assert circuit_config(shuffled) == circuit_config(CIRCUIT)
    assert circuit_config(replace(CIRCUIT, training_days=91)) != circuit_config(CIRCUIT)


def test_limits_are_left_out_where_there_are_none():
    assert "limits" not in yaml.safe_load(circuit_config(replace(CIRCUIT, limits={})))


@pytest.mark.parametrize("read", READERS)
@settings(deadline=None, max_examples=60)
@given(
    sensors=st.lists(
        st.sampled_from(["NO", "on", "1", "1e3", "0o7", "2025-12-09", "~", "a: b", "é", "#x", "=", "<<"])
    ),
    rate=st.floats(min_value=1e-12, max_value=1, exclude_max=True),
)
def test_every_reader_sees_the_same_names_and_numbers(
    read: Callable[[bytes], Any], sensors: list[str], rate: float
):
    """NO is a gas and no boolean; 1e-05 is a number to YAML 1.1 only when it has a point."""
    circuit = replace(CIRCUIT, sensors=tuple(sensors), hyperparameters={"learning_rate": rate})
    content = read(circuit_config(circuit))
    assert content["sensors"] == sensors
    assert content["hyperparameters"] == {"learning_rate": rate}


def test_the_mapping_of_a_plant():
    source = Source(
        "PLANT1",
        "PLANT1/*.csv",
        ("year", "month", "day"),
        "Europe/Berlin",
        "%H:%M",
        ";",
        {"CIRC2": {"flow": "FI-1"}},
        ",",
    )
    second = replace(CIRCUIT, key=CircuitKey("PLANT1", "CIRC2"))
    other = replace(CIRCUIT, key=CircuitKey("PLANT2", "CIRC1"))
    mapping = raw_mapping(fleet(CIRCUIT, second, other, sources=(source,)), "PLANT1")
    assert mapping == {
        "plant_id": "PLANT1",
        "file": "PLANT1/*.csv",
        "time": ["year", "month", "day"],
        "timezone": "Europe/Berlin",
        "delimiter": ";",
        "decimal": ",",
        "time_format": "%H:%M",
        "circuits": {
            "CIRC1": ["temperature", "flow"],
            "CIRC2": {"temperature": "temperature", "flow": "FI-1"},
        },
    }


@pytest.mark.parametrize("read", READERS)
def test_the_mapping_of_the_fleet_is_a_list_of_plants(read: Callable[[bytes], Any]):
    given_fleet = fleet(CIRCUIT, sources=(Source("PLANT1", "PLANT1/*.csv", ("time",)),))
    assert read(raw_mapping_file(given_fleet)) == [
        {
            "plant_id": "PLANT1",
            "file": "PLANT1/*.csv",
            "time": "time",
            "timezone": "UTC",
            "delimiter": ",",
            "decimal": ".",
            "circuits": {"CIRC1": ["temperature", "flow"]},
        }
    ]


def test_a_plant_that_is_not_there():
    with pytest.raises(NotFound, match="PLANT9"):
        raw_mapping(fleet(CIRCUIT, sources=()), "PLANT9")
