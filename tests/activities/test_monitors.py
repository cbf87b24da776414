"""A deployed circuit's monitor."""

import pytest

from activities.monitors import ensure_monitor
from activities.serving import activate_deployment, create_deployment
from busbar.domain.errors import NotFound
from busbar.domain.policies import AlertPolicy, Policies, Stage, StagePolicy
from busbar.domain.steps import CircuitDeployment
from tests.activities.bench import SETTINGS, Bench, pin

REQUEST = CircuitDeployment(
    Stage.PROD, pin(), Policies(stages={Stage.PROD: StagePolicy(alerts=AlertPolicy(data_drift=0.3))}), "r-1"
)


@pytest.fixture(autouse=True)
def configured(bench: Bench) -> None:
    bench.ml.write_file(Stage.DEV, pin().circuit_config, b"circuit_id: CIRC1\nsensors: [flow, pressure]\n")


def test_what_serves_is_watched_with_the_stages_limits(bench: Bench):
    for activity in (create_deployment, activate_deployment, ensure_monitor):
        bench.run(activity, REQUEST)
    (found,) = bench.ml.monitors.values()
    assert [(one.name, one.limit) for one in found.signals] == [
        ("data_drift_1", 0.3),
        ("data_drift_2", 0.3),
        ("prediction_drift_1", 0.1),
        ("prediction_drift_2", 0.1),
    ]
    assert found.signals[0].production.table == SETTINGS.sensor_table
    assert found.signals[2].production.day.isoformat() == "2025-12-09"  # since when it serves


def test_what_does_not_serve_is_not_watched(bench: Bench):
    bench.run(create_deployment, REQUEST)
    with pytest.raises(NotFound, match="PLANT1/CIRC1: nothing serves prod any more"):
        bench.run(ensure_monitor, REQUEST)
