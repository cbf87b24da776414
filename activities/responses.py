"""What is done about drift: decided once a run, told to owners, announced, asked, and put on record how it ended."""

from collections.abc import Iterable
from dataclasses import replace

from activities.clock import now
from activities.questions import open_question
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.drifts import Drifts
from busbar.clients.email import Mail
from busbar.clients.event_grid import Events
from busbar.clients.repositories import Repository
from busbar.domain.approval import ApprovalRequest, AskedCircuit, EvidenceLink
from busbar.domain.circuits import CircuitKey, Fleet, Person
from busbar.domain.drift import DriftRecord
from busbar.domain.drift_plan import (
    Action,
    DriftPlan,
    Incident,
    IncidentStatus,
    Occasion,
    Response,
    Seen,
    plan,
)
from busbar.domain.errors import NotFound, Rejected
from busbar.domain.events import DriftDetected, EventType
from busbar.domain.policies import GateName, Stage
from busbar.domain.steps import DriftResponding, IncidentEnd, Question
from busbar.fleet.repository import fleet_at, training_head
from busbar.inbound.busbar_events import to_event_data
from busbar.settings import Settings

BUSBAR = "busbar"  # who asks for these retrains: nobody's login, so that nobody is kept from deciding


def plan_responses(request: DriftResponding, *, drifts: Drifts, audit: Audit) -> str:
    """Decide what is done about the day, once: incidents, a response a circuit, and the sentence of the whole."""
    run = request.run
    made = drifts.plan(run.id) or _plan(request, drifts)
    drifts.save_plan(run.id, made)
    for incident in made.incidents:
        drifts.add_incident(incident)
    for response in made.responses:
        _note(run.stage, run.day.isoformat(), response, drifts)
    audit.append(
        id=f"drift-plan-{run.id}",
        kind="drift",
        subject=run.id,
        actor="drift policy",
        sentence=f"{run.stage} {run.day}: {made.sentence}{run.cause and f' ({run.cause})'}",
        details={str(one.key): one.sentence for one in made.responses if one.action is not Action.NOTHING},
    )
    return made.sentence


def tell_owners(
    request: DriftResponding, *, drifts: Drifts, repository: Repository, mail: Mail, settings: Settings
) -> tuple[str, ...]:
    """Mail each owner what is new about their circuits, once a run; what was so the day before is no news.

    Gives back who was not reached, and why: an address that the service refuses keeps nobody else from knowing.
    """
    from busbar import notify

    run, made = request.run, drifts.plan(request.run.id)
    if made is None:
        raise NotFound(f"{run.id} has decided nothing yet")
    fleet = fleet_at(repository, request.plan.commit)
    news, refused = _news(made, run.stage, run.day.isoformat(), drifts), list[str]()
    for person, told in _by_owner(news, fleet).items():
        letter = notify.drift_mail(run.stage, run.day.isoformat(), tuple(told), settings.public_url)
        operation = f"drift/{run.id}/{person.object_id}"
        try:
            mail.send(person.mail, letter.subject, letter.html, letter.text, operation_id=operation)
        except Rejected as refusal:
            refused.append(f"{person.login}: {refusal}")
    return tuple(refused)


def announce_drift(request: Stage, *, drifts: Drifts, events: Events) -> tuple[str, ...]:
    """Publish every incident of the stage that nobody has been asked about yet: those of runs before, too.

    An event that was lost is so published again by the next run; a repeat is dropped by its id.
    """
    found = [one for one in drifts.incidents(request) if one.status is IncidentStatus.DETECTED]
    for incident in found:
        detected = DriftDetected(incident.id, incident.stage, incident.sentence)
        subject = f"{incident.stage}/{incident.scope}"
        events.publish(EventType.DRIFT_DETECTED, subject, to_event_data(detected), id=incident.id)
    return tuple(incident.id for incident in found)


def drift_question(
    request: DriftDetected, *, drifts: Drifts, repository: Repository, approvals: Approvals
) -> ApprovalRequest | None:
    """What to ask before an incident's circuits train again; the people and limits are the training branch's."""
    incident = _incident(request.incident, drifts)
    training = training_head(repository)
    if training is None:
        raise NotFound("no branch trains any more: push one that the branch table lets train")
    commit = training[1]
    question = Question(
        gate=GateName.DRIFT_RETRAIN,
        identity=incident.id,
        subject=f"Train again in {incident.stage}: {incident.scope}, {incident.verdict}",
        summary=f"{incident.sentence}. Approved, the cutoff dates move to the newest readings by a commit, and what "
        "it names trains, is checked and is released as ever.",
        digest=incident.digest,
        requester=BUSBAR,
        commit=commit,
        policies=fleet_at(repository, commit).policies,
        circuits=len(incident.circuits),
        evidence=(EvidenceLink("Drift of the fleet", f"/drift?stage={incident.stage}"),),
        asked=tuple(
            AskedCircuit(key, line, f"/circuits/{key}/drift?stage={incident.stage}")
            for key, line in zip(incident.circuits, incident.lines, strict=True)
        ),
    )
    asked = open_question(question, repository=repository, approvals=approvals)
    waiting = IncidentStatus.WAITING if asked else incident.status
    approval = asked.id if asked else ""
    drifts.change_incident(
        incident.id, lambda one: one if one.status.ended else replace(one, status=waiting, approval=approval)
    )
    return asked


