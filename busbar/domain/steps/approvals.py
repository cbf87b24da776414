"""Asking people."""

from dataclasses import dataclass

from busbar.domain.agenda import Due
from busbar.domain.approval import ApprovalRequest, AskedCircuit, EvidenceLink
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName, Policies


@dataclass(frozen=True)
class Question:
    """Something for people to decide at a gate.

    `identity` names it and `digest` is its content: together they are the request, so that the same question is asked
    once and changed content is another question. `subject` and `summary` say it in words. Who is asked stands in
    `config/` at `commit`; `requester` started it and may not decide it. `evidence` is what there is to look at beside
    the circuits of `release_id`, of which `circuits` are in question and `excluded` are not; without a release set
    `asked` are the circuits in question.
    """

    gate: GateName
    identity: str
    subject: str
    summary: str
    digest: str
    requester: str
    commit: str
    policies: Policies
    evidence: tuple[EvidenceLink, ...] = ()
    release_id: str | None = None
    circuits: int = 0
    excluded: tuple[CircuitKey, ...] = ()
    asked: tuple[AskedCircuit, ...] = ()


@dataclass(frozen=True)
class Reminder:
    """A reminder or an escalation that is due."""

    request: ApprovalRequest
    due: Due
