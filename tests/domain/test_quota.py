"""Quotas: told before a release touches anything, with the endpoint and the numbers."""

import pytest

from busbar.domain.policies import QuotaPolicy
from busbar.domain.quota import Occupancy, exceeded

QUOTA = QuotaPolicy(deployments_per_endpoint=4, endpoints=3, deployments=8)
FULL = {"be-a": {"circ1-v1", "circ1-v2", "circ2-v1"}}


@pytest.mark.parametrize(
    ("created", "freed", "said"),
    [
        ({}, {}, ""),
        ({"be-a": {"circ2-v2"}}, {}, ""),
        ({"be-a": {"circ1-v3", "circ2-v2"}}, {"be-a": {"circ1-v1"}}, ""),
        ({"be-a": {"circ1-v1", "circ1-v2"}}, {}, ""),  # they stand already
        (
            {"be-a": {"circ1-v3", "circ2-v2"}},
            {},
            "endpoint be-a would have 5 deployments (3 there, 2 new) and may have 4",
        ),
        (
            {"be-a": {"circ1-v3", "circ2-v2"}},
            {"be-a": {"circ9-v1"}},  # what is not there frees nothing
            "endpoint be-a would have 5 deployments",
        ),
        ({"be-b": {"circ1-v1"}, "be-c": {"circ1-v1"}}, {}, ""),
        (
            {"be-b": {"circ1-v1"}, "be-c": {"circ1-v1"}, "be-d": {"circ1-v1"}},
            {},
            "the region would have 4 endpoints (1 there, 3 new) and may have 3",
        ),
        (
            {"be-b": {"circ1-v1", "circ2-v1", "circ3-v1"}, "be-c": {"circ1-v1"}},
            {},
            "the region would have 9 deployments (5 there, 4 new) and may have 8",
        ),
    ],
)
def test_a_release_that_would_break_a_quota_is_told(
    created: dict[str, set[str]], freed: dict[str, set[str]], said: str
):
    problem = exceeded(QUOTA, Occupancy(FULL, 1, 5), created, freed)
    assert problem.startswith(said)
    assert bool(problem) == bool(said)


def test_ten_circuits_of_a_plant_fill_an_endpoint_exactly():
    active = {f"circ{number}-v1" for number in range(10)}
    previous = {f"circ{number}-v0" for number in range(10)}
    now = Occupancy({"be": active | previous}, 1, 20)
    new = {f"circ{number}-v2" for number in range(10)}
    assert exceeded(QuotaPolicy(), now, {"be": new}, {"be": previous}) == ""
    assert "22 deployments" in exceeded(
        QuotaPolicy(), now, {"be": new}, {"be": previous - {"circ0-v0", "circ1-v0"}}
    )
