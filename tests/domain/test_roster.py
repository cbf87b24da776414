"""Who is asked: members, delegates, never the requester."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.approval import StandIn
from busbar.domain.circuits import Delegation, Fleet, Person
from busbar.domain.policies import Policies
from busbar.domain.roster import roster

DAY = date(2025, 12, 9)
MONTH = (date(2025, 12, 1), date(2025, 12, 31))


def person(login: str, *groups: str, to: str = "", days: tuple[date, date] = MONTH) -> Person:
    delegate = Delegation(to, *days) if to else None
    return Person(login, f"{login}@example.com", f"id-{login}", groups, delegate)


def fleet(*people: Person) -> Fleet:
    return Fleet("c", (), people, Policies())


A, B, R = person("a", "leads"), person("b", "leads"), person("r", "leads")
CASES = [
    ("members are asked", (A, B), ["a", "b"], []),
    ("the requester is not", (A, R), ["a"], []),
    ("a delegate is, in a member's place", (person("a", "leads", to="d"), B, person("d")), ["d", "b"], [("d", "a")]),
    ("logins ignore case", (person("a", "leads", to="D"), person("d")), ["d"], [("d", "a")]),
    ("one who is a member anyway is asked once", (person("a", "leads", to="b"), B), ["b"], [("b", "a")]),
    (
        "one for two is asked once",
        (person("a", "leads", to="d"), person("b", "leads", to="d"), person("d")),
        ["d"],
        [("d", "a"), ("d", "b")],
    ),
    ("no chains", (person("a", "leads", to="b"), person("b", to="d"), person("d")), ["b"], [("b", "a")]),
    ("who delegates to the requester is asked", (person("a", "leads", to="r"), R), ["a"], []),
    ("the requester's seat goes to nobody", (A, person("r", "leads", to="d"), person("d")), ["a"], []),
    (
        "a delegate may be asked in another's place",
        (person("r", "leads", to="d"), person("a", "leads", to="d"), person("d")),
        ["d"],
        [("d", "a")],
    ),
    ("other groups are not asked", (A, person("x", "others")), ["a"], []),
    ("nobody is left", (R,), [], []),
]  # fmt: skip


@pytest.mark.parametrize(("why", "people", "asked", "stand_ins"), CASES)
def test_who_is_asked(
    why: str, people: tuple[Person, ...], asked: list[str], stand_ins: list[tuple[str, str]]
):
    found = roster(fleet(*people), ("leads",), "R", DAY)
    assert [one.login for one in found.people] == asked, why
    assert found.stand_ins == tuple(StandIn(*pair) for pair in stand_ins)


@pytest.mark.parametrize(
    ("day", "asked"),
    [
        (date(2025, 12, 8), "a"),
        (date(2025, 12, 9), "d"),
        (date(2025, 12, 11), "d"),
        (date(2025, 12, 12), "a"),
    ],
)
def test_both_ends_of_a_delegation_are_included(day: date, asked: str):
    away = person("a", "leads", to="d", days=(date(2025, 12, 9), date(2025, 12, 11)))
    assert [one.login for one in roster(fleet(away, person("d")), ("leads",), "r", day).people] == [asked]


LOGINS = "abcdef"


@settings(max_examples=1000)
@given(
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.lists(st.sampled_from(["", *LOGINS]), min_size=6, max_size=6),
    st.sampled_from([*LOGINS, "timer"]),
)
def test_each_is_asked_once_and_the_requester_never(members: list[bool], to: list[str], requester: str):
    people = [
        person(login, *(["leads"] if member else []), to="" if target == login else target)
        for login, member, target in zip(LOGINS, members, to, strict=True)
    ]
    found = roster(fleet(*people), ("leads",), requester, DAY)
    asked = [one.login for one in found.people]
    seats = [one for one in people if one.groups and one.login != requester]
    expected = {
        one.delegate.to if one.delegate and one.delegate.to != requester else one.login for one in seats
    }
    assert len(asked) == len(set(asked)) <= len(seats)
    assert set(asked) == expected
    assert requester not in asked
