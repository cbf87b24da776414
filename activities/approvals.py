"""Approvals: the mails, the links, the count."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from activities.clock import now
from activities.comparisons import config_changes
from busbar import audited
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.email import Mail
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain.approval import (
    ApprovalRequest,
    ApprovalVerdict,
    Dossier,
    Notice,
    NoticeKind,
    count,
    eligible,
    escalated,
    voters,
)
from busbar.domain.circuits import Person
from busbar.domain.errors import NotFound, Rejected
from busbar.domain.steps import Reminder
from busbar.settings import Settings

if TYPE_CHECKING:
    from busbar.pages import Letter

_OPERATION = {
    NoticeKind.ASKED: "",
    NoticeKind.REMINDED: "reminder-{}/",
    NoticeKind.ESCALATED: "escalation/",
}


def ask_approvers(
    request: ApprovalRequest,
    *,
    approvals: Approvals,
    records: Records,
    mail: Mail,
    audit: Audit,
    repository: Repository,
    settings: Settings,
) -> None:
    """Store the request and mail each approver a link of their own. A repeat stores and sends the same."""
    people = eligible(request.approvers, request.requester)
    approvals.create(request, _hashes(request, people, settings))
    if request.release_id and approvals.changes(request.id) is None:
        approvals.keep_changes(request.id, config_changes(request, request.release_id, records, repository))
    letters = _letters(_stored(request, approvals), people, NoticeKind.ASKED, 0, records, settings)
    _record(request, _sent(letters, NoticeKind.ASKED, 0, mail), approvals, audit)


def remind_approvers(
    request: Reminder,
    *,
    approvals: Approvals,
    records: Records,
    mail: Mail,
    audit: Audit,
    settings: Settings,
) -> None:
    """Mail those who have not voted their link again, once for each reminder."""
    asked, number = request.request, request.due.number
    dossier = _stored(asked, approvals)
    voted = {vote.object_id for vote in dossier.votes}
    able = voters(asked, (request.due.at - timedelta(seconds=1)).isoformat())  # not who is added just now
    people = tuple(person for person in able if person.object_id not in voted)
    if dossier.verdict is None:
        letters = _letters(dossier, people, NoticeKind.REMINDED, number, records, settings)
        _record(asked, _sent(letters, NoticeKind.REMINDED, number, mail), approvals, audit)


def escalate_approval(
    request: Reminder,
    *,
    approvals: Approvals,
    records: Records,
    mail: Mail,
    audit: Audit,
    settings: Settings,
) -> None:
    """Let the people that the policy escalates to vote as well, each by a link of their own."""
    asked = request.request
    dossier, people = _stored(asked, approvals), escalated(asked)
    if dossier.verdict is None:
        approvals.link(asked.id, _hashes(asked, people, settings))
        letters = _letters(dossier, people, NoticeKind.ESCALATED, 0, records, settings)
        _record(asked, _sent(letters, NoticeKind.ESCALATED, 0, mail), approvals, audit)


def count_votes(request: ApprovalRequest, *, approvals: Approvals) -> ApprovalVerdict:
    """Where the request stands."""
    dossier = _stored(request, approvals)
    return dossier.verdict or count(request, dossier.votes)


def close_approval(request: ApprovalRequest, *, approvals: Approvals, audit: Audit) -> ApprovalVerdict:
    """End it: as the votes say, or as expired. A late click then reads who decided.

    What a vote's own page could not write into the audit log is written now.
    """
    dossier = approvals.conclude(request.id)
    if dossier.verdict is None:
        raise NotFound(f"approval {request.id} was closed without a verdict")
    for vote in dossier.votes:
        audited.voted(request, vote, audit)
    audited.decided(request, dossier.verdict, audit)
    return dossier.verdict


def approval_token(request: ApprovalRequest, object_id: str, settings: Settings) -> str:
    """The secret of one person's link: an HMAC of request, digest and person, so that a repeated mail is the same.

    Unguessable without the key, 43 characters; only its hash is stored.
    """
    bound = f"{request.id}\0{request.digest}\0{object_id}".encode()
    digest = hmac.new(settings.approval_key.encode(), bound, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _stored(request: ApprovalRequest, approvals: Approvals) -> Dossier:
    dossier = approvals.dossier(request.id)
    if dossier is None:
        raise NotFound(f"approval {request.id} is not on record")
    return dossier


def _record(request: ApprovalRequest, notice: Notice, approvals: Approvals, audit: Audit) -> None:
    """Put a round of mails on record; of a repeat the first counts."""
    known = approvals.notice(request.id, notice).notices
    first = next(one for one in known if (one.kind, one.number) == (notice.kind, notice.number))
    audited.mailed(request, first, audit)


def _hashes(request: ApprovalRequest, people: tuple[Person, ...], settings: Settings) -> dict[str, str]:
    return {one.object_id: token_hash(approval_token(request, one.object_id, settings)) for one in people}


@dataclass(frozen=True)
class _Letter:
    """A mail to one person; the same `operation` is sent once."""

    person: Person
    letter: "Letter"
    operation: str


def _letters(
    dossier: Dossier,
    people: tuple[Person, ...],
    kind: NoticeKind,
    number: int,
    records: Records,
    settings: Settings,
) -> Iterator[_Letter]:
    """One a person, with what is on record now."""
    from busbar import notify

    request = dossier.request
    release = records.release(request.release_id) if request.release_id else None
    circuits, serving = tuple(records.circuits()), tuple(records.deployments())
    for person in people:
        link = f"{settings.public_url}/approvals/{approval_token(request, person.object_id, settings)}"
        letter = notify.approval_mail(
            dossier, person, link, kind, number, release=release, circuits=circuits, deployments=serving
        )
        yield _Letter(person, letter, f"{request.id}/{_OPERATION[kind].format(number)}{person.object_id}")


def _sent(letters: Iterator[_Letter], kind: NoticeKind, number: int, mail: Mail) -> Notice:
    """Send them all. An address that the service refuses keeps nobody else from being asked; if it refuses every
    one of them, nobody knows of the request, and the refusal is raised."""
    sent, refusals = list[str](), dict[str, Rejected]()
    for one in letters:
        try:
            mail.send(
                one.person.mail,
                one.letter.subject,
                one.letter.html,
                one.letter.text,
                operation_id=one.operation,
            )
            sent.append(one.person.login)
        except Rejected as refusal:
            refusals[one.person.login] = refusal
    if refusals and not sent:
        raise next(iter(refusals.values()))
    failed = tuple(f"{login}: {refusal}" for login, refusal in refusals.items())
    return Notice(kind, number, now(), tuple(sent), failed)
