"""Who decided what: the quorum of an approval."""

from dataclasses import dataclass
from enum import StrEnum

from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.policies import GateName


class Choice(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True)
class Vote:
    """One person's decision on one request. A rejection carries its reason."""

    request_id: str
    object_id: str
    login: str
    choice: Choice
    reason: str = ""
    excluded: tuple[CircuitKey, ...] = ()


@dataclass(frozen=True)
class ApprovalRequest:
    """What is asked, of whom, until when. `digest` binds the decision to what was shown.

    `requester` started it and never counts. `subject` and `summary` are what the mail and the page say;
    `release_id` names the evidence, where there is a release set; `excluded` are its circuits that an earlier
    gate's approvers left out, so that `digest` is that of `release.without(excluded)`. `expires_at` is ISO 8601, UTC.
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


class Outcome(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


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


def eligible(people: tuple[Person, ...], requester: str) -> tuple[Person, ...]:
    """The people who may decide: everybody asked but the requester, under whatever login."""
    own = {person.object_id for person in people if person.login.casefold() == requester.casefold()}
    return tuple(person for person in people if person.object_id not in own)


def count(request: ApprovalRequest, votes: tuple[Vote, ...]) -> ApprovalVerdict:
    """Any reject ends it; `quorum` distinct people (by directory object id) approve it; else it is pending."""
    allowed = {person.object_id for person in eligible(request.approvers, request.requester)}
    valid = [vote for vote in votes if vote.request_id == request.id and vote.object_id in allowed]
    for vote in valid:
        if vote.choice is Choice.REJECT:
            return ApprovalVerdict(request.id, Outcome.REJECTED, f"{vote.login} rejected: {vote.reason}")
    by_person = {vote.object_id: vote for vote in valid}
    if len(by_person) >= request.quorum:
        names = " and ".join(vote.login for vote in by_person.values())
        excluded = tuple(sorted({key for vote in by_person.values() for key in vote.excluded}))
        return ApprovalVerdict(request.id, Outcome.APPROVED, f"approved by {names}", excluded)
    return ApprovalVerdict(request.id, Outcome.PENDING, f"{len(by_person)} of {request.quorum} votes")


def expired(request: ApprovalRequest) -> ApprovalVerdict:
    """A timeout is a reject."""
    return ApprovalVerdict(request.id, Outcome.EXPIRED, f"nobody decided until {request.expires_at}")
