"""Who decided what."""

import re
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.approval import (
    ApprovalRequest,
    ApprovalVerdict,
    Choice,
    Dossier,
    Notice,
    NoticeKind,
    Outcome,
    StandIn,
    Vote,
    count,
    eligible,
    expired,
    voters,
)
from busbar.domain.circuits import CircuitKey, Delegation, Fleet, Person
from busbar.domain.errors import Conflict
from busbar.domain.policies import GateName, Policies
from busbar.domain.roster import roster

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


ADDED = Person("late", "late@example.com", "id-late")
ESCALATED = replace(REQUEST, escalate_at="2025-12-10T00:00:00+00:00", escalation=(ADDED, PEOPLE[1]))
BEFORE, AFTER = "2025-12-09T23:59:59+00:00", "2025-12-10T00:00:00+00:00"


def test_who_it_is_escalated_to_may_vote_from_then_on():
    assert [person.login for person in voters(ESCALATED, BEFORE)] == ["b", "c", "d"]
    assert [person.login for person in voters(ESCALATED, AFTER)] == ["b", "c", "d", "late"]
    assert count(ESCALATED, (yes("b"), replace(yes("late"), at=BEFORE))).outcome is Outcome.PENDING
    verdict = count(ESCALATED, (yes("b"), replace(yes("late"), at=AFTER)))
    assert verdict.sentence == "approved by b and late (escalated)"


def test_an_escalation_to_the_requester_adds_nobody():
    request = replace(ESCALATED, requester="late", approvers=PEOPLE[1:])
    assert [person.login for person in voters(request, AFTER)] == ["b", "c", "d"]


def test_a_stand_in_says_for_whom():
    request = replace(REQUEST, quorum=1, stand_ins=(StandIn("b", "chief"), StandIn("b", "owner")))
    assert count(request, (yes("b"),)).sentence == "approved by b (for chief, for owner)"
    assert count(request, (no("b"),)).sentence == "b (for chief, for owner) rejected: too noisy"


# --- the dossier ------------------------------------------------------------------------------------------

IN_TIME, TOO_LATE = "2025-12-11T23:59:59+00:00", "2025-12-12T00:00:00+00:00"
TWO = replace(REQUEST, circuits=2)


def cast(*votes: Vote, request: ApprovalRequest = TWO) -> Dossier:
    dossier = Dossier(request)
    for vote in votes:
        dossier = dossier.cast(vote)
    return dossier


def test_the_deciding_vote_brings_the_verdict():
    assert cast(yes("b")).verdict is None
    assert cast(yes("b"), yes("c")).verdict == count(TWO, (yes("b"), yes("c")))
    assert cast(no("b")).verdict == count(TWO, (no("b"),))


REFUSED = [
    ((no("b"), yes("c")), "the request is decided already: b rejected: too noisy"),
    ((yes("b"), yes("c"), no("d")), "the request is decided already: approved by b and c"),
    ((yes("b"), yes("b")), "b has voted already"),
    ((yes("b"), no("b")), "b has voted already"),
    ((yes("a"),), "a is not asked about prod-r-1"),
    ((yes("stranger"),), "stranger is not asked about prod-r-1"),
    ((replace(yes("b"), at=TOO_LATE),), "the request expired at 2025-12-12T00:00:00+00:00"),
    ((yes("b", C1, C2),), "nothing would be left"),
    ((yes("b", C1), yes("c", C2)), "nothing would be left"),
]


@pytest.mark.parametrize(("votes", "why"), REFUSED)
def test_a_vote_that_may_not_be_cast_is_refused(votes: tuple[Vote, ...], why: str):
    with pytest.raises(Conflict, match=re.escape(why)):
        cast(*votes)
    before = cast(*votes[:-1])
    assert before.votes == votes[:-1]


def test_a_vote_at_the_last_moment_counts():
    assert cast(replace(yes("b"), at=IN_TIME), replace(yes("c"), at=IN_TIME)).verdict


def test_what_is_concluded_stays_so():
    approved = cast(yes("b"), yes("c"))
    assert approved.concluded() == approved
    waiting = cast(yes("b")).concluded()
    assert waiting.verdict == expired(TWO, (yes("b"),))
    assert waiting.verdict.sentence == "only 1 of 2 votes until 2025-12-12T00:00:00+00:00"
    assert waiting.concluded() == waiting


