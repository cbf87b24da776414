"""Going back: what serves a circuit again, and why another circuit stays as it is."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest, Rejected
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord, RolledBack, Served
from busbar.domain.wording import counted

PROMISE_SECONDS = 15 * 60
"""A rollback is promised within 15 to 20 minutes: what it is measured against is the shorter."""


class ScopeKind(StrEnum):
    CIRCUIT = "circuit"
    PLANT = "plant"
    RELEASE = "release"
    STAGE = "stage"


@dataclass(frozen=True)
class Scope:
    """What goes back: `target` is PLANT1/CIRC1, PLANT1, a release's id, or empty for all of the stage."""

    stage: Stage
    kind: ScopeKind
    target: str = ""

    @classmethod
    def parse(cls, stage: Stage, text: str) -> "Scope":
        """Read `PLANT1/CIRC1`, `PLANT1`, `r-0123456789ab`, or nothing for the stage; raises `BadRequest`."""
        target = text.strip()
        if not target:
            return cls(stage, ScopeKind.STAGE)
        if target.startswith("r-"):
            return cls(stage, ScopeKind.RELEASE, target)
        if "/" in target:
            return cls(stage, ScopeKind.CIRCUIT, str(CircuitKey.parse(target)))
        if not (target.isascii() and target.isalnum()):
            raise BadRequest("scope", f"{target!r} is not PLANT/CIRCUIT, PLANT or a release (r-…)")
        return cls(stage, ScopeKind.PLANT, target)

    def __str__(self) -> str:
        return f"{self.target} in {self.stage}" if self.target else f"all of {self.stage}"

    def covers(self, record: DeploymentRecord) -> bool:
        """Whether the scope is about this circuit: a release's is where it serves, ramps up or went back."""
        match self.kind:
            case _ if record.stage is not self.stage:
                return False
            case ScopeKind.CIRCUIT:
                return str(record.key) == self.target
            case ScopeKind.PLANT:
                return record.key.plant_id == self.target
            case ScopeKind.RELEASE:
                return self.target in _releases(record)
            case ScopeKind.STAGE:
                return True


class Move(StrEnum):
    """How a circuit goes back: to what served before, or by giving up a candidate that ramps up."""

    RETURN = "return"
    WITHDRAW = "withdraw"


@dataclass(frozen=True)
class Return:
    """One circuit's way back: from `leaves` (deployed `since`) to `serves`. `gone`: that has to be created again.

    `endpoint` is where a candidate stands that is withdrawn, if that is not what serves the circuit.
    """

    key: CircuitKey
    stage: Stage
    move: Move
    leaves: str
    serves: str
    since: str
    sentence: str
    gone: bool = False
    endpoint: str = ""


@dataclass(frozen=True)
class Cause:
    """Who rolls back, in which rollback, why and when (ISO 8601, UTC)."""

    rollback: str
    actor: str
    reason: str
    at: str

    def mark(self, left: Served) -> RolledBack:
        """What keeps a deployment out that was left."""
        return RolledBack(left.deployment, left.model_version, left.release_id, **vars(self))


@dataclass(frozen=True)
class Stay:
    """A circuit in scope that stays as it is, and why."""

    key: CircuitKey
    reason: str


@dataclass(frozen=True)
class RollbackPlan:
    """Which circuits go back, and why the others do not. Without one that goes it is a refusal."""

    scope: Scope
    returns: tuple[Return, ...] = ()
    stays: tuple[Stay, ...] = ()

    @property
    def refused(self) -> bool:
        return not self.returns

    def without_ramps(self) -> "RollbackPlan":
        """What a drill does of it: a ramp under way is not a drill's to stop."""
        ramping = [step for step in self.returns if step.move is Move.WITHDRAW]
        stays = (Stay(step.key, f"{step.key}: a ramp is under way in {step.stage}") for step in ramping)
        returns = tuple(step for step in self.returns if step not in ramping)
        return replace(self, returns=returns, stays=(*self.stays, *stays))

    @property
    def sentence(self) -> str:
        if not self.returns and not self.stays:
            return f"nothing is rolled back: nothing of {self.scope} is deployed"
        if self.refused:
            return f"nothing is rolled back: {'; '.join(stay.reason for stay in self.stays)}"
        staying = f", {counted(len(self.stays), 'circuit')} to stay" if self.stays else ""
        return f"{self.scope}: {counted(len(self.returns), 'circuit')} to roll back{staying}"

    @property
    def fingerprint(self) -> str:
        """12 hex digits that tell this plan: the same wish on the same state is the same rollback."""
        said = repr((self.scope, [(step.key, step.leaves, step.since) for step in self.returns]))
        return hashlib.sha256(said.encode()).hexdigest()[:12]


