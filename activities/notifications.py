"""Mails that ask for nothing."""

import hashlib

from busbar.clients.email import Mail
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.repositories import Repository
from busbar.domain.circuits import Fleet, Person
from busbar.domain.errors import ConfigurationError, NotFound
from busbar.domain.policies import GateName
from busbar.domain.records import RunStatus
from busbar.domain.steps import LongRunning, Release, RunNote, TrainingRun
from busbar.fleet.repository import fleet_at
from busbar.settings import Settings


def notify_long_running(
    request: LongRunning, *, repository: Repository, mail: Mail, settings: Settings
) -> None:
    """Tell the circuit's owner that its job runs longer than expected; one mail a job."""
    from busbar import notify

    fleet = fleet_at(repository, request.commit)
    circuit = fleet.circuit(request.key)
    owner = fleet.person(circuit.owner) if circuit and circuit.owner else None
    message = notify.long_running_mail(request, settings.public_url)
    for person in (owner,) if owner else _promoters(fleet):
        operation = f"long-running/{request.job.name}/{person.object_id}"
        mail.send(person.mail, message.subject, message.html, message.text, operation_id=operation)


def notify_run_ended(
    request: RunNote, *, repository: Repository, records: Records, mail: Mail, settings: Settings
) -> None:
    """Tell the requester how the run ended, once; a run that had nothing to train has nothing to tell."""
    from busbar import notify

    run, requester = records.run(request.run.id), _requester(request.run, repository)
    circuits = tuple(record for record in records.circuits() if record.run == request.run.id)
    if run is None or requester is None or not (circuits or request.status is RunStatus.FAILED):
        return
    letter = notify.run_finished_mail(run, circuits, settings.public_url)
    operation = f"run-ended/{request.run.id}"
    mail.send(requester.mail, letter.subject, letter.html, letter.text, operation_id=operation)


def notify_release_ended(
    request: Release, *, repository: Repository, releases: Releases, mail: Mail, settings: Settings
) -> None:
    """Tell whoever composed a release set how it ended, once for each end: a retried journey may end otherwise."""
    from busbar import notify

    record, requester = releases.get(request.id), _requester(request, repository)
    if record is None or requester is None:
        return
    letter = notify.release_ended_mail(record, settings.public_url)
    operation = f"release-ended/{record.id}/{hashlib.sha256(record.sentence.encode()).hexdigest()[:8]}"
    mail.send(requester.mail, letter.subject, letter.html, letter.text, operation_id=operation)


def _requester(asked: TrainingRun | Release, repository: Repository) -> Person | None:
    """Who is to be told; where the configuration names nobody that can be read, the pages tell."""
    try:
        return fleet_at(repository, asked.commit).person(asked.requester)
    except (ConfigurationError, NotFound):
        return None


def _promoters(fleet: Fleet) -> tuple[Person, ...]:
    """A circuit without an owner is everybody's who may promote models."""
    policy = fleet.policies.approvals.get(GateName.REGISTRY_PROMOTION)
    return fleet.members(policy.groups) if policy else ()
