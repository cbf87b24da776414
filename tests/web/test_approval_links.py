"""Approval links end to end over fakes: who may vote, once, on what was shown, and whom it wakes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.approvals import approval_token, token_hash
from busbar.domain.approval import ApprovalRequest, Choice, Dossier, Vote
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.release import ReleaseSet
from busbar.web import approvals, ballots
from busbar.web.reply import Reply
from tests.activities.bench import SETTINGS as BENCH
from tests.fakes import FakeApprovals, FakeAudit, FakeEvidence, FakeRecords
from tests.pages import samples

CIRC1, CIRC2 = CircuitKey("PLANT1", "CIRC1"), CircuitKey("PLANT1", "CIRC2")
LATER = "2999-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class SignIn:
    easy_auth: bool = False


def token(person: Person) -> str:
    return f"{person.object_id}-token-of-forty-three-characters"


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.fields[given["name"] or ""] = given["value"] or ""


@dataclass
class Desk:
    """A request about two circuits, asked of three people of whom one is the requester."""

    quorum: int = 2
    expires_at: str = LATER
    excluded: tuple[CircuitKey, ...] = ()
    sign_in: SignIn = SignIn()
    approvals: FakeApprovals = field(default_factory=FakeApprovals)
    records: FakeRecords = field(default_factory=FakeRecords)
    evidence: FakeEvidence = field(default_factory=FakeEvidence)
    audit: FakeAudit = field(default_factory=FakeAudit)
    woken: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        for key in (CIRC1, CIRC2):
            self.records.save_circuit(samples.record(key, samples.metrics()))
        self.records.save_release(self.release)
        people = self.request.approvers
        hashes = {person.object_id: hashlib.sha256(token(person).encode()).hexdigest() for person in people}
        self.approvals.create(self.request, hashes)

    @property
    def release(self) -> ReleaseSet:
        return samples.release(tuple(samples.record(key, samples.metrics()) for key in (CIRC1, CIRC2)))

    @property
    def request(self) -> ApprovalRequest:
        return replace(
            samples.request(self.release, quorum=self.quorum),
            expires_at=self.expires_at,
            excluded=self.excluded,
            digest=self.release.without(self.excluded).digest,
        )

    def show(self, link: str, headers: dict[str, str] | None = None) -> Reply:
        return approvals.show(
            link,
            headers or {},
            approvals=self.approvals,
            records=self.records,
            evidence=self.evidence,
            settings=self.sign_in,
        )

    def post(self, link: str, body: bytes, headers: dict[str, str] | None = None) -> Reply:
        return approvals.vote(
            link,
            body,
            headers or {},
            self.woken.append,
            approvals=self.approvals,
            records=self.records,
            evidence=self.evidence,
            audit=self.audit,
            settings=self.sign_in,
        )

    def vote(self, person: Person, choice: str = "approve", **fields: object) -> Reply:
        """Open the page, fill in its form, send it."""
        form = _Form()
        form.feed(self.show(token(person)).body)
        return self.post(
            token(person), urlencode(form.fields | {"choice": choice} | fields, doseq=True).encode()
        )

    @property
    def cast(self) -> dict[str, str]:
        return {vote.login: vote.choice for vote in self.dossier.votes}

    @property
    def audited(self) -> list[str]:
        return [entry.sentence for entry in self.audit.entries()]

    @property
    def dossier(self) -> Dossier:
        dossier = self.approvals.dossier(self.request.id)
        assert dossier
        return dossier


def test_two_people_approve_and_the_deciding_vote_wakes_the_orchestration():
    desk = Desk()
    first, second = desk.vote(samples.LEAD), desk.vote(samples.OPERATOR)
    assert (first.status, second.status) == (200, 200)
    assert "approved by ml-lead and operator" in second.body
    assert desk.cast == {"ml-lead": "approve", "operator": "approve"}
    assert desk.woken == [desk.request.id]


def test_looking_never_acts_however_often():
    desk = Desk()
    for _ in range(3):
        assert desk.show(token(samples.LEAD)).status == 200
    assert (desk.cast, desk.woken) == ({}, [])


def test_private_pages_leak_nothing():
    headers = Desk().show(token(samples.LEAD)).headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("link", ["", "x", "a" * 43, "a" * 10_000, "../../etc/passwd-and-more"])
def test_an_unknown_link_is_404(link: str):
    desk = Desk()
    assert desk.show(link).status == 404
    assert desk.post(link, b"choice=approve").status == 404


def test_the_requesters_own_link_decides_nothing():
    desk = Desk()
    assert desk.show(token(samples.SCIENTIST)).status == 403
    assert desk.post(token(samples.SCIENTIST), b"choice=approve").status == 403
    assert desk.cast == {}


@pytest.mark.parametrize(
    ("on", "headers", "status"),
    [
        (True, {"x-ms-client-principal-id": "object-lead"}, 200),
        (True, {"X-MS-CLIENT-PRINCIPAL-ID": "object-operator"}, 403),
        (True, {}, 403),
        (False, {"X-MS-CLIENT-PRINCIPAL-ID": "object-operator"}, 200),
    ],
)
def test_where_people_sign_in_a_link_works_for_its_owner_only(on: bool, headers: dict[str, str], status: int):
    desk = Desk(sign_in=SignIn(on))
    assert desk.show(token(samples.LEAD), headers).status == status
    assert (desk.post(token(samples.LEAD), b"choice=approve", headers).status == 403) == (status == 403)


def test_a_second_vote_is_410_and_changes_nothing():
    desk = Desk()
    desk.vote(samples.LEAD)
    repeated = desk.post(token(samples.LEAD), b"choice=reject&reason=no")
    assert repeated.status == 410
    assert "Your vote is recorded" in repeated.body
    assert desk.cast == {"ml-lead": "approve"}
    assert desk.woken == []
    assert desk.show(token(samples.LEAD)).status == 200


def test_a_click_on_what_is_decided_wakes_again_for_the_first_waking_may_be_lost():
    desk = Desk(quorum=1)
    desk.vote(samples.LEAD)
    desk.post(token(samples.OPERATOR), b"choice=approve")
    assert desk.woken == [desk.request.id] * 2


def test_a_decision_whose_event_was_lost_is_found():
    desk = Desk(quorum=1)
    found = list[str]()
    assert approvals.find_lost_votes(found.append, approvals=desk.approvals) == []
    desk.vote(samples.LEAD)
    assert approvals.find_lost_votes(found.append, approvals=desk.approvals) == [desk.request.id]
    desk.approvals.conclude(desk.request.id)
    assert approvals.find_lost_votes(found.append, approvals=desk.approvals) == []
    assert found == [desk.request.id]


def test_a_rejection_ends_it_before_the_orchestration_says_so():
    desk = Desk()
    desk.vote(samples.LEAD, "reject", reason="MAE <6> is too high")
    late = desk.vote(samples.OPERATOR)
    assert late.status == 410
    assert "ml-lead rejected: MAE &lt;6&gt; is too high" in late.body
    assert desk.cast == {"ml-lead": "reject"}


def test_a_decided_request_says_who_decided():
    desk = Desk()
    for person in (samples.LEAD, samples.OPERATOR):
        desk.approvals.cast(Vote(desk.request.id, person.object_id, person.login, Choice.APPROVE))
    desk.approvals.conclude(desk.request.id)
    for reply in (desk.show(token(samples.OPERATOR)), desk.vote(samples.OPERATOR)):
        assert reply.status == 410
        assert "approved by ml-lead and operator" in reply.body


@pytest.mark.parametrize("recorded", [True, False])
def test_an_expired_request_is_410(recorded: bool):
    desk = Desk(expires_at="2025-01-01T00:00:00+00:00")
    if recorded:
        desk.approvals.conclude(desk.request.id)
    assert desk.show(token(samples.LEAD)).status == 410
    late = desk.post(token(samples.LEAD), b"choice=approve")
    assert late.status == 410
    assert "has expired" in late.body
    assert desk.cast == {}


def test_excluded_circuits_are_recorded_and_shown_to_the_next():
    desk = Desk()
    desk.vote(samples.LEAD, exclude=[str(CIRC1)])
    assert desk.dossier.votes[0].excluded == (CIRC1,)
    assert "left out by ml-lead" in desk.show(token(samples.OPERATOR)).body


BAD_FORMS = [
    ({"choice": "approve", "csrf": "wrong"}, "csrf:"),
    ({"choice": "approve", "csrf": ""}, "csrf:"),
    ({"choice": ""}, "choice:"),
    ({"choice": "maybe"}, "choice:"),
    ({"choice": ["approve", "reject"]}, "choice:"),
    ({"choice": "reject"}, "reason:"),
    ({"choice": "reject", "reason": " \n\t"}, "reason:"),
    ({"choice": "reject", "reason": "x" * 1001}, "reason:"),
    ({"choice": "approve", "exclude": "nonsense"}, "circuits:"),
    ({"choice": "approve", "exclude": "PLANT9/CIRC9"}, "exclude:"),
    ({"choice": "approve", "exclude": [str(CIRC1), str(CIRC2)]}, "exclude:"),
    ({"choice": "approve", "filler": "x" * 70_000}, "body:"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_FORMS)
def test_a_wrong_form_is_400_names_the_field_and_can_be_sent_again(fields: dict[str, Any], named: str):
    desk = Desk()
    wrong = desk.vote(samples.LEAD, **fields)
    assert wrong.status == 400
    assert f"Not recorded.</b> {named}" in wrong.body
    assert (desk.cast, desk.woken) == ({}, [])
    assert desk.vote(samples.LEAD).status == 200


def test_two_voters_cannot_leave_nothing_between_them():
    desk = Desk()
    desk.vote(samples.LEAD, exclude=[str(CIRC1)])
    assert desk.vote(samples.OPERATOR, exclude=[str(CIRC2)]).status == 400


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_body_breaks_the_form_or_votes_without_its_secret(body: bytes):
    desk = Desk()
    assert desk.post(token(samples.LEAD), body).status == 400
    assert desk.cast == {}


@settings(deadline=None)
@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=3))
def test_any_reason_is_recorded_as_text_or_refused(reason: str, exclude: list[str]):
    desk = Desk()
    secret = ballots.csrf(token(samples.LEAD), desk.request)
    fields = {"csrf": secret, "choice": "reject", "reason": reason, "exclude": exclude}
    reply = desk.post(token(samples.LEAD), urlencode(fields, doseq=True, errors="replace").encode())
    votes = desk.dossier.votes
    assert reply.status == (200 if votes else 400)
    assert all(vote.choice is Choice.REJECT and vote.reason.strip() and not vote.excluded for vote in votes)


def test_somebody_faster_by_a_moment_is_410_not_an_error():
    desk = Desk()
    page = _Form()
    page.feed(desk.show(token(samples.LEAD)).body)

    class Overtaken(FakeApprovals):
        def cast(self, vote: Vote) -> Dossier:
            other = samples.OPERATOR
            super().cast(Vote(vote.request_id, other.object_id, other.login, Choice.REJECT, "too late"))
            return super().cast(vote)

    desk.approvals = Overtaken(**vars(desk.approvals))
    late = desk.post(token(samples.LEAD), urlencode(page.fields | {"choice": "approve"}).encode())
    assert late.status == 410
    assert "operator rejected: too late" in late.body
    assert desk.woken == []


def test_an_outage_is_a_page_that_says_so_and_loses_no_vote():
    desk = Desk()
    desk.records.outage = True
    for reply in (desk.show(token(samples.LEAD)), desk.post(token(samples.LEAD), b"choice=approve")):
        assert (reply.status, reply.content_type) == (503, "text/html; charset=utf-8")
    desk.records.outage = False
    assert desk.vote(samples.LEAD).status == 200


def test_a_form_of_other_evidence_does_not_vote():
    old = Desk()
    form = _Form()
    form.feed(old.show(token(samples.LEAD)).body)
    narrowed = Desk(excluded=(CIRC1,))
    assert (
        narrowed.post(token(samples.LEAD), urlencode(form.fields | {"choice": "approve"}).encode()).status
        == 400
    )


def test_what_earlier_approvers_left_out_is_not_shown_again():
    narrowed = Desk(excluded=(CIRC1,))
    body = narrowed.show(token(samples.LEAD)).body
    assert 'value="PLANT1/CIRC2"' in body
    assert 'value="PLANT1/CIRC1"' not in body


@pytest.mark.parametrize("stored", [True, False])
def test_nobody_decides_on_evidence_that_is_gone_or_differs(stored: bool):
    desk = Desk()
    other = samples.release((samples.record(CIRC1, samples.metrics(mae=2.0)),))
    desk.records.damage(desk.release.id, other if stored else None)
    assert desk.show(token(samples.LEAD)).status == 409
    assert desk.post(token(samples.LEAD), b"choice=approve").status == 409


# --- the audit log ----------------------------------------------------------------------------------------


def test_votes_are_audited():
    desk = Desk()
    desk.vote(samples.LEAD, exclude=[str(CIRC1)])
    desk.vote(samples.OPERATOR, "reject", reason="too early")
    subject = desk.request.subject
    assert desk.audited == [
        f"ml-lead approved {subject}, leaving out PLANT1/CIRC1",
        f"operator rejected {subject}: too early",
    ]


def expired_desk() -> Desk:
    return Desk(expires_at="2025-01-01T00:00:00+00:00")


def voted_desk() -> Desk:
    desk = Desk()
    desk.vote(samples.LEAD)
    return desk


def decided_desk() -> Desk:
    desk = Desk()
    desk.vote(samples.OPERATOR, "reject", reason="no")
    return desk


def changed_desk() -> Desk:
    desk = Desk()
    other = samples.release((samples.record(CIRC1, samples.metrics(mae=2.0)),))
    desk.records.damage(desk.release.id, other)
    return desk


LEAD, APPROVE = token(samples.LEAD), b"choice=approve"
REFUSED = [
    (Desk, "a" * 43, 404, "a vote by somebody was refused: no such approval"),
    (Desk, token(samples.SCIENTIST), 403, "a vote by scientist was refused: not yours to decide"),
    (lambda: Desk(sign_in=SignIn(True)), LEAD, 403, "a vote by ml-lead was refused: not your link"),
    (voted_desk, LEAD, 410, "a vote by ml-lead was refused: ml-lead has voted already"),
    (expired_desk, LEAD, 410, "a vote by ml-lead was refused: the request expired at 2025-01-01"),
    (decided_desk, LEAD, 410, "a vote by ml-lead was refused: the request is decided already: operator"),
    (changed_desk, LEAD, 409, "a vote by ml-lead was refused: the evidence is not there"),
    (Desk, LEAD, 400, "a vote by ml-lead was refused: csrf: this form is not of this page"),
]


@pytest.mark.parametrize(("desk", "link", "status", "sentence"), REFUSED)
def test_what_does_not_count_is_refused_and_audited(
    desk: Callable[[], Desk], link: str, status: int, sentence: str
):
    at = desk()
    before = dict(at.cast)
    reply = at.post(link, APPROVE, {"X-MS-CLIENT-PRINCIPAL-ID": "object-operator"})
    assert reply.status == status
    assert at.audited[-1].startswith(sentence)
    assert at.cast == before


def test_trying_again_and_again_fills_no_log():
    desk = Desk()
    for number in range(20):
        desk.post(f"{number:043}", b"choice=approve")
        desk.post(token(samples.SCIENTIST), b"choice=approve")
    assert len(desk.audited) <= 4  # each once an hour


def test_a_vote_counts_though_the_audit_log_does_not_answer():
    desk = Desk(quorum=1)
    desk.audit.outage = True
    assert desk.vote(samples.LEAD).status == 200
    assert desk.post(token(samples.LEAD), b"choice=approve").status == 410
    assert desk.cast == {"ml-lead": "approve"}


# --- tokens -----------------------------------------------------------------------------------------------

SECRET = replace(BENCH, approval_key="the key of this app")


def real(desk: Desk, person: Person, request: ApprovalRequest | None = None) -> str:
    return approval_token(request or desk.request, person.object_id, SECRET)


def opened() -> Desk:
    """A desk whose links are made as the app makes them."""
    desk = Desk()
    people = (samples.LEAD, samples.OPERATOR)
    hashes = {one.object_id: token_hash(real(desk, one)) for one in people}
    desk.approvals.link(desk.request.id, hashes)
    return desk


OPENED = opened()
REQUEST = OPENED.request
TRUE = real(OPENED, samples.LEAD)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \x00é"


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A token that is not quite the one that was mailed."""
    place, letter = draw(st.integers(0, len(TRUE) - 1)), draw(st.sampled_from(ALPHABET))
    request = replace(REQUEST, **draw(st.sampled_from([{"id": "another"}, {"digest": "0" * 64}])))
    stranger = Person("x", "x@example.com", draw(st.sampled_from(["object-scientist", "OBJECT-LEAD", ""])))
    return draw(
        st.sampled_from(
            [
                TRUE[:place] + letter + TRUE[place + 1 :],
                TRUE[:place] + letter + TRUE[place:],
                TRUE[:place],
                TRUE[place:],
                TRUE.swapcase(),
                TRUE.lower(),
                TRUE.upper(),
                TRUE[::-1],
                TRUE * 2,
                f"{TRUE}=",
                f" {TRUE}",
                token_hash(TRUE),
                real(OPENED, samples.LEAD, request),
                real(OPENED, stranger, REQUEST),
                approval_token(REQUEST, samples.LEAD.object_id, replace(SECRET, approval_key="guess")),
                draw(st.text(max_size=60)),
            ]
        ).filter(lambda mutated: mutated != TRUE)
    )


@settings(max_examples=1000, deadline=None)
@given(mutations())
def test_no_altered_token_ever_votes(mutated: str):
    for secret in (ballots.csrf(TRUE, REQUEST), ballots.csrf(mutated, REQUEST)):
        body = urlencode({"choice": "approve", "csrf": secret}).encode()
        assert OPENED.post(mutated, body).status == 404
    dossier = OPENED.approvals.dossier(REQUEST.id)
    assert dossier
    assert (dossier.votes, OPENED.woken) == ((), [])


def test_the_token_that_was_mailed_votes():
    desk = opened()
    body = urlencode({"choice": "approve", "csrf": ballots.csrf(TRUE, desk.request)}).encode()
    assert desk.post(TRUE, body).status == 200
    assert desk.cast == {"ml-lead": "approve"}


def test_a_form_of_another_persons_page_does_not_vote():
    desk = opened()
    theirs = ballots.csrf(real(desk, samples.OPERATOR), desk.request)
    assert desk.post(TRUE, urlencode({"choice": "approve", "csrf": theirs}).encode()).status == 400
    assert desk.cast == {}
