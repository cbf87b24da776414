"""Release sets on their way: composed, put into the index, superseded, followed from place to place, ended."""

from activities.clock import moment, now
from activities.records import stored_release
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.repositories import Repository
from busbar.domain.approval import Outcome
from busbar.domain.audit import fingerprint
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound
from busbar.domain.release import ReleaseSet
from busbar.domain.release_record import Held, Leg, Origin, ReleaseRecord, overlap
from busbar.domain.steps import Journey, Release, ReleaseEnd, ReleaseRequest, Visit, Visited
from busbar.domain.wording import counted
from busbar.fleet.repository import fleet_at


def compose_release(
    request: ReleaseRequest, *, records: Records, repository: Repository, releases: Releases, audit: Audit
) -> Release:
    """Store the release set of a run's trained circuits; its id is its content."""
    run = request.run
    pins = tuple(outcome.pin for outcome in request.outcomes if outcome.pin)
    release = ReleaseSet(run.id, run.commit, run.requester, pins, request.assets.environment_name)
    records.save_release(release)
    _open(release, Origin.TRAINING, releases, audit)
    return Release.of(release, fleet_at(repository, run.commit).policies)


def open_release(request: Journey, *, records: Records, releases: Releases, audit: Audit) -> None:
    """Put a release set into the index, where composing it has not done so yet; one that is retried is open again."""
    _open(stored_release(request.release.id, records), request.origin, releases, audit)
    releases.update(request.release.id, lambda record: record.reopened(now()))


def supersede_older(request: Release, *, releases: Releases, approvals: Approvals) -> tuple[str, ...]:
    """Let the newest of the open release sets have the circuits that several pin.

    What is asked about one that loses circuits is closed; the ids of these requests, whose orchestrations are to be
    woken. Each release set looks at all of them, itself included: whichever looks last finds the newer.
    """
    own = _record(request.id, releases)
    asked: list[str] = []
    for other in releases.open():
        older, newer = (other, own) if overlap(other, own) else (own, other)
        if taken := overlap(older, newer):
            releases.update(older.id, lambda record, newer=newer: record.superseded_by(newer, now()))
            sentence = f"superseded: release set {newer.id} pins {counted(len(taken), 'circuit')} of it"
            asked += _close_questions(older.id, taken, sentence, approvals)
    return tuple(asked)


def less_superseded(request: Release, *, releases: Releases) -> Release:
    """The release less the circuits that a newer one has taken over."""
    record = releases.get(request.id)
    return request.less(record.overtaken) if record else request


def lacks(request: Visit, *, ml: MachineLearning, records: Records) -> bool:
    """Whether a place does not have each of the release's models yet: if it has, nobody need be asked."""
    pins = stored_release(request.release.id, records).without(request.release.excluded).pins
    stage = request.place.stage
    if stage is None:
        return any(not ml.model_in_registry(pin.model_name, pin.model_version) for pin in pins)
    served = {record.key: record.deployment for record in records.deployments(stage)}
    return any(served.get(pin.key) != pin.deployment for pin in pins)


def note_visit(request: Visited, *, releases: Releases) -> None:
    """Put on record which circuits reached a place, and why others did not."""
    release, promotion = request.visit.release, request.promotion
    reasons = dict(promotion.held)
    reached = promotion.release.kept if promotion.done and promotion.release else ()
    stayed = [key for key in release.kept if key not in reached]
    held = tuple(Held(key, reasons.get(key, promotion.sentence)) for key in stayed)
    leg = Leg(request.visit.place, promotion.sentence, now(), reached, held)
    releases.update(release.id, lambda record: record.after(leg))


def end_release(request: ReleaseEnd, *, releases: Releases, audit: Audit) -> None:
    """Put on record how a release set ended."""
    release, end = request.release, request.end
    releases.update(release.id, lambda record: record.ended(end.status, end.sentence, now()))
    audit.append(
        id=f"release-ended-{release.id}-{fingerprint(end.sentence)}",
        kind="release-ended",
        subject=release.id,
        actor="release journey",
        sentence=f"release set {release.id}: {end.status}: {end.sentence}",
        details={"requester": release.requester, "status": end.status},
    )


def _open(release: ReleaseSet, origin: Origin, releases: Releases, audit: Audit) -> None:
    record = releases.add(ReleaseRecord.of(release, origin, moment()))
    audit.append(
        id=f"release-composed-{record.id}",
        kind="release-composed",
        subject=record.id,
        actor=record.requester,
        sentence=f"{record.requester} composed release set {record.id} of {_source(record)}: "
        f"{counted(len(record.circuits), 'circuit')}",
        details={
            "digest": record.digest,
            "commit": record.commit,
            "circuits": list(map(str, record.circuits)),
        },
    )


def _source(record: ReleaseRecord) -> str:
    return {
        Origin.TRAINING: f"training run {record.run}",
        Origin.HAND: "models by hand",
        Origin.TEST: "what test runs",
        Origin.ENVIRONMENT: "what is deployed, for another environment",
    }[record.origin]


def _record(id: str, releases: Releases) -> ReleaseRecord:
    record = releases.get(id)
    if record is None:
        raise NotFound(f"release {id} is not in the index")
    return record


def _close_questions(
    id: str, taken: tuple[CircuitKey, ...], sentence: str, approvals: Approvals
) -> list[str]:
    """Close what is undecided about circuits that were taken over; whoever waits for it is to be woken."""
    asked = [dossier.request for dossier in approvals.of_release(id)]
    about = [request.id for request in asked if set(taken) - set(request.excluded)]
    closed = [approvals.supersede(request_id, sentence) for request_id in about]
    return [
        dossier.request.id
        for dossier in closed
        if dossier.verdict and dossier.verdict.outcome is Outcome.SUPERSEDED
    ]
