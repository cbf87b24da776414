"""The mails that Busbar sends, from what activities have at hand. Composing is pure; sending is the caller's."""

from busbar import pages
from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import Person
from busbar.domain.records import CircuitRecord, DeploymentRecord, RunRecord
from busbar.domain.release import ReleaseSet
from busbar.domain.steps import LongRunning
from busbar.pages import Letter, LinkState


def approval_mail(
    request: ApprovalRequest,
    release: ReleaseSet | None,
    person: Person,
    link: str,
    *,
    circuits: tuple[CircuitRecord, ...] = (),
    deployments: tuple[DeploymentRecord, ...] = (),
) -> Letter:
    """Asks `person` to decide. With the `circuits` on record it also says what the run left out, and why."""
    shown = release and release.without(request.excluded)
    view = pages.ApprovalView(
        request, person, LinkState.OPEN, release=shown, circuits=circuits, deployments=deployments
    )
    return pages.mail_approval(view, link)


def long_running_mail(request: LongRunning, board_url: str = "") -> Letter:
    """Tells a circuit's owner that its job runs longer than expected."""
    return pages.mail_long_running(request.key, request.job.name, request.hours, request.commit, board_url)


def run_finished_mail(run: RunRecord, circuits: tuple[CircuitRecord, ...], board_url: str) -> Letter:
    """Tells the requester how a run ended."""
    return pages.mail_run_finished(run, circuits, board_url)
