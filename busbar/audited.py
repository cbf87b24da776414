"""What approvals leave in the audit log. Each entry's id says what happened once: a repeat writes nothing."""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

from busbar.domain.approval import (
    ApprovalRequest,
    ApprovalVerdict,
    Choice,
    Notice,
    NoticeKind,
    Vote,
    described,
)
from busbar.domain.audit import Entry


class AuditLog(Protocol):
    """The part of the `Audit` client that writes."""

    def append(
        self,
        *,
        id: str,
        kind: str,
        subject: str,
        actor: str,
        sentence: str,
        details: Mapping[str, Any],
    ) -> Entry: ...


def voted(request: ApprovalRequest, vote: Vote, audit: AuditLog) -> None:
    """A vote that counts, with the digest of what was shown."""
    did = "approved" if vote.choice is Choice.APPROVE else "rejected"
    left_out = f", leaving out {', '.join(map(str, vote.excluded))}" if vote.excluded else ""
    because = f": {vote.reason}" if vote.reason else ""
    audit.append(
        id=f"vote-{request.id}-{vote.object_id}",
        kind="vote",
        subject=request.id,
        actor=vote.login,
        sentence=f"{described(request, vote.login)} {did} {request.subject}{left_out}{because}",
        details=_bound(request) | _ballot(vote),
    )


def vote_refused(subject: str, actor: str, problem: str, audit: AuditLog, attempt: str = "") -> None:
    """A vote that does not count: forged, late, the requester's own, a second one.

    `subject` is the request's id, or what is known instead; `attempt` tells attempts apart that look alike (never a
    token itself: the hash of it). The same again is one entry, so that nobody fills the log by repeating himself.
    """
    told = hashlib.sha256(f"{actor}\0{problem}\0{attempt}".encode()).hexdigest()[:16]
    audit.append(
        id=f"vote-refused-{subject}-{told}",
        kind="vote-refused",
        subject=subject,
        actor=actor,
        sentence=f"a vote by {actor} was refused: {problem}",
        details={"attempt": attempt},
    )


def refused(
    what: str, subject: str, actor: str, sentence: str, details: Mapping[str, Any], audit: AuditLog
) -> None:
    """Somebody tried, and nothing was done: the same again is one entry."""
    told = hashlib.sha256("\0".join((subject, actor, sentence, repr(details))).encode()).hexdigest()[:16]
    kind = f"{what}-refused"
    audit.append(
        id=f"{kind}-{told}", kind=kind, subject=subject, actor=actor, sentence=sentence, details=details
    )


def mailed(request: ApprovalRequest, notice: Notice, audit: AuditLog) -> None:
    """A round of mails: who was asked, reminded, or may vote as well from now on."""
    number = f" ({notice.number})" if notice.number else ""
    escalated = notice.kind is NoticeKind.ESCALATED
    done = "escalated to" if escalated else f"{notice.kind}{number}:"
    logins = notice.logins if escalated else (described(request, login) for login in notice.logins)
    names = ", ".join(logins) or "nobody"
    failed = f"; not reached: {'; '.join(notice.failed)}" if notice.failed else ""
    audit.append(
        id=f"{notice.kind}-{notice.number}-{request.id}",
        kind=f"approval-{notice.kind}",
        subject=request.id,
        actor=f"gate {request.gate}",
        sentence=f"{request.subject}: {done} {names}{failed}",
        details=_bound(request) | {"expires_at": request.expires_at},
    )


def decided(request: ApprovalRequest, verdict: ApprovalVerdict, audit: AuditLog) -> None:
    """How a request ended; the actor is the gate's rule, the sentence says whose votes it counted."""
    left_out = [str(key) for key in verdict.excluded]
    audit.append(
        id=f"verdict-{request.id}",
        kind="verdict",
        subject=request.id,
        actor=f"gate {request.gate}",
        sentence=f"{request.subject}: {verdict.sentence}",
        details=_bound(request) | {"outcome": verdict.outcome, "excluded": left_out},
    )


def _bound(request: ApprovalRequest) -> dict[str, Any]:
    """What a decision is bound to."""
    return {"gate": request.gate, "digest": request.digest, "release_id": request.release_id}


def _ballot(vote: Vote) -> dict[str, Any]:
    left_out = [str(key) for key in vote.excluded]
    return {"object_id": vote.object_id, "choice": vote.choice, "reason": vote.reason, "excluded": left_out}
