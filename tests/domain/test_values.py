"""Versions, keys, back-off and who is who."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey, Fleet, Person, Source, parse_keys
from busbar.domain.errors import BadRequest
from busbar.domain.policies import Backoff, Policies, Stage, StagePolicy
from busbar.domain.versions import Version
from busbar.fleet.policies import APPROVALS, BRANCHES


@given(*[st.integers(0, 10**6)] * 3)
def test_versions_round_trip(major: int, minor: int, patch: int):
    version = Version(major, minor, patch)
    assert Version.parse(str(version)) == version


@pytest.mark.parametrize(
    "text",
    ["latest", "", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-rc1", "v1.0.0", "1.0.0\n", " 1.0.0", "１.0.0"],
)
def test_versions_are_pinned(text: str):
    with pytest.raises(BadRequest):
        Version.parse(text)


def test_versions_are_ordered_as_numbers():
    texts = ["1.10.0", "1.9.0", "2.0.0", "1.9.10"]
    assert [str(version) for version in sorted(map(Version.parse, texts))] == [
        "1.9.0",
        "1.9.10",
        "1.10.0",
        "2.0.0",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("AUTO", ()),
        (" AUTO ", ()),
        ("PLANT001/CIRCUIT01", (CircuitKey("PLANT001", "CIRCUIT01"),)),
        ("P1/C1, P2/C2", (CircuitKey("P1", "C1"), CircuitKey("P2", "C2"))),
    ],
)
def test_keys(text: str, expected: tuple[CircuitKey, ...]):
    assert parse_keys(text) == expected


@pytest.mark.parametrize(
    "text",
    ["P1", "P1/", "/C1", "P1/C1/X", "1P/C1", "P1/C-1", "P1/C1,", "P" * 17 + "/C", "P1\n/C1", "Ä/C", "auto"],
)
def test_wrong_keys(text: str):
    with pytest.raises(BadRequest) as caught:
        parse_keys(text)
    assert caught.value.field == "circuits"


@given(st.text())
def test_any_text_is_keys_or_a_bad_request(text: str):
    try:
        keys = parse_keys(text)
    except BadRequest:
        return
    assert parse_keys(",".join(map(str, keys))) == keys


def test_back_off_doubles_up_to_its_maximum():
    backoff = Backoff(30, 300)
    assert [backoff.delay(look) for look in range(6)] == [30, 60, 120, 240, 300, 300]
    assert backoff.delay(10**9) == 300


PEOPLE = (
    Person("ml-lead", "ml-lead@example.com", "1", ("ml-leads", "prod")),
    Person("qa-lead", "qa-lead@example.com", "2", ("qa",)),
)
FLEET = Fleet("c0ffee", (), PEOPLE, Policies(), (Source("P1", "P1/*.csv", ("time",)),))


@pytest.mark.parametrize("login", ["ml-lead", "ML-Lead"])
def test_git_logins_have_no_case(login: str):
    assert FLEET.person(login) == PEOPLE[0]


@pytest.mark.parametrize(
    ("groups", "logins"),
    [
        ((), []),
        (("qa",), ["qa-lead"]),
        (("prod", "ml-leads"), ["ml-lead"]),
        (("qa", "prod"), ["ml-lead", "qa-lead"]),
    ],
)
def test_members_come_once(groups: tuple[str, ...], logins: list[str]):
    assert [person.login for person in FLEET.members(groups)] == logins


def test_what_the_fleet_does_not_have_is_none():
    assert FLEET.person("nobody") is None
    assert FLEET.circuit(CircuitKey("P1", "C1")) is None
    assert FLEET.source("P1") is not None
    assert FLEET.source("P2") is None


def test_a_deployment_takes_along_only_what_it_goes_by():
    stages = {stage: StagePolicy(compute=f"{stage}-cluster") for stage in Stage}
    everything = Policies(branches=BRANCHES, approvals=APPROVALS, stages=stages)
    narrowed = everything.narrowed(Stage.TEST)
    assert narrowed.stage(Stage.TEST) == stages[Stage.TEST]
    assert narrowed.training == everything.training
    assert (narrowed.stages.keys(), narrowed.branches, narrowed.approvals) == ({Stage.TEST}, {}, {})
