"""Which circuits' missed days are scored together: each circuit once, a batch of one build, no larger than asked."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.catching_up import Batch, Division, divide
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.policies import Stage
from busbar.domain.records import Candidate, DeploymentRecord

BUILD = "1.4.0-env1.1.0"


def record(number: int, build: str = BUILD) -> DeploymentRecord:
    key = CircuitKey("PLANT1", f"CIRC{number}")
    name = f"circ{number}-v1"
    return DeploymentRecord(
        key, Stage.PROD, "be", name, "m", "1", "2025-12-01", "c.yaml", "then", scoring_version=build
    )


def ramping(number: int, share: int) -> DeploymentRecord:
    one = record(number)
    return replace(one, candidate=Candidate(**vars(replace(one.active, model_version="2")), share=share))


ONE, TWO, THREE, FOUR = (record(number).key for number in (1, 2, 3, 4))


def test_batches_are_of_one_build_and_at_most_so_large():
    records = [record(4, "1.5.0-env1.1.0"), record(3), record(1), record(2)]
    batches = (Batch(BUILD, (ONE, TWO)), Batch(BUILD, (THREE,)), Batch("1.5.0-env1.1.0", (FOUR,)))
    assert divide(records, 2) == Division(batches)
    assert divide([], 2) == Division()


def test_what_one_deployment_does_not_score_alone_goes_through_its_endpoint():
    online = replace(record(1), kind=Serving.ONLINE)
    records = [online, ramping(2, 25), ramping(3, 0), record(4, "")]
    assert divide(records, 25) == Division((Batch(BUILD, (THREE,)),), (ONE, TWO, FOUR))


RECORDS = st.builds(record, st.integers(1, 60), st.sampled_from(["", "1.4.0", "1.5.0"]))


@given(st.lists(RECORDS, unique_by=lambda one: one.key), st.integers(1, 30))
def test_every_circuit_is_in_it_once(records: list[DeploymentRecord], size: int):
    division = divide(records, size)
    assert all(0 < len(batch.circuits) <= size for batch in division.batches)
    found = [*division.alone, *(key for batch in division.batches for key in batch.circuits)]
    assert sorted(found) == sorted(one.key for one in records)
    builds = {one.key: one.scoring_version for one in records}
    assert all(builds[key] == batch.build for batch in division.batches for key in batch.circuits)
