"""Approval links: GET shows and never acts, POST casts one vote."""

import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

from busbar import pages
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Choice, Outcome, Vote, count
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.errors import BadRequest, Conflict, TemporarilyUnavailable
from busbar.domain.release import ReleaseSet
from busbar.pages import LinkState
from busbar.web.readings import shown_release
from busbar.web.reply import Reply, header
from busbar.web.shapes import ApprovalStore, RecordReader, SignInSettings

log = logging.getLogger("busbar")
MAX_BODY = 64 * 1024
MAX_REASON = 1000
PRIVATE = {"Cache-Control": "no-store"}
BUSY = "A service behind this page does not answer just now. Nothing is lost: open your link again, it keeps its place."
UNKNOWN_LINK = "This link leads to no approval request. Open the one in your own mail, unbroken."


class _Refusal(Exception):
    """The link shows nothing: `reply` says why."""

    def __init__(self, status: int, title: str, text: str):
        super().__init__(title)
        self.reply = Reply.message(status, title, text, PRIVATE)


@dataclass(frozen=True)
class _Form:
    choice: Choice
    reason: str
    excluded: tuple[CircuitKey, ...]


def show(
    token: str,
    headers: Mapping[str, str],
    *,
    approvals: ApprovalStore,
    records: RecordReader,
    settings: SignInSettings,
) -> Reply:
    """GET or HEAD /approvals/{token}: the evidence, or 404, 403, and 410 once decided or expired."""
    return _answer(lambda: _page(_look(token, headers, approvals, records, settings)))


def vote(
    token: str,
    body: bytes,
    headers: Mapping[str, str],
    wake: Callable[[str], None],
    *,
    approvals: ApprovalStore,
    records: RecordReader,
    settings: SignInSettings,
) -> Reply:
    """POST /approvals/{token}: cast this link's one vote, then `wake` the orchestration of the request.

    Wakes on a repeat as well, as long as nothing is decided: the first waking may have been lost.
    """
    return _answer(lambda: _vote(token, body, headers, wake, approvals, records, settings))


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
    token: str,
    body: bytes,
    headers: Mapping[str, str],
    wake: Callable[[str], None],
    approvals: ApprovalStore,
    records: RecordReader,
    settings: SignInSettings,
) -> Reply:
    view = _look(token, headers, approvals, records, settings)
    if view.state is not LinkState.OPEN:
        if view.vote and approvals.verdict(view.request.id) is None:
            wake(view.request.id)
        return _page(view, 410)
    try:
        form = _read(body, view)
    except BadRequest as problem:
        return _page(_again(view, body, str(problem)), 400)
    try:
        approvals.cast(_ballot(view, form))
    except Conflict:
        return _page(_look(token, headers, approvals, records, settings), 410)
    wake(view.request.id)
    votes = approvals.votes(view.request.id)
    return _page(replace(view, state=LinkState.VOTED, votes=votes, verdict=_final(view.request, votes)))


def csrf(token: str, request: ApprovalRequest) -> str:
    """The form's second half of the link's secret, bound to what is shown."""
    bound = f"vote\0{request.id}\0{request.digest}".encode()
    return hmac.new(token.encode(), bound, hashlib.sha256).hexdigest()


def _look(
    token: str,
    headers: Mapping[str, str],
    approvals: ApprovalStore,
    records: RecordReader,
    settings: SignInSettings,
) -> pages.ApprovalView:
    """What the holder of `token` sees now; raises `_Refusal`."""
    found = approvals.find(hashlib.sha256(token.encode()).hexdigest()) if 16 <= len(token) <= 128 else None
    if found is None:
        raise _Refusal(404, "No such approval", UNKNOWN_LINK)
    request, person = found
    _check_person(request, person, headers, settings)
    votes = approvals.votes(request.id)
    verdict = approvals.verdict(request.id) or _final(request, votes)
    return pages.ApprovalView(
        request=request,
        person=person,
        state=_state(request, person, votes, verdict),
        csrf=csrf(token, request),
        release=_evidence(request, records),
        circuits=tuple(records.circuits()),
        deployments=tuple(records.deployments()),
        votes=votes,
        verdict=verdict,
    )


def _check_person(
    request: ApprovalRequest, person: Person, headers: Mapping[str, str], settings: SignInSettings
) -> None:
    """The requester never decides; where the platform signs people in, the link works for its owner only."""
    if person.login == request.requester:
        raise _Refusal(
            403, "Not yours to decide", "You asked for this yourself: somebody else has to decide it."
        )
    signed_in = header(headers, "X-MS-CLIENT-PRINCIPAL-ID")  # anybody can send it where the platform does not
    if settings.easy_auth and signed_in != person.object_id:
        text = (
            "This link was mailed to somebody else. Sign in as the person who got it, or open your own mail."
        )
        raise _Refusal(403, "Not your link", text)


