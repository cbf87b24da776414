"""Approvals, on a real table service."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from busbar.clients.approvals import Approvals
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Choice, Outcome, Vote
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.errors import Conflict, NotFound, VersionConflict
from busbar.domain.policies import GateName
from tests.azure import LocalAzure

LEAD = Person("lead", "ml-lead@example.com", "oid-lead", ("ml-leads",))
OWNER = Person("owner", "owner@example.com", "oid-owner", ("owners",))


def a_request() -> ApprovalRequest:
    return ApprovalRequest(
        f"approval/{uuid4()}", GateName.PROD_DEPLOYMENT, "Deploy", "2 circuits", "d1", "author", (LEAD, OWNER),
        2, "2025-12-12T00:00:00+00:00",
    )  # fmt: skip


def vote(request: ApprovalRequest, person: Person, choice: Choice = Choice.APPROVE) -> Vote:
    return Vote(request.id, person.object_id, person.login, choice, excluded=(CircuitKey("P", "C"),))


def test_a_request_is_created_once_and_found_by_its_links(local_azure: LocalAzure):
    approvals, request = Approvals(local_azure.settings), a_request()
    mine, later = uuid4().hex, uuid4().hex
    assert approvals.create(request, {LEAD.object_id: mine})
    assert not approvals.create(request, {LEAD.object_id: later})
    assert approvals.request(request.id) == request
    assert request in approvals.pending()
    assert approvals.find(mine) == approvals.find(later) == (request, LEAD)
    assert approvals.find("0" * 64) is None


def test_an_id_is_not_reused_for_another_release(local_azure: LocalAzure):
    approvals, request = Approvals(local_azure.settings), a_request()
    approvals.create(request, {})
    with pytest.raises(VersionConflict, match="d1, not d2"):
        approvals.create(replace(request, digest="d2"), {})


def test_a_person_votes_once_however_often_they_click(local_azure: LocalAzure):
    approvals, request = Approvals(local_azure.settings), a_request()
    approvals.create(request, {})

    def click(_: int) -> bool:
        try:
            approvals.cast(vote(request, LEAD))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(click, range(8))).count(True) == 1
    approvals.cast(vote(request, OWNER, Choice.REJECT))
    assert approvals.votes(request.id) == (vote(request, LEAD), vote(request, OWNER, Choice.REJECT))


def test_nobody_votes_after_the_verdict(local_azure: LocalAzure):
    approvals, request = Approvals(local_azure.settings), a_request()
    approvals.create(request, {})
    verdict = ApprovalVerdict(request.id, Outcome.EXPIRED, "nobody decided")
    approvals.decide(verdict)
    approvals.decide(replace(verdict, sentence="said again"))
    assert approvals.verdict(request.id) == verdict
    with pytest.raises(Conflict, match="expired already"):
        approvals.decide(ApprovalVerdict(request.id, Outcome.APPROVED, "late"))
    with pytest.raises(Conflict, match="decided already"):
        approvals.cast(vote(request, LEAD))
    assert approvals.votes(request.id) == ()
    assert request not in approvals.pending()


def test_a_vote_on_nothing_says_so(local_azure: LocalAzure):
    with pytest.raises(NotFound):
        Approvals(local_azure.settings).cast(vote(a_request(), LEAD))