def test_a_round_of_mails_is_on_record_once():
    first = Notice(NoticeKind.REMINDED, 1, "2025-12-10T00:00:00+00:00", ("b",))
    again = replace(first, at="2025-12-10T00:00:09+00:00", logins=())
    second = replace(first, number=2)
    assert Dossier(TWO).noticed(first).noticed(again).noticed(second).notices == (first, second)


# --- against a reference model ----------------------------------------------------------------------------

LOGINS = "abcdefg"
CIRCUITS = tuple(CircuitKey("P", f"C{number}") for number in range(3))


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """People with groups and delegates (never themselves)."""
    people: list[Person] = []
    for login in LOGINS:
        groups = draw(st.sampled_from([(), ("ask",), ("more",), ("ask", "more")]))
        to = draw(st.sampled_from(["", *LOGINS.replace(login, "")]))
        delegate = Delegation(to, date(2025, 12, 1), date(2025, 12, 31)) if to else None
        people.append(Person(login, f"{login}@example.com", f"id-{login}", groups, delegate))
    return Fleet("c", (), tuple(people), Policies())


BALLOTS = st.lists(
    st.builds(
        lambda login, reject, hour, excluded: Vote(
            "x", f"id-{login}", login, Choice.REJECT if reject else Choice.APPROVE, "r" * reject, excluded,
            f"2025-12-{9 + hour // 24:02}T{hour % 24:02}:00:00+00:00",
        ),
        st.sampled_from([*LOGINS, "stranger"]),
        st.integers(0, 4).map(lambda number: number == 0),
        st.integers(0, 80),
        st.lists(st.sampled_from(CIRCUITS), max_size=2, unique=True).map(tuple),
    ),
    max_size=12,
)  # fmt: skip


def seats(fleet: Fleet, group: str, requester: str) -> set[str]:
    """The model's own rule: a seat is its owner's, or their delegate's unless that is the requester."""
    owners = [one for one in fleet.people if group in one.groups and one.login != requester]
    held = {one.login: one.delegate.to if one.delegate else one.login for one in owners}
    return {owner if holder == requester else holder for owner, holder in held.items()}


@settings(max_examples=1000)
@given(fleets(), st.sampled_from([*LOGINS, "timer"]), st.integers(1, 4), BALLOTS)
def test_the_quorum_is_the_reference_models(fleet: Fleet, requester: str, quorum: int, ballots: list[Vote]):
    asked = roster(fleet, ("ask",), requester, date(2025, 12, 9))
    added = roster(fleet, ("more",), requester, date(2025, 12, 11))
    dossier = Dossier(
        ApprovalRequest(
            "x", GateName.PROD_DEPLOYMENT, "s", "t", "d", requester, asked.people, quorum,
            "2025-12-12T12:00:00+00:00", circuits=3, escalate_at="2025-12-11T12:00:00+00:00",
            escalation=added.people, stand_ins=asked.stand_ins + added.stand_ins,
        )
    )  # fmt: skip
    approved, left_out, outcome = set[str](), set[CircuitKey](), Outcome.PENDING
    for vote in sorted(ballots, key=lambda vote: vote.at):
        allowed = seats(fleet, "ask", requester)
        if vote.at >= "2025-12-11T12":
            allowed |= seats(fleet, "more", requester)
        counts = (
            outcome is Outcome.PENDING
            and vote.at < "2025-12-12T12"
            and vote.login in allowed - approved
            and not (vote.excluded and len(left_out | set(vote.excluded)) == 3)
        )
        if counts:
            approved |= {vote.login}
            left_out |= set(vote.excluded)
            reached = Outcome.APPROVED if len(approved) >= quorum else Outcome.PENDING
            outcome = Outcome.REJECTED if vote.choice is Choice.REJECT else reached
        try:
            dossier = dossier.cast(vote)
        except Conflict:
            assert not counts
        else:
            assert counts
        assert (dossier.verdict.outcome if dossier.verdict else Outcome.PENDING) is outcome
    ended = dossier.concluded().verdict
    assert ended
    assert ended.outcome is (Outcome.EXPIRED if outcome is Outcome.PENDING else outcome)
    if ended.approved:
        assert set(ended.excluded) == left_out
        assert len({vote.object_id for vote in dossier.votes}) == len(dossier.votes) == quorum
        assert requester not in {vote.login for vote in dossier.votes}


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
