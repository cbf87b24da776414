"""Approval links: GET shows and never acts, POST casts one vote."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from busbar import audited, pages
from busbar.audited import AuditLog
from busbar.domain.approval import ApprovalRequest, Dossier, Outcome, Vote, eligible, instant
from busbar.domain.circuits import Person
from busbar.domain.errors import BadRequest, BusbarError, Conflict, TemporarilyUnavailable
from busbar.domain.release import ReleaseSet
from busbar.pages import LinkState
from busbar.web import ballots
from busbar.web.readings import shown_release
from busbar.web.reply import Reply, header
from busbar.web.shapes import ApprovalReader, ApprovalStore, EvidenceReader, RecordReader, SignInSettings

log = logging.getLogger("busbar")
PRIVATE = {"Cache-Control": "no-store"}
BUSY = "A service behind this page does not answer just now. Nothing is lost: open your link again, it keeps its place."
UNKNOWN_LINK = "This link leads to no approval request. Open the one in your own mail, unbroken."


class _Refusal(Exception):
    """The link shows nothing: `reply` says why. `actor` is whom the link was mailed to, where that is known."""

    def __init__(
        self, status: int, title: str, text: str, *, subject: str = "an unknown link", actor: str = "somebody"
    ):
        super().__init__(title)
        self.reply = Reply.message(status, title, text, PRIVATE)
        self.subject, self.actor, self.problem = subject, actor, title.lower()


def show(
    token: str,
    headers: Mapping[str, str],
    *,
    approvals: ApprovalStore,
    records: RecordReader,
    evidence: EvidenceReader,
    settings: SignInSettings,
) -> Reply:
    """GET or HEAD /approvals/{token}: the evidence, or 404, 403, and 410 once decided or expired."""
    return _answer(lambda: _page(_look(token, headers, approvals, records, evidence, settings)))


def vote(
    token: str,
    body: bytes,
    headers: Mapping[str, str],
    wake: Callable[[str], None],
    *,
    approvals: ApprovalStore,
    records: RecordReader,
    evidence: EvidenceReader,
    audit: AuditLog,
    settings: SignInSettings,
) -> Reply:
    """POST /approvals/{token}: cast this link's one vote; if it decides, `wake` the orchestration of the request.

    Wakes on a later click as well: the first waking may have been lost. Votes and refusals are audited.
    """

    def look() -> pages.ApprovalView:
        return _look(token, headers, approvals, records, evidence, settings)

    return _answer(lambda: _vote(look, body, wake, approvals, audit))


def find_lost_votes(wake: Callable[[str], None], *, approvals: ApprovalReader) -> list[str]:
    """Wake every request that is decided while its orchestration has not taken note: the vote's event was lost."""
    lost = [dossier.request.id for dossier in approvals.open() if dossier.verdict]
    for request_id in lost:
        wake(request_id)
    return lost


def _answer(handle: Callable[[], Reply]) -> Reply:
    """What `handle` replies; where it cannot, a page that says why."""
    try:
        return handle()
    except _Refusal as refused:
        return refused.reply
    except TemporarilyUnavailable:
        log.exception("an approval page could not be served")
        return Reply.message(503, "Try again in a moment", BUSY, PRIVATE | {"Retry-After": "30"})


def _vote(
    look: Callable[[], pages.ApprovalView],
    body: bytes,
    wake: Callable[[str], None],
    approvals: ApprovalStore,
    audit: AuditLog,
) -> Reply:
    try:
        view = look()
    except _Refusal as refused:
        told = (refused.subject, refused.actor, refused.problem)
        hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"  # so that nobody fills the log with invented links
        _write(lambda: audited.vote_refused(*told, audit, hour))
        raise
    if view.state is not LinkState.OPEN:
        if view.verdict:
            wake(view.request.id)
        return _refused(view, _closed(view), audit, 410)
    try:
        ballot = ballots.read(body, view)
    except ballots.Foreign as problem:
        return _refused(ballots.refilled(view, body, str(problem)), str(problem), audit, 400)
    except BadRequest as problem:
        return _page(ballots.refilled(view, body, str(problem)), 400)
    vote = _vote_of(view, ballot)
    try:
        dossier = approvals.cast(vote)
    except Conflict as refusal:
        now = look()
        again = replace(now, problem=str(refusal)) if now.state is LinkState.OPEN else now
        return _refused(again, str(refusal), audit, 410)
    if dossier.verdict:
        wake(view.request.id)
    _write(lambda: audited.voted(view.request, vote, audit))
    return _page(replace(view, state=LinkState.VOTED, votes=dossier.votes, verdict=dossier.verdict))


