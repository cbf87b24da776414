"""What serves a circuit, and what served before."""

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord, Served

KEY = CircuitKey("PLANT1", "CIRC1")


def served(version: int, since: str = "then") -> Served:
    return Served(
        f"circ1-v{version}",
        "m",
        str(version),
        "2025-12-09",
        "c.yaml",
        since,
        f"r-{version}",
        "1.0.0",
        endpoint="be",
    )


def test_what_served_becomes_what_served_before():
    record = DeploymentRecord.first(KEY, Stage.PROD, "be", served(1))
    assert (record.active, record.previous) == (served(1), None)

    record = record.serving(served(2), "noon").serving(served(3), "later")

    assert (record.active, record.previous) == (served(3, "later"), served(2, "noon"))


def test_going_back_is_the_same_step():
    record = DeploymentRecord.first(KEY, Stage.PROD, "be", served(1)).serving(served(2), "noon")
    assert record.previous
    back = record.serving(record.previous, "later")
    assert (back.active, back.previous) == (served(1, "later"), served(2, "noon"))
