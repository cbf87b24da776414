"""Release sets by hand and from what test runs: checked, kept, and sent on the ordinary journey."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from busbar import audited
from busbar.clients.audit import Audit
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.circuits import Fleet, Serving
from busbar.domain.composition import Candidacy, Wanted, objections, parse_pins
from busbar.domain.errors import BadRequest
from busbar.domain.policies import Stage
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.release_record import Origin
from busbar.domain.steps import Journey, Release
from busbar.fleet.repository import default_fleet
from busbar.inbound.fields import json_object, optional_text
from busbar.web.events import Orchestrations
from busbar.web.reply import Reply

TOLD = 20  # of more problems only the number is told


def compose(
    body: bytes,
    orchestrations: Orchestrations,
    *,
    repository: Repository,
    ml: MachineLearning,
    records: Records,
    releases: Releases,
    audit: Audit,
) -> Reply:
    """POST /api/releases {"pins": "PLANT1/CIRC1=3,…", "requester": "login"}, or "from": "test" instead of pins.

    A refusal names the field and is audited. The same again within a minute is the same release set.
    """
    fields = json_object(body or b"{}")
    try:
        fleet = default_fleet(repository)
        origin, wanted = _wanted(fields, records)
        requester = _requester(fields, fleet)
        pins = _pins(origin, wanted, fleet, ml, records, releases)
    except BadRequest as refused:
        _audit_refusal(fields, refused, audit)
        raise
    run = names.composition(origin, datetime.now(UTC))
    environment = pins[0].environment.partition(":")[0]
    composed = ReleaseSet(run, fleet.commit, requester, pins, environment)
    records.save_release(composed)
    journey = Journey(Release.of(composed, fleet.policies), origin)
    orchestrations.start("release_journey", names.release_run(composed.id), journey)
    return Reply.json(202, {"id": names.release_run(composed.id), "release": composed.id})


def _wanted(fields: Mapping[str, Any], records: Records) -> tuple[Origin, tuple[Wanted, ...]]:
    pins, source = optional_text(fields, "pins"), optional_text(fields, "from")
    if bool(pins) == bool(source):
        raise BadRequest("pins", 'either models, PLANT1/CIRC1=3,…, or "from": "test" is needed, not both')
    if pins:
        return Origin.HAND, parse_pins(pins)
    if source != Stage.TEST:
        raise BadRequest("from", f"{source!r} is not test: a release set is composed from what test runs")
    serving = records.deployments(Stage.TEST)
    if not serving:
        raise BadRequest("from", "test runs no model yet: deploy a release set to it first")
    return Origin.TEST, tuple(sorted(Wanted(record.key, record.model_version) for record in serving))


def _requester(fields: Mapping[str, Any], fleet: Fleet) -> str:
    """Who asks never approves: so it has to be somebody whom people.yaml knows."""
    login = optional_text(fields, "requester")
    person = fleet.person(login) if login else None
    if person is None:
        known = f"nobody in config/people.yaml has the login {login!r}" if login else "a git login is needed"
        raise BadRequest("requester", f"{known}: who asks never approves")
    return person.login


def _pins(
    origin: Origin,
    wanted: tuple[Wanted, ...],
    fleet: Fleet,
    ml: MachineLearning,
    records: Records,
    releases: Releases,
) -> tuple[Pin, ...]:
    """Exactly the models asked for; raises `BadRequest` naming each that may not go."""
    deployed = _deployed(records)
    candidacies = [_candidacy(one, fleet, deployed.get(one, ()), ml, records, releases) for one in wanted]
    if problems := objections(candidacies, fleet.policies):
        more = f"; and {len(problems) - TOLD} more" if len(problems) > TOLD else ""
        field = "pins" if origin is Origin.HAND else "from"
        raise BadRequest(field, f"{'; '.join(problems[:TOLD])}{more}")
    pins = [one.pin for one in candidacies if one.pin]
    return tuple(replace(pin, serving=_serving(pin, origin, fleet, records)) for pin in pins)


def _serving(pin: Pin, origin: Origin, fleet: Fleet, records: Records) -> Serving:
    """How a model is to be served: as test serves it, or as the configuration says by now, for which a model need not
    be trained again."""
    if origin is Origin.TEST:
        record = records.deployment(Stage.TEST, pin.key)
        return record.kind if record else pin.serving
    circuit = fleet.circuit(pin.key)
    return circuit.serving if circuit else pin.serving


def _candidacy(
    one: Wanted,
    fleet: Fleet,
    deployed_to: tuple[Stage, ...],
    ml: MachineLearning,
    records: Records,
    releases: Releases,
) -> Candidacy:
    known = fleet.circuit(one.key) is not None or records.circuit(one.key) is not None
    exists = bool(deployed_to) or (known and _exists(one, ml))
    return Candidacy(one, releases.pin(one.key, one.version), exists, known, deployed_to)


def _exists(one: Wanted, ml: MachineLearning) -> bool:
    """Whether the registry or the dev workspace has the model; what retention put away there has lost its files."""
    name = names.model(one.key)
    if ml.model_in_registry(name, one.version):
        return True
    return any(model.version == one.version for model in ml.kept_models(Stage.DEV, [name]))


def _deployed(records: Records) -> dict[Wanted, tuple[Stage, ...]]:
    found: dict[Wanted, tuple[Stage, ...]] = {}
    for record in records.deployments():
        wanted = Wanted(record.key, record.model_version)
        found[wanted] = (*found.get(wanted, ()), record.stage)
    return found


def _audit_refusal(fields: Mapping[str, Any], refused: BadRequest, audit: Audit) -> None:
    actor = str(fields.get("requester") or "somebody")[:100]
    sentence = f"a release set by {actor} was refused: {str(refused)[:1000]}"
    details = {"field": refused.field, "pins": str(fields.get("pins", ""))[:1000]}
    audited.refused("release", "release set", actor, sentence, details, audit)
