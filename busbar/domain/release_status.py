"""Where each circuit of a release set stands, place by place, and why: worked out from what is on record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from busbar.domain.approval import Dossier, Outcome
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.release import Pin
from busbar.domain.release_record import Leg, Place, ReleaseRecord

GATES = {
    Place.REGISTRY: GateName.REGISTRY_PROMOTION,
    Place.TEST: GateName.TEST_DEPLOYMENT,
    Place.PROD: GateName.PROD_DEPLOYMENT,
}


class State(StrEnum):
    """How a circuit's model stands at a place."""

    AHEAD = "ahead"
    WAITING = "waiting"
    GOING = "on its way"
    PROMOTED = "promoted"
    RAMPING = "ramping"
    DEPLOYED = "deployed"
    REPLACED = "replaced"
    ROLLED_BACK = "rolled back"
    HELD = "held back"
    EXCLUDED = "excluded"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    NEVER = "not reached"


STAYS = (State.HELD, State.EXCLUDED, State.REJECTED, State.SUPERSEDED)
"""After these a circuit goes nowhere else."""


@dataclass(frozen=True)
class Standing:
    """A circuit's model at a place, with the sentence that says why."""

    place: Place
    state: State
    sentence: str


@dataclass(frozen=True)
class OnRecord:
    """What is on record about a release set: its line in the index, what was asked, what serves where."""

    record: ReleaseRecord
    asked: tuple[Dossier, ...] = ()
    deployments: Mapping[tuple[Stage, CircuitKey], DeploymentRecord] | None = None

    def at(self, place: Place) -> tuple[Dossier, ...]:
        return tuple(one for one in self.asked if one.request.gate is GATES[place])


def standings(pin: Pin, known: OnRecord) -> tuple[Standing, ...]:
    """A circuit's standing at each place, in the order in which a release set comes to them."""
    found: list[Standing] = []
    stayed = False
    for place in Place:
        standing = _standing(pin, place, known)
        if stayed and standing.state not in (State.DEPLOYED, State.RAMPING, State.PROMOTED):
            standing = Standing(place, State.NEVER, "")
        stayed = stayed or standing.state in STAYS
        found.append(standing)
    return tuple(found)


def latest(found: tuple[Standing, ...]) -> Standing:
    """The standing that says most: the last place at which anything happened, else the first."""
    told = [one for one in found if one.state not in (State.AHEAD, State.NEVER)]
    return told[-1] if told else found[0]


def _standing(pin: Pin, place: Place, known: OnRecord) -> Standing:
    state, sentence = next(_facts(pin, place, known))
    return Standing(place, state, sentence)


def _facts(pin: Pin, place: Place, known: OnRecord) -> Iterator[tuple[State, str]]:
    """What is known, the strongest first."""
    record = known.record
    leg = record.leg(place)
    yield from _serving(pin, place, known, leg)
    yield from _left_out(pin.key, place, known)
    for taken in record.superseded:
        if taken.key == pin.key and not (leg and pin.key in leg.reached):
            yield State.SUPERSEDED, f"release set {taken.by} pins the circuit"
    yield from _held(pin.key, place, known, leg)
    yield from _asked(place, known)
    if not record.open:
        yield State.NEVER, ""
    yield State.AHEAD, ""


def _serving(pin: Pin, place: Place, known: OnRecord, leg: Leg | None) -> Iterator[tuple[State, str]]:
    reached = leg is not None and pin.key in leg.reached
    if place.stage is None:
        if reached:
            yield State.PROMOTED, f"v{pin.model_version} is in the registry"
        return
    serving = (known.deployments or {}).get((place.stage, pin.key))
    if serving is None:
        return
    for back in serving.rolled_back:
        if (back.release_id, back.model_version) == (known.record.id, pin.model_version):
            yield State.ROLLED_BACK, back.sentence
    candidate = serving.candidate
    if candidate and (candidate.release_id, candidate.model_version) == (
        known.record.id,
        pin.model_version,
    ):
        yield (
            State.RAMPING,
            f"v{pin.model_version} takes {candidate.share} %: {candidate.progress}".rstrip(": "),
        )
    own = serving.release_id == known.record.id or reached
    if own and serving.model_version == pin.model_version:
        yield State.DEPLOYED, f"v{pin.model_version} serves {place} since {_minute(serving.since)}"
    if reached:
        by = f" of release set {serving.release_id}" if serving.release_id else ""
        yield State.REPLACED, f"v{serving.model_version}{by} serves {place} since {_minute(serving.since)}"


def _left_out(key: CircuitKey, place: Place, known: OnRecord) -> Iterator[tuple[State, str]]:
    for dossier in known.at(place):
        for vote in dossier.votes:
            if key in vote.excluded:
                because = f": {vote.reason}" if vote.reason else ""
                yield State.EXCLUDED, f"left out by {vote.login} at {dossier.request.gate}{because}"


def _held(key: CircuitKey, place: Place, known: OnRecord, leg: Leg | None) -> Iterator[tuple[State, str]]:
    for held in leg.held if leg else ():
        if held.key == key:
            refused = any(
                dossier.verdict and dossier.verdict.outcome in (Outcome.REJECTED, Outcome.EXPIRED)
                for dossier in known.at(place)
            )
            yield State.REJECTED if refused else State.HELD, held.reason


def _asked(place: Place, known: OnRecord) -> Iterator[tuple[State, str]]:
    """The last question at the gate that nothing has superseded."""
    for dossier in reversed(known.at(place)):
        request, verdict = dossier.request, dossier.verdict
        if verdict is None:
            votes = f"{len(dossier.votes)} of {request.quorum} votes"
            yield State.WAITING, f"waits for {request.gate}: {votes}, until {_minute(request.expires_at)}"
        elif verdict.outcome in (Outcome.REJECTED, Outcome.EXPIRED):
            yield State.REJECTED, verdict.sentence
        elif verdict.approved and known.record.open:
            yield State.GOING, verdict.sentence


def _minute(iso: str) -> str:
    """A time as sentences say it: `2025-12-09 14:03`."""
    return iso[:16].replace("T", " ")
