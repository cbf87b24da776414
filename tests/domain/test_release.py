"""Release sets are bound to their content."""

from dataclasses import replace

import pytest

from busbar.domain.circuits import CircuitKey
from busbar.domain.gates import Metrics
from busbar.domain.release import Pin, ReleaseSet


def pin(circuit: str) -> Pin:
    return Pin(
        key=CircuitKey("PLANT1", circuit),
        model_name=f"PLANT1_{circuit}_model",
        model_version="3",
        training_hash="0123456789ab",
        cutoff_date="2025-12-09",
        data_asset_version="2025-12-09",
        environment="sensor-forecasting-env:1.0.0",
        component_version="1.0.0",
        scoring_version="1.0.0",
        job=f"train-PLANT1-{circuit}-0123456789ab-a1",
        circuit_config="configs/x.yaml",
        metrics=Metrics(mae=1.0, rmse=2.0, accuracy=0.9),
    )


ONE, TWO = pin("CIRC1"), pin("CIRC2")
RELEASE = ReleaseSet("train-c0ffee", "c" * 40, "data-scientist", (ONE, TWO), "sensor-forecasting-env")


def test_the_id_is_the_digest_in_short():
    assert RELEASE.id == f"r-{RELEASE.digest[:12]}"
    assert len(RELEASE.digest) == 64


def test_the_order_of_pins_does_not_matter():
    assert replace(RELEASE, pins=(TWO, ONE)).digest == RELEASE.digest


@pytest.mark.parametrize(
    "other",
    [
        replace(RELEASE, commit="d" * 40),
        replace(RELEASE, requester="ml-lead"),
        replace(RELEASE, environment_name="other"),
        replace(RELEASE, pins=(ONE,)),
        replace(RELEASE, pins=(ONE, replace(TWO, model_version="4"))),
        replace(RELEASE, pins=(ONE, replace(TWO, metrics=Metrics(mae=1.1, rmse=2.0, accuracy=0.9)))),
    ],
)
def test_other_content_is_another_release(other: ReleaseSet):
    assert other.digest != RELEASE.digest


def test_without_some_it_is_another_release():
    assert RELEASE.without((TWO.key,)) == replace(RELEASE, pins=(ONE,))
    assert RELEASE.without(()) == RELEASE
    assert RELEASE.pins == (ONE, TWO)
