"""Approvals, on a real table service."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from busbar.clients.approvals import Approvals
from busbar.domain.approval import (
    ApprovalRequest,
    ApprovalVerdict,
    Choice,
    Dossier,
    Notice,
    NoticeKind,
    Outcome,
    Vote,
    expired,
)
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.errors import Conflict, NotFound, VersionConflict
from busbar.domain.policies import GateName
from tests.azure import LocalAzure

LEAD = Person("lead", "ml-lead@example.com", "oid-lead", ("ml-leads",))
OWNER = Person("owner", "owner@example.com", "oid-owner", ("owners",))


def a_request() -> ApprovalRequest:
    return ApprovalRequest(
        f"approval/{uuid4()}", GateName.PROD_DEPLOYMENT, "Deploy", "2 circuits", "d1", "author", (LEAD, OWNER),
        2, "2025-12-12T00:00:00+00:00", circuits=2,
    )  # fmt: skip


def vote(request: ApprovalRequest, person: Person, choice: Choice = Choice.APPROVE) -> Vote:
    return Vote(request.id, person.object_id, person.login, choice, excluded=(CircuitKey("P", "C"),))


def found(approvals: Approvals, token_hash: str) -> tuple[ApprovalRequest, Person] | None:
    link = approvals.find(token_hash)
    return link and (link[0].request, link[1])


def test_a_request_is_created_once_and_found_by_its_links(local_azure: LocalAzure):
    approvals, request = Approvals(local_azure.settings), a_request()
    mine, later, added = uuid4().hex, uuid4().hex, uuid4().hex
    assert approvals.create(request, {LEAD.object_id: mine})
    assert not approvals.create(request, {LEAD.object_id: later})
    approvals.link(request.id, {OWNER.object_id: added})
    assert approvals.dossier(request.id) == Dossier(request)
    assert Dossier(request) in approvals.open()
    assert found(approvals, mine) == found(approvals, later) == (request, LEAD)
    assert found(approvals, added) == (request, OWNER)
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
    dossier = approvals.cast(vote(request, OWNER, Choice.REJECT))
    assert dossier.votes == (vote(request, LEAD), vote(request, OWNER, Choice.REJECT))
    assert dossier.verdict == ApprovalVerdict(request.id, Outcome.REJECTED, "owner rejected: ")
    assert approvals.dossier(request.id) == dossier


def test_nobody_votes_after_the_verdict_and_a_closed_request_is_no_longer_open(local_azure: LocalAzure):
    approvals, request = Approvals(local_azure.settings), a_request()
    approvals.create(request, {LEAD.object_id: (link := uuid4().hex)})
    closed = approvals.conclude(request.id)
    assert closed.verdict == expired(request)
    assert approvals.conclude(request.id) == closed
    assert approvals.dossier(request.id) == closed
    assert request.id not in [dossier.request.id for dossier in approvals.open()]
    with pytest.raises(Conflict, match="decided already: nobody decided"):
        approvals.cast(vote(request, LEAD))
    assert not approvals.create(request, {})
    assert found(approvals, link) == (request, LEAD)


def test_rounds_of_mails_are_on_record(local_azure: LocalAzure):
    approvals, request = Approvals(local_azure.settings), a_request()
    approvals.create(request, {})
    notice = Notice(
        NoticeKind.REMINDED, 1, "2025-12-10T00:00:00+00:00", ("lead",), ("owner: no such mailbox",)
    )
    approvals.notice(request.id, notice)
    approvals.notice(request.id, replace(notice, logins=()))
    dossier = approvals.dossier(request.id)
    assert dossier
    assert dossier.notices == (notice,)


def test_what_is_about_nothing_says_so(local_azure: LocalAzure):
    approvals = Approvals(local_azure.settings)
    with pytest.raises(NotFound):
        approvals.cast(vote(a_request(), LEAD))
    with pytest.raises(NotFound):
        approvals.conclude("approve-nothing")


def test_a_thousand_open_requests_are_listed_without_reading_what_is_decided(local_azure: LocalAzure):
    """Twice as many decided ones make the list no longer and hardly slower."""
    approvals = Approvals(local_azure.settings)
    requests = [replace(a_request(), id=f"many/{number}/{uuid4()}") for number in range(1000)]

    def fill(request: ApprovalRequest) -> None:
        approvals.create(request, {})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, requests))
        start = time.perf_counter()
        listed = approvals.open()
        seconds = time.perf_counter() - start
        assert {request.id for request in requests} <= {dossier.request.id for dossier in listed}
        assert seconds < 5
        list(pool.map(approvals.conclude, [request.id for request in requests]))
    assert not {request.id for request in requests} & {dossier.request.id for dossier in approvals.open()}
