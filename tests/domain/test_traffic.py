"""What an online endpoint does with its requests follows from the record."""

from dataclasses import replace

import pytest

from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.policies import Stage
from busbar.domain.records import Candidate, DeploymentRecord, Served
from busbar.domain.traffic import Traffic, traffic

ONLINE = Served(
    "online-v1", "m", "1", "2025-12-09", "c.yaml", "then", kind=Serving.ONLINE, endpoint="oe-p1-c1"
)
RECORD = DeploymentRecord.first(CircuitKey("P1", "C1"), Stage.PROD, "oe-p1-c1", ONLINE)
CANDIDATE = Candidate(**{**vars(ONLINE), "deployment": "online-v2", "model_version": "2"})
BATCH = replace(CANDIDATE, deployment="c1-v2", kind=Serving.BATCH, endpoint="be-p1")


@pytest.mark.parametrize(
    ("candidate", "live", "mirrored"),
    [
        (None, {"online-v1": 100}, {}),
        (CANDIDATE, {"online-v1": 100}, {}),
        (replace(CANDIDATE, mirrored=10), {"online-v1": 100}, {"online-v2": 10}),
        (replace(CANDIDATE, share=25), {"online-v1": 75, "online-v2": 25}, {}),
        (replace(CANDIDATE, share=25, mirrored=10), {"online-v1": 75, "online-v2": 25}, {}),
        (replace(CANDIDATE, share=100), {"online-v2": 100}, {}),
        (BATCH, {"online-v1": 100}, {}),  # it stands elsewhere
    ],
)
def test_requests_are_split_by_share_and_copied_before(
    candidate: Candidate | None, live: dict[str, int], mirrored: dict[str, int]
):
    assert traffic(replace(RECORD, candidate=candidate)) == Traffic("oe-p1-c1", live, mirrored)


def test_what_served_before_stands_without_traffic():
    record = RECORD.serving(CANDIDATE.plain, "later")
    assert traffic(record) == Traffic("oe-p1-c1", {"online-v2": 100})


def test_a_batch_deployment_has_no_traffic_to_split():
    record = RECORD.serving(BATCH.plain, "later")
    assert (record.endpoint, record.kind, traffic(record)) == ("be-p1", Serving.BATCH, None)


def test_going_back_between_kinds_goes_back_to_its_endpoint():
    record = RECORD.serving(BATCH.plain, "later")
    assert record.previous
    back = record.serving(record.previous, "again")
    assert (back.endpoint, back.kind, back.deployment) == ("oe-p1-c1", Serving.ONLINE, "online-v1")
    assert traffic(back) == Traffic("oe-p1-c1", {"online-v1": 100})
