"""A stage that deployments ramp up in: what serves, what is on its way, and what its bakes measure."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.errors import Rejected
from busbar.domain.events import JobStatus
from busbar.domain.policies import Policies, RampPolicy, RollbackPolicy, Stage, StagePolicy, WavePolicy
from busbar.domain.ramp import ForecastError, Measured, Ruling, decide, decide_fleet, steps
from busbar.domain.records import Served
from busbar.domain.release import Pin
from busbar.domain.steps import (
    Bake,
    CircuitDeployment,
    DeploymentPlan,
    DeploymentState,
    FleetCheck,
    JobRef,
    JobState,
    Judging,
    Measurement,
    Ramp,
    Release,
    ReleaseQuestion,
    Replay,
    Share,
    StageDeployment,
    TakeBack,
)
from tests.orchestrators.fleet import QUICK, pin

CHAMPION = Served("circ-v1", "m", "1", "2025-12-01", "c.yaml", "then", "r-0")
INSTANT = RampPolicy(steps=(10, 25, 50, 100), hold_hours=1e-5)


def good(champion: bool = True) -> Measured:
    error = ForecastError(24, 0.3, 0.5)
    return Measured(runs=1, rows=1728, latency_ms=3.0, error=error, champion=error if champion else None)


BAD = Measured(runs=1, failed_runs=1)
FEW = Measured(runs=1, rows=10, latency_ms=3.0)

Figures = Callable[[CircuitKey, int, int], Measured]
"""What a bake measures: of a circuit, at a share, in an attempt."""


def all_good(key: CircuitKey, share: int, attempt: int) -> Measured:
    return good()


def at(share: int, measured: Measured, *keys: CircuitKey) -> Figures:
    """Everything goes well but at one share, for these circuits (all if none is named)."""

    def figures(key: CircuitKey, now: int, attempt: int) -> Measured:
        return measured if now == share and (not keys or key in keys) else good()

    return figures


@dataclass
class RampingStage:
    """Circuits that version 1 serves, `first` apart; the release brings version 2. Rules are the domain's own."""

    circuits: tuple[CircuitKey, ...]
    figures: Figures = all_good
    ramp: RampPolicy = INSTANT
    rollback: RollbackPolicy = field(default_factory=RollbackPolicy)
    waves: WavePolicy = field(default_factory=WavePolicy)
    first: frozenset[CircuitKey] = frozenset()
    hanging: frozenset[CircuitKey] = frozenset()
    withdrawn_by_hand: frozenset[CircuitKey] = frozenset()
    unmonitored: frozenset[CircuitKey] = frozenset()
    online: frozenset[CircuitKey] = frozenset()
    refusal: str = ""
    serving: dict[CircuitKey, str] = field(default_factory=dict[CircuitKey, str])
    shares: dict[CircuitKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    mirrored: dict[CircuitKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    standing: set[CircuitKey] = field(default_factory=set[CircuitKey])
    changing: set[CircuitKey] = field(default_factory=set[CircuitKey])
    most_changing: int = 0

    def __post_init__(self) -> None:
        self.serving |= {key: "1" for key in self.circuits if key not in self.first}

    @property
    def policies(self) -> Policies:
        stage = StagePolicy(ramp=self.ramp, rollback=self.rollback, waves=self.waves)
        return Policies(training=QUICK, stages={Stage.PROD: stage})

    @property
    def request(self) -> StageDeployment:
        return StageDeployment(Stage.PROD, Release("r-1", "abc", "someone", self.circuits, self.policies))

    def pin(self, key: CircuitKey) -> Pin:
        serving = Serving.ONLINE if key in self.online else Serving.BATCH
        return replace(pin(key), model_version="2", serving=serving)

    def activities(self) -> list[Callable[[Any], Any]]:
        return [*self._asking(), *self._changes(), *self._bakes()]

    def _asking(self) -> list[Callable[[Any], Any]]:
        def release_question(request: ReleaseQuestion) -> ApprovalRequest | None:
            return None  # the stage asks nobody

        def less_superseded(request: Release) -> Release:
            return request

        return [release_question, less_superseded]

    def _changes(self) -> list[Callable[[Any], Any]]:  # noqa: C901 - one-liners, an activity each
        def plan_deployment(request: StageDeployment) -> DeploymentPlan:
            return DeploymentPlan(tuple(self.pin(key) for key in request.release.kept), (), self.refusal)

        def create_deployment(request: CircuitDeployment) -> Ramp:
            key = request.pin.key
            if self.serving.get(key) == "2":
                return Ramp(serves=True)
            self.standing.add(key)
            self.changing.add(key)
            self.most_changing = max(self.most_changing, len(self.changing))
            first = key not in self.serving
            online = key in self.online
            return Ramp(steps(self.ramp, first=first, online=online), None if first else CHAMPION)

        def look_at_deployment(request: CircuitDeployment) -> DeploymentState:
            return DeploymentState(ready=request.pin.key not in self.hanging)

        def raise_share(request: Share) -> None:
            if request.deployment.pin.key in self.withdrawn_by_hand:
                raise Rejected("circ1-v2 is no candidate for prod any more: it was taken out")
            self.shares[request.deployment.pin.key].append(request.percent)
            self.mirrored[request.deployment.pin.key].append(request.mirrored)

        def activate_deployment(request: CircuitDeployment) -> None:
            self.serving[request.pin.key] = "2"
            self.changing.discard(request.pin.key)

        def ensure_monitor(request: CircuitDeployment) -> None:
            if request.pin.key in self.unmonitored:
                raise Rejected("no quota for Spark")

        def withdraw_candidate(request: CircuitDeployment) -> None:
            self.standing.discard(request.pin.key)
            self.changing.discard(request.pin.key)

        def take_back(request: TakeBack) -> None:
            key = request.deployment.pin.key
            if self.serving[key] == "2":
                self.serving[key] = "1"
                self.standing.discard(key)

        return [
            plan_deployment,
            create_deployment,
            look_at_deployment,
            raise_share,
            activate_deployment,
            ensure_monitor,
            withdraw_candidate,
            take_back,
        ]

    def _bakes(self) -> list[Callable[[Any], Any]]:
        def submit_replay(request: Replay) -> tuple[JobRef, ...]:
            run = f"{request.orchestration_id}--bake{request.step.share}-a{request.attempt}"
            roles = ("candidate", "champion") if request.champion else ("candidate",)
            return tuple(JobRef(Stage.PROD, f"{run}-{role}") for role in roles)

        def look_at_job(request: JobRef) -> JobState:
            return JobState(request.name, JobStatus.COMPLETED)

        def measure_step(request: Bake) -> Measurement:
            replay = request.replay
            measured = self.figures(replay.deployment.pin.key, replay.step.share, replay.attempt)
            if replay.champion is None:
                measured = replace(measured, champion=None)
            return Measurement(request.before.plus(measured), Measured())

        def judge_step(request: Judging) -> Ruling:
            bake, replayed = request.bake, request.measurement.replayed
            first = bake.replay.champion is None
            ruling = decide(self.ramp, self.rollback, replayed, first=first, hours=bake.hours)
            at = f"{bake.replay.deployment.pin.key} {bake.replay.step.place}"
            return replace(ruling, sentence=f"{at}: {ruling.verdict}: {ruling.sentence}")

        def judge_fleet(request: FleetCheck) -> Ruling:
            return decide_fleet(self.rollback, request.changed, request.rolled_back)

        return [submit_replay, look_at_job, measure_step, judge_step, judge_fleet]
