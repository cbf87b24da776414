"""What the pages are given."""

from dataclasses import dataclass
from enum import StrEnum

from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Dossier, Notice, Vote
from busbar.domain.audit import Entry, Head
from busbar.domain.changes import ConfigChange
from busbar.domain.circuits import Person
from busbar.domain.evidence import EvidenceNote
from busbar.domain.records import CircuitRecord, DeploymentRecord, RunRecord, ScoringRecord
from busbar.domain.release import Pin, ReleaseSet


@dataclass(frozen=True)
class Board:
    """The whole fleet: what is on record, `runs` newest first, `pending` what waits for a decision."""

    circuits: tuple[CircuitRecord, ...] = ()
    deployments: tuple[DeploymentRecord, ...] = ()
    scorings: tuple[ScoringRecord, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    pending: tuple[Dossier, ...] = ()


@dataclass(frozen=True)
class CircuitView:
    """One circuit. `pin` is its line in its run's release set, where there is one: the lineage's exact versions."""

    record: CircuitRecord
    deployments: tuple[DeploymentRecord, ...] = ()
    scorings: tuple[ScoringRecord, ...] = ()
    run: RunRecord | None = None
    pin: Pin | None = None


@dataclass(frozen=True)
class AuditView:
    """A part of the audit log, newest first, and the log's end; with a `subject` only what is about that."""

    head: Head
    entries: tuple[Entry, ...] = ()
    subject: str = ""

    @property
    def older(self) -> int | None:
        """The number before which the next page begins; None where the log does."""
        first = self.entries[-1].sequence if self.entries else 1
        return first if first > 1 and not self.subject else None


@dataclass(frozen=True)
class Desk:
    """Who would press a page's button: a signed-in `person` with the form's token, or somebody with a key.

    `signed_out`: the platform signs people in, and nobody is.
    """

    person: str = ""
    csrf: str = ""
    signed_out: bool = False


class LinkState(StrEnum):
    """What a person who follows an approval link finds."""

    OPEN = "open"
    VOTED = "voted"
    DECIDED = "decided"
    EXPIRED = "expired"


@dataclass(frozen=True)
class ApprovalView:
    """An approval request as `person` sees it.

    `release` is the evidence, where the request has one, and `notebook` where its notebook stands; `circuits` are the
    records of everything that its run handled, so that the page can say what was left out and why; `deployments` is
    what serves now, `changes` what the candidates' configuration changes against it (None: not on record); `notices`
    says who was mailed when. `csrf` goes into the form; `problem` says what was wrong with the form just sent, whose
    `reason` and `excluded` are kept.
    """

    request: ApprovalRequest
    person: Person
    state: LinkState
    csrf: str = ""
    release: ReleaseSet | None = None
    circuits: tuple[CircuitRecord, ...] = ()
    deployments: tuple[DeploymentRecord, ...] = ()
    votes: tuple[Vote, ...] = ()
    verdict: ApprovalVerdict | None = None
    notices: tuple[Notice, ...] = ()
    changes: tuple[ConfigChange, ...] | None = None
    notebook: EvidenceNote | None = None
    problem: str = ""
    reason: str = ""
    excluded: tuple[str, ...] = ()

    @property
    def vote(self) -> Vote | None:
        """This person's own vote."""
        return next((vote for vote in self.votes if vote.object_id == self.person.object_id), None)
