"""From a day's verdicts to what is done: which retrains people are asked for, in which incidents, and which are not."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import CircuitDrift, DriftVerdict
from busbar.domain.policies import MonitoringPolicy, Stage
from busbar.domain.wording import counted

NAMED = 5
WEEK = timedelta(days=7)


class IncidentStatus(StrEnum):
    """Where a drift incident stands; `failed`: approved, and could not be carried out."""

    DETECTED = "detected"
    WAITING = "waiting"
    COMMITTED = "committed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self not in (IncidentStatus.DETECTED, IncidentStatus.WAITING)


@dataclass(frozen=True)
class Incident:
    """Circuits whose retrain is asked for together. `run` found it on `day`; `opened` and `at` are ISO 8601, UTC.

    `lines` has the sentence of each of `circuits`; `said` is how it ended, in a sentence; `excluded` were left out by
    who approved it; `commit` is the one that moves their cutoff dates.
    """

    id: str
    stage: Stage
    day: str
    run: str
    verdict: DriftVerdict
    circuits: tuple[CircuitKey, ...]
    lines: tuple[str, ...]
    plant_wide: bool
    opened: str
    at: str
    status: IncidentStatus = IncidentStatus.DETECTED
    said: str = ""
    approval: str = ""
    excluded: tuple[CircuitKey, ...] = ()
    commit: str = ""

    @property
    def scope(self) -> str:
        """`PLANT1, plant-wide`, or the circuit."""
        return f"{self.circuits[0].plant_id}, plant-wide" if self.plant_wide else str(self.circuits[0])

    @property
    def sentence(self) -> str:
        """What happened, for subjects and lists."""
        if not self.plant_wide:
            return self.lines[0]
        shown = ", ".join(key.circuit_id for key in self.circuits[:NAMED])
        more = f" and {len(self.circuits) - NAMED} more" if len(self.circuits) > NAMED else ""
        return f"{self.circuits[0].plant_id}, plant-wide: {self.verdict} of {shown}{more} on the same day"

    @property
    def digest(self) -> str:
        """SHA-256 over what people are asked about: an approval is bound to it."""
        content = (self.stage, self.day, self.verdict, tuple(map(str, self.circuits)), self.lines)
        return hashlib.sha256(repr(content).encode()).hexdigest()


class Action(StrEnum):
    """What is done about a circuit."""

    NOTHING = "nothing"
    TELL = "told"
    ASK = "retrain asked"
    COOLING = "cooling down"
    DEFERRED = "deferred"


@dataclass(frozen=True)
class Response:
    """What is done about a circuit, in a sentence. `news`: it was not so the day before."""

    key: CircuitKey
    action: Action
    sentence: str = ""
    incident: str = ""
    news: bool = False


@dataclass(frozen=True)
class DriftPlan:
    """What is done about a day: a response a circuit, the incidents that are opened, and the whole in a sentence."""

    responses: tuple[Response, ...]
    incidents: tuple[Incident, ...]
    sentence: str


@dataclass(frozen=True)
class Seen:
    """A circuit's verdict, and that of the day before, where there is one."""

    drift: CircuitDrift
    before: DriftVerdict | None = None


@dataclass(frozen=True)
class Occasion:
    """When and where a plan is made: the monitoring `run` of a `day` in a stage, looked at `now` (ISO 8601, UTC)."""

    stage: Stage
    day: str
    run: str
    now: str

    @property
    def today(self) -> date:
        return date.fromisoformat(self.now[:10])


def plan(
    seen: Sequence[Seen], earlier: Iterable[Incident], policy: MonitoringPolicy, occasion: Occasion
) -> DriftPlan:
    """Ask for the most severe retrains that cool-down and budget allow; a plant that drifts as one is asked once.

    `earlier` are the fleet's incidents; those of this very run are not counted: planned again it is the same plan.
    """
    past = [one for one in earlier if one.run != occasion.run]
    wanted = [one.drift for one in seen if one.drift.verdict.mended_by_training]
    cooling = {drift.key: said for drift in wanted if (said := _cooling(drift.key, past, policy, occasion))}
    waiting = sorted(
        (one for one in wanted if one.key not in cooling), key=lambda one: (-one.excess, one.key)
    )
    room, limit = _room(past, policy, occasion)
    incidents = _incidents(waiting[:room], _together(wanted, policy), occasion)
    asked = {key: incident for incident in incidents for key in incident.circuits}
    responses = tuple(
        _response(one, asked, cooling, limit) for one in sorted(seen, key=lambda one: one.drift.key)
    )
    return DriftPlan(responses, incidents, _sentence(seen, responses, incidents))


