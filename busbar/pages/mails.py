"""The mails: each is a subject, an HTML part with inline styles only, and a plain text part that says the same."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from busbar.domain.approval import NoticeKind, count, eligible
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import CircuitRecord, RunRecord
from busbar.domain.release_record import Place, ReleaseRecord
from busbar.domain.training import Verdict
from busbar.domain.wording import listed, shortened
from busbar.pages import evidence
from busbar.pages.render import render
from busbar.pages.rows import in_order
from busbar.pages.views import ApprovalView

_SUBJECT = 140  # characters: what a list of mails shows at most; the mail begins with the whole sentence


class Letter(NamedTuple):
    """A mail's parts."""

    subject: str
    html: str
    text: str


NEXT = {
    GateName.REGISTRY_PROMOTION: "is shared to the central registry, and the run goes on",
    GateName.TEST_DEPLOYMENT: "is deployed to the test workspace",
    GateName.PROD_DEPLOYMENT: "is deployed to the production workspace and serves from then on",
    GateName.ENVIRONMENT_UPDATE: "is rolled out to every deployment, in waves",
    GateName.DRIFT_RETRAIN: "is committed to the fleet's repository, and what it names trains again",
}


def _letter(name: str, subject: str, **values: Any) -> Letter:
    one_line = shortened(" ".join(f"[Busbar] {subject}".split()), _SUBJECT)
    values |= {"subject": one_line}
    text = render(f"mail/{name}.txt", **values)
    return Letter(one_line, render(f"mail/{name}.html", **values), text.strip() + "\n")


def mail_approval(
    view: ApprovalView, link: str, kind: NoticeKind = NoticeKind.ASKED, number: int = 0
) -> Letter:
    """Asks `view.person`: one link, the evidence in a few lines, until when, and what happens next.

    `kind` and `number` say whether it is the first mail, a reminder, or an escalation.
    """
    request = view.request
    prefix = {NoticeKind.REMINDED: f"Reminder {number}: ", NoticeKind.ESCALATED: "Escalated: "}.get(kind, "")
    return _letter(
        "approval",
        f"{prefix}{request.gate}: {request.subject}",
        request=request,
        person=view.person,
        kind=kind,
        why=_why(view, kind),
        link=link,
        digest=evidence.digest(view),
        left_out=evidence.left_out(view),
        failing=[line for line in evidence.lines(view) if line.failed],
        next=NEXT[request.gate],
    )


def _why(view: ApprovalView, kind: NoticeKind) -> tuple[str, ...]:
    """Why this mail comes, beside the question itself: a sentence each."""
    request, sentences = view.request, list[str]()
    stands = count(request, view.votes).sentence
    if kind is NoticeKind.REMINDED:
        sentences.append(f"You have not voted yet: {stands} so far. This moves no deadline.")
    if kind is NoticeKind.ESCALATED:
        voted = {vote.object_id for vote in view.votes}
        asked = eligible(request.approvers, request.requester)
        silent = listed(person.login for person in asked if person.object_id not in voted)
        sentences.append(f"{silent} did not decide in time ({stands} so far): now you may, too.")
    if places := request.instead_of(view.person.login):
        sentences.append(f"You are asked in place of {' and '.join(places)}, who named you in people.yaml.")
    return tuple(sentences)


def mail_long_running(key: CircuitKey, job: str, hours: float, commit: str, board_url: str = "") -> Letter:
    """Tells the owner that a job has run for `hours`; it goes on until its deadline."""
    return _letter(
        "long_running",
        f"{key} has been training for {hours:g} hours",
        key=key,
        job=job,
        hours=f"{hours:g}",
        commit=commit,
        link=f"{board_url.rstrip('/')}/circuits/{key.plant_id}/{key.circuit_id}" if board_url else "",
    )


def mail_run_finished(run: RunRecord, circuits: Sequence[CircuitRecord], board_url: str) -> Letter:
    """Tells the requester how a run ended; `circuits` are those that it handled."""
    ordered = sorted(circuits, key=lambda record: in_order(record.key))
    return _letter(
        "run_finished",
        f"run of {run.commit[:8]} {run.status}: {run.sentence}",
        run=run,
        trained=[record for record in ordered if record.verdict is Verdict.TRAINED],
        stopped=[record for record in ordered if record.verdict in (Verdict.GATED_OUT, Verdict.QUARANTINED)],
        link=f"{board_url.rstrip('/')}/runs/{run.id}",
    )


def mail_release_ended(record: ReleaseRecord, board_url: str) -> Letter:
    """Tells whoever composed a release set how its journey ended, and what stayed behind where."""
    legs = [leg for place in Place if (leg := record.leg(place)) is not None]
    return _letter(
        "release_ended",
        f"release set {record.id} {record.status}: {record.sentence}",
        record=record,
        legs=legs,
        held=[(leg.place, held) for leg in legs for held in leg.held],
        link=f"{board_url.rstrip('/')}/releases/{record.id}",
    )


def mail_drift(stage: Stage, day: str, told: Sequence[str], board_url: str) -> Letter:
    """Tells an owner what is new about their circuits on a day, a sentence each."""
    more = f", and {len(told) - 1} more" if len(told) > 1 else ""
    return _letter(
        "drift",
        f"{told[0]}{more}",
        stage=stage,
        day=day,
        told=told,
        link=f"{board_url.rstrip('/')}/drift?stage={stage}",
    )
