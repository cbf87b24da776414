"""Who decided what: an approval request, its votes, and the one verdict that they come to."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.errors import Conflict
from busbar.domain.policies import Demands, GateName
from busbar.domain.wording import listed


class Choice(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True)
class Vote:
    """One person's decision on one request, cast `at` (ISO 8601, UTC). A rejection carries its reason."""

    request_id: str
    object_id: str
    login: str
    choice: Choice
    reason: str = ""
    excluded: tuple[CircuitKey, ...] = ()
    at: str = ""


@dataclass(frozen=True)
class StandIn:
    """`login` is asked in the place of `instead_of`, who has delegated to them."""

    login: str
    instead_of: str


@dataclass(frozen=True)
class EvidenceLink:
    """A page to look at before deciding: `address` is a path of Busbar's own pages, or an http(s) address."""

    label: str
    address: str

    def __post_init__(self) -> None:
        if not self.address.startswith(("/", "https://", "http://")):
            raise ValueError(f"{self.address!r} is neither a path nor an http(s) address")


@dataclass(frozen=True)
class AskedCircuit:
    """A circuit in question where there is no release set: why, in a sentence, and the page that shows it."""

    key: CircuitKey
    sentence: str
    address: str


@dataclass(frozen=True)
class ApprovalRequest:
    """What is asked, of whom, until when. `digest` binds the decision to what was shown.

    `requester` started it and never counts. `subject` and `summary` are what the mail and the page say;
    `release_id` names the evidence, where there is a release set of `circuits` circuits; `excluded` are those that an
    earlier gate's approvers left out, so that `digest` is that of `release.without(excluded)`; `evidence` is what
    else there is to see. From `escalate_at` on `escalation` may vote as well as `approvers`; `stand_ins` says who of
    either is asked in somebody's place. `asked` are the circuits in question without a release set, `demands` is what
    the stage behind the gate demands of each model. Times are ISO 8601, UTC; without `asked_at` nobody is reminded.
    """

    id: str
    gate: GateName
    subject: str
    summary: str
    digest: str
    requester: str
    approvers: tuple[Person, ...]
    quorum: int
    expires_at: str
    release_id: str | None = None
    excluded: tuple[CircuitKey, ...] = ()
    circuits: int = 0
    asked_at: str | None = None
    reminder_hours: float = 24.0
    escalate_at: str | None = None
    escalation: tuple[Person, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()
    evidence: tuple[EvidenceLink, ...] = ()
    demands: Demands | None = None
    asked: tuple[AskedCircuit, ...] = ()

    def person(self, object_id: str) -> Person | None:
        """Who is, or will be, asked."""
        people = (*self.approvers, *self.escalation)
        return next((person for person in people if person.object_id == object_id), None)

    def instead_of(self, login: str) -> tuple[str, ...]:
        """In whose place somebody is asked."""
        return tuple(one.instead_of for one in self.stand_ins if one.login == login)


class Outcome(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class ApprovalVerdict:
    """How a request ended, with the sentence that says who decided; `excluded` circuits were left out by a voter."""

    request_id: str
    outcome: Outcome
    sentence: str
    excluded: tuple[CircuitKey, ...] = ()

    @property
    def approved(self) -> bool:
        return self.outcome is Outcome.APPROVED


def instant(text: str) -> datetime:
    """An ISO 8601 time as an aware one; without an offset it is UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def eligible(people: tuple[Person, ...], requester: str) -> tuple[Person, ...]:
    """The people who may decide: everybody asked but the requester, under whatever login."""
    own = {person.object_id for person in people if person.login.casefold() == requester.casefold()}
    return tuple(person for person in people if person.object_id not in own)


def escalated(request: ApprovalRequest) -> tuple[Person, ...]:
    """Whom the escalation adds: nobody twice, and never the requester."""
    asked = {person.object_id for person in request.approvers}
    added = eligible((*request.approvers, *request.escalation), request.requester)
    return tuple({person.object_id: person for person in added if person.object_id not in asked}.values())


def voters(request: ApprovalRequest, at: str) -> tuple[Person, ...]:
    """Who may vote at a time: everybody asked and, from its escalation on, those it was escalated to."""
    asked = eligible(request.approvers, request.requester)
    if at and request.escalate_at and instant(at) >= instant(request.escalate_at):
        return asked + escalated(request)
    return asked


def count(request: ApprovalRequest, votes: tuple[Vote, ...]) -> ApprovalVerdict:
    """Any reject ends it; `quorum` distinct people (by directory object id) approve it; else it is pending."""
    valid = [vote for vote in votes if vote.request_id == request.id and _may_vote(request, vote)]
    for vote in valid:
        if vote.choice is Choice.REJECT:
            sentence = f"{described(request, vote.login)} rejected: {vote.reason}"
            return ApprovalVerdict(request.id, Outcome.REJECTED, sentence)
    by_person = {vote.object_id: vote for vote in valid}
    if len(by_person) >= request.quorum:
        names = listed(described(request, vote.login) for vote in by_person.values())
        excluded = tuple(sorted({key for vote in by_person.values() for key in vote.excluded}))
        return ApprovalVerdict(request.id, Outcome.APPROVED, f"approved by {names}", excluded)
    return ApprovalVerdict(request.id, Outcome.PENDING, f"{len(by_person)} of {request.quorum} votes")


def described(request: ApprovalRequest, login: str) -> str:
    """`deputy (for ml-lead)`, `plant-lead (escalated)`: why it is this person who decides."""
    reasons = [f"for {name}" for name in request.instead_of(login)]
    if login not in {person.login for person in request.approvers} and login in {
        person.login for person in request.escalation
    }:
        reasons.append("escalated")
    return f"{login} ({', '.join(reasons)})" if reasons else login


def expired(request: ApprovalRequest, votes: tuple[Vote, ...] = ()) -> ApprovalVerdict:
    """A timeout is a reject."""
    so_far = f"only {count(request, votes).sentence}" if votes else "nobody decided"
    return ApprovalVerdict(request.id, Outcome.EXPIRED, f"{so_far} until {request.expires_at}")


class NoticeKind(StrEnum):
    """Why people were mailed about a request."""

    ASKED = "asked"
    REMINDED = "reminded"
    ESCALATED = "escalated"


@dataclass(frozen=True)
class Notice:
    """A round of mails: when, to whom (logins), and who could not be mailed and why. `number` counts reminders."""

    kind: NoticeKind
    number: int
    at: str
    logins: tuple[str, ...]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dossier:
    """Everything about one request. Each change gives the dossier as it is afterwards, or raises `Conflict`.

    The vote that decides brings the verdict with it: there is no moment at which votes say one thing and the
    verdict another. `voided` says why it counts no more, whatever was decided.
    """

    request: ApprovalRequest
    votes: tuple[Vote, ...] = ()
    verdict: ApprovalVerdict | None = None
    notices: tuple[Notice, ...] = ()
    voided: str = ""

    def cast(self, vote: Vote) -> "Dossier":
        """With one vote more."""
        if refusal := self._refusal(vote):
            raise Conflict(refusal)
        votes = (*self.votes, vote)
        verdict = count(self.request, votes)
        return replace(self, votes=votes, verdict=None if verdict.outcome is Outcome.PENDING else verdict)

    def concluded(self) -> "Dossier":
        """With a verdict: what the votes said, or that nobody decided in time."""
        return self if self.verdict else replace(self, verdict=expired(self.request, self.votes))

    def superseded(self, sentence: str) -> "Dossier":
        """With nothing left to decide, since something newer is asked; what is decided stays decided."""
        verdict = ApprovalVerdict(self.request.id, Outcome.SUPERSEDED, sentence)
        return self if self.verdict else replace(self, verdict=verdict)

    def void(self, sentence: str) -> "Dossier":
        """Without effect from now on: what is undecided is cancelled, and asked again it is another question."""
        verdict = self.verdict or ApprovalVerdict(self.request.id, Outcome.CANCELLED, sentence)
        return self if self.voided else replace(self, verdict=verdict, voided=sentence)

    def noticed(self, notice: Notice) -> "Dossier":
        """With a round of mails on record; the same round again is the one that is there."""
        known = any((one.kind, one.number) == (notice.kind, notice.number) for one in self.notices)
        return self if known else replace(self, notices=(*self.notices, notice))

    def _refusal(self, vote: Vote) -> str:
        """Why a vote may not be cast; empty where it may."""
        request = self.request
        if self.verdict:
            return f"the request is decided already: {self.verdict.sentence}"
        if vote.at and instant(vote.at) >= instant(request.expires_at):
            return f"the request expired at {request.expires_at}"
        if not _may_vote(request, vote):
            return f"{vote.login} is not asked about {request.id}"
        if any(known.object_id == vote.object_id for known in self.votes):
            return f"{vote.login} has voted already"
        left_out = {key for known in (*self.votes, vote) for key in known.excluded}
        if vote.excluded and len(left_out) >= request.circuits:
            return "nothing would be left: reject instead, with a reason"
        return ""


def _may_vote(request: ApprovalRequest, vote: Vote) -> bool:
    return any(person.object_id == vote.object_id for person in voters(request, vote.at))
