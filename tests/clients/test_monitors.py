"""Model monitors, through the real SDK."""

from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest

from busbar.clients.machine_learning import MachineLearning
from busbar.domain.circuits import CircuitKey
from busbar.domain.monitors import Monitor, monitor
from busbar.domain.policies import AlertPolicy, Stage
from tests.azure import LocalAzure

pytestmark = pytest.mark.timeout(120)


def a_monitor() -> Monitor:
    return monitor(
        CircuitKey(f"P{uuid4().hex[:12]}", "CIRC1"),
        ("flow", "pressure"),
        AlertPolicy(),
        readings="abfss://sensors@account.dfs.core.windows.net/readings",
        forecasts="abfss://predictions@account.dfs.core.windows.net/forecasts",
        cutoff=date(2025, 12, 9),
        since=date(2025, 12, 10),
    )


def test_a_monitor_is_created_once_and_changed_when_it_differs(local_azure: LocalAzure):
    ml, asked = MachineLearning(local_azure.settings), a_monitor()
    assert [ml.ensure_monitor(Stage.PROD, asked) for _ in range(2)] == [True, False]
    schedules = ml._client(Stage.PROD).schedules  # pyright: ignore[reportPrivateUsage] - to read what was made
    found = schedules.get(asked.name)
    assert (found.tags["plant_id"], found.tags["circuit_id"]) == (asked.tags["plant_id"], "CIRC1")
    signals = found.create_monitor.monitoring_signals
    assert set(signals) == {one.name for one in asked.signals}
    assert signals["data_drift_1"].metric_thresholds.numerical.jensen_shannon_distance == 0.15
    assert signals["prediction_drift_1"].metric_thresholds.numerical.jensen_shannon_distance == 0.1
    table = ml.read_file(Stage.PROD, f"{asked.signals[0].production.folder}/MLTable")
    assert table == asked.signals[0].production.mltable

    stricter = replace(asked, signals=tuple(replace(one, limit=0.05) for one in asked.signals))
    assert ml.ensure_monitor(Stage.PROD, stricter)
    signals = schedules.get(asked.name).create_monitor.monitoring_signals
    assert signals["data_drift_1"].metric_thresholds.numerical.jensen_shannon_distance == 0.05
