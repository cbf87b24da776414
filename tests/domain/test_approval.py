"""Who decided what."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.approval import (
    ApprovalRequest,
    ApprovalVerdict,
    Choice,
    Outcome,
    Vote,
    count,
    eligible,
    expired,
)
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.policies import GateName

PEOPLE = tuple(Person(login, f"{login}@example.com", f"id-{login}", ("approvers",)) for login in "abcd")
REQUEST = ApprovalRequest(
    id="prod-r-1",
    gate=GateName.PROD_DEPLOYMENT,
    subject="Deploy r-1",
    summary="two circuits",
    digest="d",
    requester="a",
    approvers=PEOPLE,
    quorum=2,
    expires_at="2025-12-12T00:00:00+00:00",
)
C1, C2 = CircuitKey("PLANT1", "CIRC1"), CircuitKey("PLANT1", "CIRC2")


def yes(login: str, *excluded: CircuitKey) -> Vote:
    return Vote(REQUEST.id, f"id-{login}", login, Choice.APPROVE, excluded=excluded)


def no(login: str) -> Vote:
    return Vote(REQUEST.id, f"id-{login}", login, Choice.REJECT, "too noisy")


@pytest.mark.parametrize(
    ("votes", "outcome", "sentence"),
    [
        ((), Outcome.PENDING, "0 of 2 votes"),
        ((yes("b"),), Outcome.PENDING, "1 of 2 votes"),
        ((yes("b"), yes("c")), Outcome.APPROVED, "approved by b and c"),
        ((yes("b"), yes("b")), Outcome.PENDING, "1 of 2 votes"),
        ((yes("a"), yes("b")), Outcome.PENDING, "1 of 2 votes"),
        ((yes("stranger"), yes("b")), Outcome.PENDING, "1 of 2 votes"),
        ((no("b"),), Outcome.REJECTED, "b rejected: too noisy"),
        ((yes("b"), yes("c"), no("d")), Outcome.REJECTED, "d rejected: too noisy"),
        ((no("a"),), Outcome.PENDING, "0 of 2 votes"),
        ((no("stranger"),), Outcome.PENDING, "0 of 2 votes"),
        ((replace(yes("b"), request_id="prod-r-2"), yes("c")), Outcome.PENDING, "1 of 2 votes"),
        ((replace(yes("b"), login="b2"), yes("b")), Outcome.PENDING, "1 of 2 votes"),
    ],
)
def test_counting(votes: tuple[Vote, ...], outcome: Outcome, sentence: str):
    verdict = count(REQUEST, votes)
    assert verdict == ApprovalVerdict(REQUEST.id, outcome, sentence)
    assert verdict.approved == (outcome is Outcome.APPROVED)


def test_what_either_voter_excludes_is_excluded():
    assert count(REQUEST, (yes("b", C2, C1), yes("c", C1))).excluded == (C1, C2)


@pytest.mark.parametrize("requester", ["a", "A"])
def test_the_requester_never_counts_under_any_login(requester: str):
    second_login = Person("a-work", "a-work@example.com", "id-a")
    people = (*PEOPLE, second_login)
    assert [person.login for person in eligible(people, requester)] == ["b", "c", "d"]
    request = replace(REQUEST, requester=requester, approvers=people)
    assert count(request, (yes("a"), yes("b"))).outcome is Outcome.PENDING


def test_a_requester_who_is_not_asked_takes_nobody_away():
    assert eligible(PEOPLE, "reconciler") == PEOPLE


def test_a_timeout_is_a_reject():
    verdict = expired(REQUEST)
    assert verdict.outcome is Outcome.EXPIRED
    assert not verdict.approved
    assert verdict.sentence == "nobody decided until 2025-12-12T00:00:00+00:00"


VOTES = st.lists(
    st.builds(
        lambda login, reject: no(login) if reject else yes(login), st.sampled_from("abcdxyz"), st.booleans()
    )
)


@given(VOTES, st.integers(1, 4))
def test_an_approval_has_a_quorum_of_others_and_no_reject(votes: list[Vote], quorum: int):
    outcome = count(replace(REQUEST, quorum=quorum), tuple(votes)).outcome
    allowed = [vote for vote in votes if vote.login in "bcd"]
    approvers = {vote.login for vote in allowed if vote.choice is Choice.APPROVE}
    rejected = any(vote.choice is Choice.REJECT for vote in allowed)
    expected = (
        Outcome.REJECTED if rejected else Outcome.APPROVED if len(approvers) >= quorum else Outcome.PENDING
    )
    assert outcome is expected


@given(VOTES, st.randoms())
def test_the_order_of_votes_does_not_matter(votes: list[Vote], random: Random):
    shuffled = list(votes)
    random.shuffle(shuffled)
    assert count(REQUEST, tuple(votes)).outcome is count(REQUEST, tuple(shuffled)).outcome