def _final(request: ApprovalRequest, votes: tuple[Vote, ...]) -> ApprovalVerdict | None:
    """What the votes have decided, even before the orchestration has put it on record."""
    verdict = count(request, votes)
    return None if verdict.outcome is Outcome.PENDING else verdict


def _state(
    request: ApprovalRequest, person: Person, votes: tuple[Vote, ...], verdict: ApprovalVerdict | None
) -> LinkState:
    if verdict:
        return LinkState.EXPIRED if verdict.outcome is Outcome.EXPIRED else LinkState.DECIDED
    expires = datetime.fromisoformat(request.expires_at)
    if datetime.now(UTC) >= (expires if expires.tzinfo else expires.replace(tzinfo=UTC)):
        return LinkState.EXPIRED
    return LinkState.VOTED if any(vote.object_id == person.object_id for vote in votes) else LinkState.OPEN


def _evidence(request: ApprovalRequest, records: RecordReader) -> ReleaseSet | None:
    """The release set that the request is bound to; nobody decides on evidence that is gone or differs."""
    if request.release_id is None:
        return None
    release = shown_release(request, records.release(request.release_id))
    if release is None or release.digest != request.digest:
        text = (
            f"Release set {request.release_id} is {'not in the store' if release is None else 'not what was asked'}"
            f" (request {request.id}). A platform engineer can look at the container `releases`; a rerun asks anew."
        )
        raise _Refusal(409, "The evidence is not there", text)
    return release


def _page(view: pages.ApprovalView, status: int | None = None) -> Reply:
    gone = view.state in (LinkState.DECIDED, LinkState.EXPIRED)
    return Reply.html(status or (410 if gone else 200), pages.approval(view), PRIVATE)


def _fields(body: bytes) -> dict[str, list[str]]:
    if len(body) > MAX_BODY:
        raise BadRequest("body", f"more than {MAX_BODY} bytes")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=2000, errors="strict")
    except ValueError as error:
        raise BadRequest("body", "not a form (application/x-www-form-urlencoded, UTF-8)") from error


def _one(fields: Mapping[str, list[str]], name: str) -> str:
    values = fields.get(name, [""])
    if len(values) > 1:
        raise BadRequest(name, "sent more than once")
    return values[0]


def _read(body: bytes, view: pages.ApprovalView) -> _Form:
    """The vote in a form; raises `BadRequest` naming the field."""
    fields = _fields(body)
    if not hmac.compare_digest(_one(fields, "csrf").encode(), view.csrf.encode()):
        raise BadRequest("csrf", "this form is not of this page: look at the evidence below and decide here")
    try:
        choice = Choice(_one(fields, "choice"))
    except ValueError as error:
        raise BadRequest("choice", f"one of {', '.join(Choice)} is needed") from error
    reason = _clean(_one(fields, "reason"))
    if choice is Choice.REJECT:
        if not reason:
            raise BadRequest("reason", "a rejection needs one: the requester reads it")
        return _Form(choice, reason, ())
    return _Form(choice, reason, _exclusions(fields.get("exclude", []), view))


def _clean(reason: str) -> str:
    text = "".join(
        character for character in reason if character.isprintable() or character in "\n\t"
    ).strip()
    if len(text) > MAX_REASON:
        raise BadRequest("reason", f"longer than {MAX_REASON} characters")
    return text


def _exclusions(values: list[str], view: pages.ApprovalView) -> tuple[CircuitKey, ...]:
    """The circuits to leave out, each in the release; something has to remain once all votes are put together."""
    if not values:
        return ()
    keys = {CircuitKey.parse(value) for value in values}
    pinned = {pin.key for pin in view.release.pins} if view.release else set[CircuitKey]()
    if unknown := sorted(keys - pinned):
        raise BadRequest("exclude", f"{', '.join(map(str, unknown))} is not in what is asked")
    if not pinned - keys - {key for vote in view.votes for key in vote.excluded}:
        raise BadRequest("exclude", "nothing would be left: reject instead, with a reason")
    return tuple(sorted(keys))


def _again(view: pages.ApprovalView, body: bytes, problem: str) -> pages.ApprovalView:
    """The page with what was wrong, and what the person had filled in."""
    try:
        fields = _fields(body)
    except BadRequest:
        fields = dict[str, list[str]]()
    reason = fields.get("reason", [""])[0][:MAX_REASON]
    return replace(view, problem=problem, reason=reason, excluded=tuple(fields.get("exclude", [])))


def _ballot(view: pages.ApprovalView, form: _Form) -> Vote:
    person = view.person
    return Vote(view.request.id, person.object_id, person.login, form.choice, form.reason, form.excluded)