def _refused(view: pages.ApprovalView, problem: str, audit: AuditLog, status: int) -> Reply:
    _write(lambda: audited.vote_refused(view.request.id, view.person.login, problem, audit))
    return _page(view, status)


def _closed(view: pages.ApprovalView) -> str:
    """Why a link that shows its request takes no vote."""
    if view.verdict:
        return f"the request is decided already: {view.verdict.sentence}"
    if view.state is LinkState.VOTED:
        return f"{view.person.login} has voted already"
    return f"the request expired at {view.request.expires_at}"


def _write(entry: Callable[[], None]) -> None:
    """Write into the audit log; while it does not answer the vote stands, and is written when the request closes."""
    try:
        entry()
    except BusbarError:
        log.exception("the audit log could not be written")


def _look(
    token: str,
    headers: Mapping[str, str],
    approvals: ApprovalStore,
    records: RecordReader,
    evidence: EvidenceReader,
    settings: SignInSettings,
) -> pages.ApprovalView:
    """What the holder of `token` sees now; raises `_Refusal`."""
    found = approvals.find(hashlib.sha256(token.encode()).hexdigest()) if 16 <= len(token) <= 128 else None
    if found is None:
        raise _Refusal(404, "No such approval", UNKNOWN_LINK)
    dossier, person = found
    request = dossier.request
    _check_person(request, person, headers, settings)
    return pages.ApprovalView(
        request=request,
        person=person,
        state=_state(dossier, person),
        csrf=ballots.csrf(token, request),
        release=_evidence(request, person, records),
        circuits=tuple(records.circuits()),
        deployments=tuple(records.deployments()),
        votes=dossier.votes,
        verdict=dossier.verdict,
        notices=dossier.notices,
        changes=approvals.changes(request.id) if request.release_id else None,
        notebook=evidence.note(request.release_id) if request.release_id else None,
    )


def _check_person(
    request: ApprovalRequest, person: Person, headers: Mapping[str, str], settings: SignInSettings
) -> None:
    """The requester never decides; where the platform signs people in, the link works for its owner only."""
    whose = {"subject": request.id, "actor": person.login}
    if not eligible((person,), request.requester):
        raise _Refusal(
            403,
            "Not yours to decide",
            "You asked for this yourself: somebody else has to decide it.",
            **whose,
        )
    signed_in = header(headers, "X-MS-CLIENT-PRINCIPAL-ID")  # anybody can send it where the platform does not
    if settings.easy_auth and signed_in != person.object_id:
        text = (
            "This link was mailed to somebody else. Sign in as the person who got it, or open your own mail."
        )
        raise _Refusal(403, "Not your link", text, **whose)


def _state(dossier: Dossier, person: Person) -> LinkState:
    if dossier.verdict:
        return LinkState.EXPIRED if dossier.verdict.outcome is Outcome.EXPIRED else LinkState.DECIDED
    if datetime.now(UTC) >= instant(dossier.request.expires_at):
        return LinkState.EXPIRED
    voted = any(vote.object_id == person.object_id for vote in dossier.votes)
    return LinkState.VOTED if voted else LinkState.OPEN


def _evidence(request: ApprovalRequest, person: Person, records: RecordReader) -> ReleaseSet | None:
    """The release set that the request is bound to; nobody decides on evidence that is gone or differs."""
    if request.release_id is None:
        return None
    release = shown_release(request, records.release(request.release_id))
    if release is None or release.digest != request.digest:
        text = (
            f"Release set {request.release_id} is {'not in the store' if release is None else 'not what was asked'}"
            f" (request {request.id}). A platform engineer can look at the container `releases`; a rerun asks anew."
        )
        raise _Refusal(409, "The evidence is not there", text, subject=request.id, actor=person.login)
    return release


def _page(view: pages.ApprovalView, status: int | None = None) -> Reply:
    gone = view.state in (LinkState.DECIDED, LinkState.EXPIRED)
    return Reply.html(status or (410 if gone else 200), pages.approval(view), PRIVATE)


def _vote_of(view: pages.ApprovalView, ballot: ballots.Ballot) -> Vote:
    person, at = view.person, datetime.now(UTC).isoformat()
    return Vote(
        view.request.id, person.object_id, person.login, ballot.choice, ballot.reason, ballot.excluded, at
    )
