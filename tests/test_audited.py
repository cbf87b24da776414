"""What approvals leave in the audit log: sentences that stand by themselves, and nothing twice."""

from busbar import audited
from busbar.domain.approval import ApprovalVerdict, Choice, Outcome, Vote
from busbar.domain.audit import verify
from busbar.domain.circuits import CircuitKey
from tests.fakes import FakeAudit
from tests.pages import samples

RELEASE = samples.release(samples.fleet(1, 2).circuits)
ASKED = samples.request(RELEASE)
KEY = CircuitKey("PLANT1", "CIRC1")


def test_a_vote_says_who_did_what_with_what_was_shown():
    audit, reason = FakeAudit(), "the sensor was replaced"
    for _ in range(2):
        audited.voted(ASKED, Vote(ASKED.id, "o1", "operator", Choice.APPROVE, "", (KEY,)), audit)
        audited.voted(ASKED, Vote(ASKED.id, "o2", "ml-lead", Choice.REJECT, reason), audit)
    approved, rejected = audit.entries()
    assert approved.sentence == f"operator approved {ASKED.subject}, leaving out PLANT1/CIRC1"
    assert rejected.sentence == f"ml-lead rejected {ASKED.subject}: the sensor was replaced"
    assert approved.details["digest"] == RELEASE.digest
    assert approved.details["excluded"] == ["PLANT1/CIRC1"]
    assert rejected.details["reason"] == reason


def test_a_verdict_says_how_it_ended():
    audit = FakeAudit()
    verdict = ApprovalVerdict(ASKED.id, Outcome.EXPIRED, "nobody decided until noon")
    audited.decided(ASKED, verdict, audit)
    (entry,) = audit.entries()
    assert entry.sentence == f"{ASKED.subject}: nobody decided until noon"
    assert (entry.kind, entry.actor) == ("verdict", "gate prod-deployment")


def test_refusals_that_differ_are_told_apart_and_repeats_are_one():
    audit = FakeAudit()
    for _ in range(3):
        audited.vote_refused(ASKED.id, "scientist", "the requester does not decide", audit)
        audited.vote_refused("unknown link", "somebody", "no such link", audit, attempt="ab12")
        audited.vote_refused("unknown link", "somebody", "no such link", audit, attempt="cd34")
    assert [entry.subject for entry in audit.entries()] == [ASKED.id, "unknown link", "unknown link"]
    assert audit.entries()[0].sentence == "a vote by scientist was refused: the requester does not decide"
    assert verify(audit.entries(), audit.head()).whole