def _cooling(key: CircuitKey, past: Iterable[Incident], policy: MonitoringPolicy, occasion: Occasion) -> str:
    """Why a circuit is not asked about again yet; empty where it may be."""
    about = [one for one in past if key in one.circuits and one.status is not IncidentStatus.FAILED]
    if undecided := min((one.id for one in about if not one.status.ended), default=""):
        return f"not asked again: {undecided} is still undecided"
    newest = max(about, key=lambda one: (one.at, one.id, one.status), default=None)
    if newest is None:
        return ""
    until = date.fromisoformat(newest.at[:10]) + timedelta(days=policy.cooldown_days)
    if occasion.today >= until:
        return ""
    return f"not asked again before {until}: {newest.id} was {newest.status} on {newest.at[:10]}"


def _room(past: Iterable[Incident], policy: MonitoringPolicy, occasion: Occasion) -> tuple[int, str]:
    """How many more retrains may be asked for today, and the limit that says so."""
    since = (occasion.today - WEEK).isoformat()
    asked = Counter[str]()
    for one in past:
        asked[one.opened[:10]] += len(one.circuits)
    today = asked[occasion.today.isoformat()]
    week = sum(number for day, number in asked.items() if day > since)
    left = {
        f"{policy.retrains_a_day} retrains a day": policy.retrains_a_day - today,
        f"{policy.retrains_a_week} retrains a week": policy.retrains_a_week - week,
    }
    limit = min(left, key=lambda name: left[name])
    return max(0, left[limit]), limit


def _together(wanted: Iterable[CircuitDrift], policy: MonitoringPolicy) -> set[tuple[str, DriftVerdict]]:
    """The plants that drift as one: so many circuits of theirs with the same verdict on the same day."""
    number = Counter((drift.key.plant_id, drift.verdict) for drift in wanted)
    return {place for place, circuits in number.items() if circuits >= policy.plant_wide}


def _incidents(
    admitted: Iterable[CircuitDrift], together: set[tuple[str, DriftVerdict]], occasion: Occasion
) -> tuple[Incident, ...]:
    """One for each plant that drifts as one, one for each other circuit; the most severe first."""
    groups: dict[tuple[str, str], list[CircuitDrift]] = {}
    for drift in admitted:
        wide = (drift.key.plant_id, drift.verdict) in together
        groups.setdefault((drift.verdict, drift.key.plant_id if wide else str(drift.key)), []).append(drift)
    return tuple(
        _incident(sorted(group, key=lambda one: one.key), "/" not in scope, occasion)
        for (_, scope), group in groups.items()
    )


def _incident(drifts: Sequence[CircuitDrift], plant_wide: bool, occasion: Occasion) -> Incident:
    keys = tuple(drift.key for drift in drifts)
    return Incident(
        id=names.drift_incident(occasion.stage, occasion.day, occasion.run, keys),
        stage=occasion.stage,
        day=occasion.day,
        run=occasion.run,
        verdict=drifts[0].verdict,
        circuits=keys,
        lines=tuple(drift.sentence for drift in drifts),
        plant_wide=plant_wide,
        opened=occasion.now,
        at=occasion.now,
    )


def _response(
    one: Seen, asked: dict[CircuitKey, Incident], cooling: dict[CircuitKey, str], limit: str
) -> Response:
    drift, key = one.drift, one.drift.key
    news = drift.verdict.alert and one.before is not drift.verdict
    if key in asked:
        incident = asked[key]
        return Response(key, Action.ASK, f"a retrain is asked for: {incident.id}", incident.id, news)
    if key in cooling:
        return Response(key, Action.COOLING, cooling[key], news=news)
    if drift.verdict.mended_by_training:
        sentence = f"deferred: {limit} are asked for already, the more severe first"
        return Response(key, Action.DEFERRED, sentence, news=news)
    if drift.verdict.alert:
        return Response(key, Action.TELL, _TOLD[drift.verdict], news=news)
    return Response(key, Action.NOTHING)


_TOLD = {
    DriftVerdict.DATA_QUALITY: "no retrain: a training would learn from broken readings; repair the sensor first",
    DriftVerdict.PREDICTION: "no retrain: the readings and the errors are as they were; only the forecasts moved",
}


def _sentence(seen: Sequence[Seen], responses: Sequence[Response], incidents: Sequence[Incident]) -> str:
    """`12 circuits judged: 10 no drift, 2 data drift; 2 retrains asked for in 1 incident, 1 deferred`."""
    verdicts = Counter(one.drift.verdict for one in seen)
    actions = Counter(response.action for response in responses)
    told = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in DriftVerdict if verdicts[verdict])
    parts = [f"{counted(len(seen), 'circuit')} judged: {told}" if seen else "no circuit is served"]
    if incidents:
        retrains, found = counted(actions[Action.ASK], "retrain"), counted(len(incidents), "incident")
        parts.append(f"{retrains} asked for in {found}")
    parts += [
        f"{actions[action]} {action}" for action in (Action.COOLING, Action.DEFERRED) if actions[action]
    ]
    return "; ".join(parts)
