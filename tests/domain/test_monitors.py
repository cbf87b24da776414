"""Model monitors: what is compared with what, and how it is written for Azure ML."""

from dataclasses import replace
from datetime import date

import pytest
from ruamel.yaml import YAML

from busbar.domain.circuits import CircuitKey
from busbar.domain.monitors import Monitor, SignalKind, monitor
from busbar.domain.policies import AlertPolicy

KEY = CircuitKey("PLANT1", "CIRC1")


def of(*sensors: str, alerts: AlertPolicy | None = None, since: date = date(2026, 1, 5)) -> Monitor:
    return monitor(
        KEY,
        sensors or ("flow", "pressure"),
        alerts or AlertPolicy(),
        readings="abfss://sensors@a/readings",
        forecasts="abfss://predictions@a/forecasts",
        cutoff=date(2025, 12, 9),
        since=since,
    )


def test_every_sensor_has_a_signal_for_its_readings_and_one_for_its_forecasts():
    found = of(alerts=AlertPolicy(model_drift=0.1, data_drift=0.15))
    assert (found.name, found.tags) == ("monitor-PLANT1-CIRC1", {"plant_id": "PLANT1", "circuit_id": "CIRC1"})
    assert [(one.name, one.kind, one.reference.sensor, one.feature, one.limit) for one in found.signals] == [
        ("data_drift_1", SignalKind.DATA, "flow", "value", 0.15),
        ("data_drift_2", SignalKind.DATA, "pressure", "value", 0.15),
        ("prediction_drift_1", SignalKind.PREDICTION, "flow", "forecast", 0.1),
        ("prediction_drift_2", SignalKind.PREDICTION, "pressure", "forecast", 0.1),
    ]


def test_training_is_compared_with_what_came_after_it_and_forecasts_with_those_before():
    data, predictions = of("flow").signals
    assert [(one.day, one.before) for one in (data.reference, data.production)] == [
        (date(2025, 12, 10), True),
        (date(2025, 12, 10), False),
    ]
    assert predictions.production.day == date(2026, 1, 5)
    folders = {rows.folder for one in of().signals for rows in (one.reference, one.production)}
    assert len(folders) == 8


@pytest.mark.parametrize("sensor", ["flow", 'O\'Hara "7"', "µ: {x}"])
def test_an_mltable_says_which_rows(sensor: str):
    data, _ = of(sensor).signals
    document = YAML(typ="safe").load(data.production.mltable.decode())
    assert document["paths"] == [{"folder": "abfss://sensors@a/readings"}]
    _, rows, columns = document["transformations"]
    escaped = sensor.replace('"', '\\"').replace("µ", "\\u00b5")
    assert rows["filter"] == (
        'col("plant_id") == "PLANT1" and col("circuit_id") == "CIRC1" '
        f'and col("sensor") == "{escaped}" and col("time") >= datetime(2025, 12, 10)'
    )
    assert columns == {"keep_columns": ["value"]}


def test_a_monitor_is_another_once_anything_differs():
    same, later, stricter = of(), of(since=date(2026, 1, 6)), of(alerts=AlertPolicy(data_drift=0.1))
    assert same.digest == of().digest
    assert len({same.digest, later.digest, stricter.digest, replace(same, name="x").digest}) == 4
