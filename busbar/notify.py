"""The mails that Busbar sends, from what activities have at hand. Composing is pure; sending is the caller's."""

from busbar import pages
from busbar.domain.approval import Dossier, NoticeKind
from busbar.domain.circuits import Person
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, RunRecord
from busbar.domain.release import ReleaseSet
from busbar.domain.release_record import ReleaseRecord
from busbar.domain.steps import LongRunning
from busbar.pages import Letter, LinkState


def approval_mail(
    dossier: Dossier,
    person: Person,
    link: str,
    kind: NoticeKind,
    number: int,
    *,
    release: ReleaseSet | None,
    circuits: tuple[CircuitRecord, ...] = (),
    deployments: tuple[DeploymentRecord, ...] = (),
) -> Letter:
    """Asks `person` to decide, reminds them (for the `number`th time), or asks them because others did not decide.

    With the `circuits` on record it also says what the run left out, and why.
    """
    request = dossier.request
    view = pages.ApprovalView(
        request,
        person,
        LinkState.OPEN,
        release=release and release.without(request.excluded),
        circuits=circuits,
        deployments=deployments,
        votes=dossier.votes,
        notices=dossier.notices,
    )
    return pages.mail_approval(view, link, kind, number)


def long_running_mail(request: LongRunning, board_url: str = "") -> Letter:
    """Tells a circuit's owner that its job runs longer than expected."""
    return pages.mail_long_running(request.key, request.job.name, request.hours, request.commit, board_url)


def run_finished_mail(run: RunRecord, circuits: tuple[CircuitRecord, ...], board_url: str) -> Letter:
    """Tells the requester how a run ended."""
    return pages.mail_run_finished(run, circuits, board_url)


def release_ended_mail(record: ReleaseRecord, board_url: str) -> Letter:
    """Tells whoever composed a release set how it ended."""
    return pages.mail_release_ended(record, board_url)


def drift_mail(stage: Stage, day: str, told: tuple[str, ...], board_url: str) -> Letter:
    """Tells an owner what is new about their circuits in service: drift, broken readings, unsound forecasts."""
    return pages.mail_drift(stage, day, told, board_url)
