"""A reconciler behind the traffic of online endpoints."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from busbar.domain import names
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.errors import Rejected, TemporarilyUnavailable
from busbar.domain.policies import Stage
from busbar.domain.records import Candidate, DeploymentRecord
from busbar.domain.steps import DeploymentState
from busbar.web.traffic import mend_traffic
from tests.activities.bench import CIRC1, CIRC2, SETTINGS, Bench, serving
from tests.fakes import FakeMachineLearning

BOTH = ("online-v1", "online-v2")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def online(bench: Bench, key: CircuitKey = CIRC1, share: int = 0) -> DeploymentRecord:
    """Version 1 behind the circuit's endpoint, and version 2 as a candidate."""
    endpoint = names.online_endpoint(key, Stage.PROD, SETTINGS.workspace_id(Stage.PROD))
    record = replace(serving(key, Stage.PROD), endpoint=endpoint, deployment="online-v1", kind=Serving.ONLINE)
    candidate = Candidate(**{**vars(record.active), "deployment": "online-v2"}, share=share)
    bench.records.save_deployment(replace(record, candidate=candidate))
    for name in BOTH:
        bench.ml.deployments[Stage.PROD, endpoint, name] = DeploymentState(ready=True)
    bench.ml.traffic_of[Stage.PROD, endpoint] = ({"online-v1": 100}, {})
    return record


def mended(bench: Bench) -> list[str]:
    return mend_traffic(records=bench.records, ml=bench.ml)


def test_a_change_that_got_lost_is_made(bench: Bench):
    record = online(bench, share=25)
    assert mended(bench) == [
        "PLANT1/CIRC1 in prod: requests went {'online-v1': 100}, and go {'online-v1': 75, 'online-v2': 25} as on record"
    ]
    assert bench.ml.traffic_of[Stage.PROD, record.endpoint] == ({"online-v1": 75, "online-v2": 25}, {})
    assert mended(bench) == []


def test_what_is_as_on_record_and_what_is_no_endpoint_is_left_alone(bench: Bench):
    online(bench)
    bench.records.save_deployment(serving(CIRC2, Stage.PROD))
    assert mended(bench) == []


class Troubled(FakeMachineLearning):
    """The first endpoint's traffic cannot be split."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def set_traffic(
        self, stage: Stage, endpoint: str, live: Mapping[str, int], mirrored: Mapping[str, int]
    ) -> None:
        if "circ1" in endpoint:
            raise self.error
        super().set_traffic(stage, endpoint, live, mirrored)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TemporarilyUnavailable("later"), "PLANT1/CIRC1 in prod: requests went"),
        (Rejected("online-v2 is gone"), "is not as on record: online-v2 is gone"),
    ],
)
def test_one_that_cannot_be_mended_stops_no_other(error: Exception, told: str):
    bench = Bench(ml=Troubled(error))
    for key in (CIRC1, CIRC2):
        online(bench, key, share=25)
    first, other = mended(bench)
    assert told in first
    assert other.startswith("PLANT1/CIRC2 in prod")


def test_a_record_that_moves_has_somebody_who_follows_it(bench: Bench):
    record = online(bench, share=25)
    looked = bench.ml.traffic

    def moving(stage: Stage, endpoint: str) -> tuple[dict[str, int], dict[str, int]]:
        bench.records.save_deployment(record)
        return looked(stage, endpoint)

    bench.ml.traffic = moving  # type: ignore[method-assign] - one that is being changed
    assert mended(bench) == []
