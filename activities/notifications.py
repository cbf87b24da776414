"""Mails that ask for nothing."""

from busbar.clients.email import Mail
from busbar.clients.repositories import Repository
from busbar.domain.circuits import Fleet, Person
from busbar.domain.policies import GateName
from busbar.domain.steps import LongRunning
from busbar.fleet.repository import fleet_at


def notify_long_running(request: LongRunning, *, repository: Repository, mail: Mail) -> None:
    """Tell the circuit's owner that its job runs longer than expected; one mail a job."""
    from busbar import notify

    fleet = fleet_at(repository, request.commit)
    circuit = fleet.circuit(request.key)
    owner = fleet.person(circuit.owner) if circuit and circuit.owner else None
    message = notify.long_running_mail(request)
    for person in (owner,) if owner else _promoters(fleet):
        operation = f"long-running/{request.job.name}/{person.object_id}"
        mail.send(person.mail, message.subject, message.html, message.text, operation_id=operation)


def _promoters(fleet: Fleet) -> tuple[Person, ...]:
    """A circuit without an owner is everybody's who may promote models."""
    policy = fleet.policies.approvals.get(GateName.REGISTRY_PROMOTION)
    return fleet.members(policy.groups) if policy else ()
