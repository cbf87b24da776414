"""Whom a request waits for: who is asked and why, what they said, how often they were reminded."""

from dataclasses import dataclass

from busbar.domain.approval import (
    ApprovalRequest,
    Choice,
    Dossier,
    Notice,
    NoticeKind,
    Vote,
    described,
    eligible,
    escalated,
)


@dataclass(frozen=True)
class Voter:
    """Somebody who may vote; `name` says in whose place, or that the request was escalated to them."""

    name: str
    vote: Vote | None
    reminded: int

    @property
    def tone(self) -> str:
        return "" if self.vote is None else "good" if self.vote.choice is Choice.APPROVE else "bad"


@dataclass(frozen=True)
class Ask:
    """A request on the board."""

    dossier: Dossier

    @property
    def voters(self) -> tuple[Voter, ...]:
        return voters(self.dossier.request, self.dossier.votes, self.dossier.notices)


def voters(
    request: ApprovalRequest, votes: tuple[Vote, ...], notices: tuple[Notice, ...]
) -> tuple[Voter, ...]:
    """Everybody asked so far, those that it was escalated to last."""
    added = escalated(request) if any(one.kind is NoticeKind.ESCALATED for one in notices) else ()
    cast = {vote.object_id: vote for vote in votes}
    return tuple(
        Voter(described(request, one.login), cast.get(one.object_id), _reminded(one.login, notices))
        for one in (*eligible(request.approvers, request.requester), *added)
    )


def _reminded(login: str, notices: tuple[Notice, ...]) -> int:
    return sum(one.kind is NoticeKind.REMINDED and login in one.logins for one in notices)
