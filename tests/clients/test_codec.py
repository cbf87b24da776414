"""What crosses a durable boundary comes back equal, through real JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busbar.codec import from_wire, to_wire
from busbar.domain.approval import ApprovalRequest, Choice, EvidenceLink, Vote
from busbar.domain.circuits import Circuit, CircuitKey, Fleet, Limits, Person, Source
from busbar.domain.errors import BadRequest
from busbar.domain.events import JobStatus, RepositoryPushed
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.policies import ApprovalPolicy, BranchAction, GateName, Policies, Stage, StagePolicy
from busbar.domain.records import CircuitRecord
from busbar.domain.release import ReleaseSet
from busbar.domain.training import Decision


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    day: date
    colour: Colour


@dataclass(frozen=True)
class Outer:
    inner: Inner
    maybe: Inner | None
    many: tuple[Inner, ...]
    named: Mapping[Colour, float]
    fixed: tuple[str, int] = ("a", 1)
    text: str = ""


def through_json[T](type_: type[T], value: Any) -> T:
    return from_wire(type_, json.loads(json.dumps(to_wire(value), allow_nan=False)))


def test_a_fleet_comes_back_equal():
    circuit = Circuit(
        CircuitKey("PLANT1", "CIRC1"), ("flow",), date(2025, 12, 9), 90, 60,
        {"units": 64, "learning_rate": 0.002, "kind": "lstm"}, {"flow": Limits(0.0, 80.0)}, owner="owner",
    )  # fmt: skip
    policies = Policies(
        branches={"release/*": BranchAction.DEPLOY_TEST},
        approvals={GateName.PROD_DEPLOYMENT: ApprovalPolicy(("leads",), 2)},
        stages={Stage.DEV: StagePolicy()},
    )
    people, sources = (Person("a", "a@example.com", "oid"),), (Source("PLANT1", "*.csv", ("time",)),)
    fleet = Fleet("c" * 40, (circuit,), people, policies, sources)
    assert through_json(Fleet, fleet) == fleet


inners = st.builds(Inner, st.dates(), st.sampled_from(Colour))
numbers = st.floats(allow_nan=False)
outers = st.builds(
    Outer,
    inners,
    st.none() | inners,
    st.lists(inners).map(tuple),
    st.dictionaries(st.sampled_from(Colour), numbers),
    st.tuples(st.text(), st.integers()),
    st.text(),
)


@given(outers)
def test_any_dataclass_comes_back_equal(value: Outer):
    assert through_json(Outer, value) == value


st.register_type_strategy(EvidenceLink, st.builds(EvidenceLink, st.text(), st.text().map("/".__add__)))


@pytest.mark.parametrize(
    "type_",
    [ApprovalRequest, Vote, CircuitRecord, Decision, GateResult, Metrics, RepositoryPushed, ReleaseSet],
)
def test_every_record_of_the_domain_comes_back_equal(type_: type[Any]):
    @settings(suppress_health_check=[HealthCheck.too_slow])  # large records, and a machine that may be busy
    @given(st.from_type(type_))
    def check(value: Any) -> None:
        assert str(through_json(type_, value)) == str(value)  # text: a NaN equals no other

    check()


def test_numbers_that_json_lacks_come_back():
    result = through_json(GateResult, GateResult("min_recall", False, nan, -inf))
    assert isnan(result.measured)
    assert result.limit == -inf


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (None, None),
        (JobStatus.QUEUED, "queued"),
        ((CircuitKey("P", "C"),), [{"plant_id": "P", "circuit_id": "C"}]),
        ({Stage.DEV: date(2025, 12, 9)}, {"dev": "2025-12-09"}),
        ([1, 2.5, "x", True], [1, 2.5, "x", True]),
    ],
)
def test_plain_values(value: Any, wire: Any):
    assert to_wire(value) == wire


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"request_id": "r", "object_id": "o", "login": "l", "choice": "maybe"}, "choice"),
        ({"request_id": "r", "object_id": "o", "choice": "approve"}, "login"),
        (
            {
                "request_id": "r",
                "object_id": "o",
                "login": "l",
                "choice": Choice.APPROVE,
                "excluded": [{"plant_id": "P"}],
            },
            "excluded.0.circuit_id",
        ),
        ("text", "Vote"),
    ],
)
def test_what_does_not_fit_is_named(data: Any, place: str):
    with pytest.raises(BadRequest) as refused:
        from_wire(Vote, data)
    assert refused.value.field == place


def test_a_field_that_came_later_is_ignored_and_a_default_fills_one_that_is_missing():
    data = {"request_id": "r", "object_id": "o", "login": "l", "choice": "approve", "newer": 1}
    assert from_wire(Vote, data) == Vote("r", "o", "l", Choice.APPROVE)