def close_incident(request: IncidentEnd, *, drifts: Drifts, audit: Audit) -> Incident:
    """Put on record how an incident ended, with each circuit's response. From now on its circuits cool down."""
    at = now()

    def ended(incident: Incident) -> Incident:
        if incident.status.ended:
            return incident
        return replace(
            incident,
            status=_status(request),
            said=request.sentence,
            excluded=request.excluded,
            commit=request.commit or "",
            at=at,
        )

    incident = drifts.change_incident(request.incident, ended)
    for key in incident.circuits:
        said = "left out by who approved the rest" if key in incident.excluded else incident.said
        _respond(incident.stage, key, f"{incident.status}: {said}", incident.id, drifts)
    audit.append(
        id=f"{incident.id}-ended",
        kind="drift",
        subject=incident.id,
        actor=f"gate {GateName.DRIFT_RETRAIN}",
        sentence=f"{incident.sentence}: {incident.status}: {incident.said}",
        details={"circuits": list(map(str, incident.circuits)), "commit": incident.commit},
    )
    return incident


def _plan(request: DriftResponding, drifts: Drifts) -> DriftPlan:
    run, day = request.run, request.run.day.isoformat()
    looked_at = {key for chunk in request.plan.chunks for key in chunk}
    found = [one for one in drifts.records(run.stage) if one.key in looked_at and one.judged.day == day]
    seen = [Seen(one.judged, before.verdict if (before := one.before(day)) else None) for one in found]
    occasion = Occasion(run.stage, day, run.id, now())
    # of all stages: a circuit is trained once, wherever it drifts
    return plan(seen, drifts.incidents(), request.plan.policies.monitoring, occasion)


def _note(stage: Stage, day: str, response: Response, drifts: Drifts) -> None:
    """A circuit's response beside its verdict; one that has gone on meanwhile is left as it is."""

    def noted(record: DriftRecord | None) -> DriftRecord:
        if record is None:
            raise NotFound(f"{response.key} has no drift record in {stage}")
        if record.judged.day != day or (response.incident and record.incident == response.incident):
            return record
        return replace(record, response=response.sentence, incident=response.incident or record.incident)

    drifts.change_record(stage, response.key, noted)


def _respond(stage: Stage, key: CircuitKey, sentence: str, incident: str, drifts: Drifts) -> None:
    def responded(record: DriftRecord | None) -> DriftRecord:
        if record is None:
            raise NotFound(f"{key} has no drift record in {stage}")
        return replace(record, response=sentence) if record.incident == incident else record

    drifts.change_record(stage, key, responded)


def _news(made: DriftPlan, stage: Stage, day: str, drifts: Drifts) -> list[tuple[CircuitKey, str]]:
    """What was not so the day before: a sentence for the drift, one for forecasts that may not be relied on."""
    responses = {response.key: response for response in made.responses}
    found: list[tuple[CircuitKey, str]] = []
    for record in drifts.records(stage):
        response = responses.get(record.key)
        if response is None or record.judged.day != day:
            continue
        if response.news:
            found.append((record.key, f"{record.judged.sentence} ({response.sentence})"))
        before = record.before(day)
        if record.judged.forecasts and (before is None or before.sound):
            found.append((record.key, record.judged.forecasts))
    return found


def _by_owner(news: Iterable[tuple[CircuitKey, str]], fleet: Fleet) -> dict[Person, list[str]]:
    """The sentences by whom they are told; a circuit without an owner is of those who decide about retrains."""
    policy = fleet.policies.approvals.get(GateName.DRIFT_RETRAIN)
    others = fleet.members(policy.groups) if policy else ()
    told: dict[Person, list[str]] = {}
    for key, sentence in news:
        circuit = fleet.circuit(key)
        owner = fleet.person(circuit.owner) if circuit and circuit.owner else None
        for person in (owner,) if owner else others:
            told.setdefault(person, []).append(sentence)
    return told


def _incident(id: str, drifts: Drifts) -> Incident:
    incident = drifts.incident(id)
    if incident is None:
        raise NotFound(f"incident {id} is not on record")
    return incident


def _status(end: IncidentEnd) -> IncidentStatus:
    if end.failed:
        return IncidentStatus.FAILED
    if end.commit:
        return IncidentStatus.COMMITTED
    return IncidentStatus.EXPIRED if end.expired else IncidentStatus.REJECTED
