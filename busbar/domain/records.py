"""What Busbar remembers between orchestrations: the rows behind the board."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.policies import Stage
from busbar.domain.training import Verdict


@dataclass(frozen=True)
class CircuitRecord:
    """A circuit's latest training: the verdict, its reason, and where its model is. Times are ISO 8601, UTC."""

    key: CircuitKey
    training_hash: str
    verdict: Verdict
    reason: str
    run: str
    commit: str
    cutoff_date: str
    updated_at: str
    job: str | None = None
    model_version: str | None = None
    registry_version: str | None = None
    metrics: Metrics | None = None
    gates: tuple[GateResult, ...] = ()


@dataclass(frozen=True)
class Served:
    """A model behind a deployment, with all that an invocation of it, or a return to it, must name.

    `scoring_version` is the build of the scoring components that it runs; its jobs run on `compute`. An online one
    stands on `instances` of an `instance_type`. `endpoint` is empty where it is that of the record. `since` is ISO
    8601, UTC.
    """

    deployment: str
    model_name: str
    model_version: str
    cutoff_date: str
    circuit_config: str
    since: str
    release_id: str | None = None
    scoring_version: str = ""
    training_hash: str = ""
    compute: str = ""
    kind: Serving = Serving.BATCH
    endpoint: str = ""
    instance_type: str = ""
    instances: int = 1


@dataclass(frozen=True)
class LiveRun:
    """What a scoring run left of a candidate while it had `share` percent: `latency_ms` is the 95th percentile.

    An online one was sent `requests`.
    """

    job: str
    share: int
    windows: int
    rows: int
    failed_rows: int
    latency_ms: float | None = None
    failed: bool = False
    requests: int = 0
    failed_requests: int = 0


@dataclass(frozen=True)
class Candidate(Served):
    """What is to take over: `share` percent of the windows are its own by now; `progress` says how its ramp stands.

    Of the requests to an online endpoint it gets `mirrored` percent as copies, before it has a share. A scoring run
    has `windows` issue times while it ramps; `live` is what such runs left of it.
    """

    share: int = 0
    progress: str = ""
    windows: int = 1
    live: tuple[LiveRun, ...] = ()
    mirrored: int = 0

    @property
    def plain(self) -> Served:
        """The model alone, without its ramp."""
        return Served(**_own(self))

    @property
    def part(self) -> str:
        """Of what comes in: `25 %`, or `20 % mirrored` while it gets copies."""
        return f"{self.mirrored} % mirrored" if self.mirrored and not self.share else f"{self.share} %"

    def with_run(self, run: LiveRun) -> "Candidate":
        """The candidate with a run on record, the same run once."""
        return replace(self, live=(*(one for one in self.live if one.job != run.job), run))


@dataclass(frozen=True)
class RolledBack:
    """A deployment that was taken out of a stage, by a person or by a rule's verdict: it does not come back by
    itself, whatever release carries it. `rollback` names the rollback, or the verdict's audit entry.
    """

    deployment: str
    model_version: str
    release_id: str | None
    rollback: str
    actor: str
    reason: str
    at: str

    @property
    def sentence(self) -> str:
        moment = self.at[:16].replace("T", " ")
        return f"v{self.model_version} was rolled back by {self.actor} at {moment} UTC: {self.reason}"


@dataclass(frozen=True)
class DeploymentRecord:
    """What serves a circuit in a stage, with what an invocation must name.

    `candidate` is what ramps up beside it. `previous` is what served before; while its deployment stands, a return to
    it needs neither registry nor git host. A candidate takes its place: a circuit has at most two deployments, since
    ten circuits share a plant's endpoint and its quota of 20. `rolled_back` are the deployments that nobody may make
    serve again until a person lifts their rollback.
    """

    key: CircuitKey
    stage: Stage
    endpoint: str
    deployment: str
    model_name: str
    model_version: str
    cutoff_date: str
    circuit_config: str
    since: str
    release_id: str | None = None
    scoring_version: str = ""
    training_hash: str = ""
    compute: str = ""
    kind: Serving = Serving.BATCH
    instance_type: str = ""
    instances: int = 1
    candidate: Candidate | None = None
    previous: Served | None = None
    previous_stands: bool = True
    rolled_back: tuple[RolledBack, ...] = ()

    @classmethod
    def first(cls, key: CircuitKey, stage: Stage, endpoint: str, served: Served) -> "DeploymentRecord":
        """The record of a circuit that nothing served so far."""
        return cls(key, stage, **_own(replace(served, endpoint=endpoint)))

    @property
    def active(self) -> Served:
        """What serves, by itself."""
        return Served(**_own(self))

    def ramping(self, deployment: str) -> Candidate | None:
        """The candidate, if it is this deployment."""
        return self.candidate if self.candidate and self.candidate.deployment == deployment else None

    def endpoint_of(self, served: Served) -> str:
        """The endpoint behind which one of the record's deployments stands."""
        return served.endpoint or self.endpoint

    def serving(self, served: Served, since: str) -> "DeploymentRecord":
        """The record once `served` has taken over: what served becomes `previous`, no candidate is left."""
        own = _own(served) | {"since": since, "endpoint": self.endpoint_of(served)}
        return replace(self, **own, candidate=None, previous=self.active, previous_stands=True)

    def mark(self, deployment: str) -> RolledBack | None:
        """The rollback that keeps a deployment out, if there is one."""
        return next((mark for mark in self.rolled_back if mark.deployment == deployment), None)

    def marked(self, mark: RolledBack) -> "DeploymentRecord":
        """The record that keeps a deployment out."""
        return replace(self, rolled_back=(*self.lifted(mark.deployment).rolled_back, mark))

    def held_back(self, left: Served, verdict: str, rule: str, reason: str, at: str) -> "DeploymentRecord":
        """The record that keeps out what a rule ruled out; the first verdict on it stays."""
        if self.mark(left.deployment) is not None:
            return self
        return self.marked(
            RolledBack(left.deployment, left.model_version, left.release_id, verdict, rule, reason, at)
        )

    def lifted(self, deployment: str) -> "DeploymentRecord":
        """The record that lets a deployment serve again."""
        return replace(
            self, rolled_back=tuple(mark for mark in self.rolled_back if mark.deployment != deployment)
        )


def _own(served: Served | DeploymentRecord) -> dict[str, Any]:
    return {item.name: getattr(served, item.name) for item in fields(Served)}


@dataclass(frozen=True)
class ScoringRecord:
    """A circuit's latest scoring run in a stage; `problem` says why its forecasts may not be relied on, if so."""

    key: CircuitKey
    stage: Stage
    day: str
    job: str
    status: str
    rows: int
    updated_at: str
    reason: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Offer:
    """A release set that is ready for a stage, less the circuits that an earlier gate's approvers left out."""

    release_id: str
    excluded: tuple[CircuitKey, ...] = ()


class RunStatus(StrEnum):
    """Where a training run stands; `rejected` also when nobody decided in time."""

    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (RunStatus.RUNNING, RunStatus.WAITING)


@dataclass(frozen=True)
class RunRecord:
    """A training pipeline run, for the board: its plan in a sentence, and what became of it.

    `paused` says who holds it and why, while somebody does.
    """

    id: str
    commit: str
    branch: str
    requester: str
    status: RunStatus
    sentence: str
    updated_at: str
    release_id: str | None = None
    paused: str = ""