def plan(scope: Scope, records: Iterable[DeploymentRecord]) -> RollbackPlan:
    """What a rollback of the scope does to what is deployed: one step back for each circuit, never two."""
    ordered = sorted((record for record in records if scope.covers(record)), key=lambda record: record.key)
    rulings = [_rule(scope, record) for record in ordered]
    return RollbackPlan(
        scope,
        tuple(ruling for ruling in rulings if isinstance(ruling, Return)),
        tuple(ruling for ruling in rulings if isinstance(ruling, Stay)),
    )


def step_back(record: DeploymentRecord | None, step: Return, cause: Cause) -> DeploymentRecord:
    """The record once the circuit went back, what it left marked; unchanged where it did already.

    Raises `Rejected` where something else has happened to the circuit since the rollback was planned.
    """
    if record is None:
        raise Rejected(f"{step.key}: nothing serves {step.stage} any more")
    if record.candidate and record.candidate.deployment == step.leaves:
        return replace(record, candidate=None).marked(cause.mark(record.candidate))
    if record.deployment == step.serves:
        return record
    before = record.previous
    if record.deployment != step.leaves or before is None or before.deployment != step.serves:
        raise Rejected(f"{step.key}: {record.deployment} serves {step.stage} by now: plan the rollback again")
    return record.serving(before, cause.at).marked(cause.mark(record.active))


def step_forward(record: DeploymentRecord | None, step: Return, rollback: str, at: str) -> DeploymentRecord:
    """The record once a rollback of it is undone; unchanged where nothing of that rollback is left."""
    if record is None:
        raise Rejected(f"{step.key}: nothing serves {step.stage} any more")
    mark = record.mark(step.leaves)
    if mark is None or mark.rollback != rollback:
        return record
    lifted, before = record.lifted(step.leaves), record.previous
    return lifted.serving(before, at) if before and before.deployment == step.leaves else lifted


def rollouts(scope: Scope, records: Iterable[DeploymentRecord]) -> dict[str, tuple[CircuitKey, ...]]:
    """Of each release that may still be on its way, the circuits that a rollback stops it at; none means: all of it.

    Its next wave would bring back what goes back now.
    """
    found: dict[str, tuple[CircuitKey, ...]] = {}
    whole = scope.kind in (ScopeKind.RELEASE, ScopeKind.STAGE)
    for record in records:
        if not scope.covers(record):
            continue
        for one in (record.active, record.candidate):
            if (
                one
                and one.release_id
                and (scope.kind is not ScopeKind.RELEASE or one.release_id == scope.target)
            ):
                found[one.release_id] = () if whole else (*found.get(one.release_id, ()), record.key)
    return found


def lifted(scope: Scope, record: DeploymentRecord) -> tuple[DeploymentRecord, tuple[RolledBack, ...]]:
    """The record that lets serve again what the scope's rollbacks keep out, and what that is."""
    of_release = scope.target if scope.kind is ScopeKind.RELEASE else None
    marks = tuple(mark for mark in record.rolled_back if of_release in (None, mark.release_id))
    for mark in marks:
        record = record.lifted(mark.deployment)
    return record, marks


def _rule(scope: Scope, record: DeploymentRecord) -> Return | Stay:
    key, stage, candidate = record.key, record.stage, record.candidate
    if candidate and (scope.kind is not ScopeKind.RELEASE or candidate.release_id == scope.target):
        going, staying = candidate.model_version, record.model_version
        sentence = f"{key}: candidate v{going} is withdrawn, v{staying} goes on serving {stage}"
        leaving, place = candidate.deployment, candidate.endpoint
        return Return(
            key, stage, Move.WITHDRAW, leaving, record.deployment, candidate.since, sentence, endpoint=place
        )
    if scope.kind is ScopeKind.RELEASE and record.release_id != scope.target:
        return Stay(key, f"{key} is already back: v{record.model_version} serves {stage}")
    before = record.previous
    if before is None:
        return Stay(key, f"{key}: nothing served {stage} before v{record.model_version}")
    if (mark := record.mark(before.deployment)) is not None:
        return Stay(key, f"{key} is already back: {mark.sentence}, and nothing else served {stage} before")
    sentence = f"{key}: v{record.model_version} → v{before.model_version} in {stage}"
    if not record.previous_stands:
        sentence += f"; {before.deployment} is gone and is created again from its record"
    gone = not record.previous_stands
    return Return(key, stage, Move.RETURN, record.deployment, before.deployment, record.since, sentence, gone)


def _releases(record: DeploymentRecord) -> set[str | None]:
    candidate = {record.candidate.release_id} if record.candidate else set[str | None]()
    return {record.release_id, *candidate, *(mark.release_id for mark in record.rolled_back)}
