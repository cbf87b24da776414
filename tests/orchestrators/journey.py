"""A whole training run in a world where all goes well; a test says what shall go otherwise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Outcome
from busbar.domain.circuits import CircuitKey
from busbar.domain.environments import Change
from busbar.domain.errors import Rejected
from busbar.domain.events import JobStatus
from busbar.domain.evidence import EvidenceNote
from busbar.domain.policies import ApprovalPolicy, Backoff, GateName, Policies, PropagationPolicy, Stage
from busbar.domain.ramp import Ruling, decide_fleet
from busbar.domain.records import RunStatus
from busbar.domain.release import ReleaseSet
from busbar.domain.steps import (
    CircuitDeployment,
    CircuitOutcome,
    CommitNote,
    ComponentsRegistration,
    ComponentsRequest,
    DataPinned,
    DataRequest,
    DeploymentPlan,
    EnvironmentChange,
    EnvironmentLook,
    EnvironmentPromotion,
    EnvironmentRegistration,
    EvidenceRequest,
    EvidenceResult,
    FleetCheck,
    FleetRead,
    JobRef,
    JobState,
    JourneyEnd,
    ModelPromotion,
    PlanRequest,
    Release,
    ReleaseEnd,
    ReleaseQuestion,
    ReleaseRequest,
    RunNote,
    Settlement,
    StageDeployment,
    TrainingPlan,
    TrainingRequest,
    TrainingRun,
    Visit,
    Visited,
)
from tests.orchestrators.fleet import ASSETS, QUICK, AzureML, pin, training

LATER = "2999-01-01T00:00:00+00:00"
ENVIRONMENT = "approve-environment"


def keys(number: int) -> tuple[CircuitKey, ...]:
    return tuple(CircuitKey("PLANT1", f"CIRC{index}") for index in range(1, number + 1))


class Journey(AzureML):
    """`circuits` train at once and are approved everywhere, unless `verdicts` (by gate, or `ENVIRONMENT`) say else."""

    def __init__(self, circuits: tuple[CircuitKey, ...], max_parallel: int = 5):
        super().__init__()
        self.circuits = circuits
        self.policies = Policies(
            training=replace(QUICK, max_parallel=max_parallel),
            propagation=PropagationPolicy(Backoff(0.01, 0.01), max_seconds=0.05),
            approvals={gate: ApprovalPolicy(("leads",)) for gate in GateName},
        )
        self.verdicts: dict[str, ApprovalVerdict] = {}
        self.broken: set[CircuitKey] = set()
        self.in_training: set[CircuitKey] = set()
        self.most_in_training = 0
        self.in_registry: list[CircuitKey] = []
        self.deployed: dict[Stage, list[CircuitKey]] = {stage: [] for stage in Stage}
        self.notes: list[RunNote] = []
        self.told: list[RunStatus] = []
        self.mailed: list[str] = []
        self.commit_notes: list[CommitNote] = []
        self.moved = EnvironmentChange(Change.SAME)
        self.evidence_notes: list[EvidenceNote] = []
        self.visits: list[Visited] = []
        self.release_ends: list[JourneyEnd] = []
        self.release: ReleaseSet | None = None

    def look(self, job: str) -> JobState:
        return JobState(job, JobStatus.COMPLETED)

    def decide(self, gate: str, outcome: Outcome, *excluded: CircuitKey) -> None:
        self.verdicts[gate] = ApprovalVerdict("", outcome, f"{outcome} by somebody", excluded)

    def activities(self) -> list[Callable[[Any], Any]]:
        parts = (
            self._plan,
            self._training,
            self._approvals,
            self._evidence,
            self._release,
            self._rollout,
            self._journey,
        )
        return [*super().activities(), *(one for part in parts for one in part())]

    def _plan(self) -> list[Callable[[Any], Any]]:
        def read_fleet(request: TrainingRun) -> FleetRead:
            return FleetRead(self.policies, self.circuits)

        def register_environment(request: TrainingRun) -> EnvironmentRegistration:
            return EnvironmentRegistration("env", "1.0.0", newly_registered=True)

        def register_components(request: ComponentsRequest) -> ComponentsRegistration:
            return ComponentsRegistration(ASSETS)

        def look_at_environment(request: EnvironmentLook) -> EnvironmentChange:
            return self.moved

        def pin_data(request: DataRequest) -> DataPinned:
            return DataPinned(tuple(training(key).data for key in request.circuits))

        def decide_training(request: PlanRequest) -> TrainingPlan:
            decisions = tuple(training(item.key).decision for item in request.data.pinned)
            return TrainingPlan(decisions, f"{len(decisions)} to train")

        def notify_run_ended(request: RunNote) -> None:
            self.told.append(request.status)

        def note_run(request: RunNote) -> None:
            self.notes.append(request)

        def note_commit(request: CommitNote) -> None:
            self.commit_notes.append(request)

        return [
            read_fleet,
            register_environment,
            register_components,
            look_at_environment,
            pin_data,
            decide_training,
            note_run,
            notify_run_ended,
            note_commit,
        ]

    def _training(self) -> list[Callable[[Any], Any]]:
        submit = next(one for one in super().activities() if one.__name__ == "submit_training")
        settle = next(one for one in super().activities() if one.__name__ == "settle_circuit")

        def submit_training(request: TrainingRequest) -> Any:
            if request.training.key in self.broken:
                raise Rejected("no such compute")
            self.in_training.add(request.training.key)
            self.most_in_training = max(self.most_in_training, len(self.in_training))
            return submit(request)

        def settle_circuit(request: Settlement) -> CircuitOutcome:
            self.in_training.discard(request.training.key)
            return settle(request)

        return [submit_training, settle_circuit]

    def _approvals(self) -> list[Callable[[Any], Any]]:
        def environment_question(request: EnvironmentPromotion) -> ApprovalRequest | None:
            return self._question(ENVIRONMENT, GateName.REGISTRY_PROMOTION)

        def release_question(request: ReleaseQuestion) -> ApprovalRequest:
            return self._question(f"approve-{request.gate}-{request.release.id}", request.gate)

        def ask_approvers(request: ApprovalRequest) -> None: ...

        def count_votes(request: ApprovalRequest) -> ApprovalVerdict:
            decided = self.verdicts.get(ENVIRONMENT if request.id == ENVIRONMENT else request.gate)
            approved = ApprovalVerdict(request.id, Outcome.APPROVED, "approved by somebody")
            return replace(decided, request_id=request.id) if decided else approved

        def close_approval(request: ApprovalRequest) -> ApprovalVerdict:
            return count_votes(request)

        return [environment_question, release_question, ask_approvers, count_votes, close_approval]

    def _question(self, id: str, gate: GateName) -> ApprovalRequest:
        return ApprovalRequest(id, gate, "s", "t", "digest", "requester", (), 1, LATER)

    def _evidence(self) -> list[Callable[[Any], Any]]:
        def submit_evidence(request: EvidenceRequest) -> JobRef:
            return JobRef(Stage.DEV, f"evidence-{request.release.id}")

        def store_evidence(request: EvidenceResult) -> None: ...

        def note_evidence(request: EvidenceNote) -> None:
            self.evidence_notes.append(request)

        return [submit_evidence, store_evidence, note_evidence]

    def _release(self) -> list[Callable[[Any], Any]]:
        def compose_release(request: ReleaseRequest) -> Release:
            pins = tuple(outcome.pin for outcome in request.outcomes if outcome.pin)
            self.release = ReleaseSet(request.run.id, request.run.commit, request.run.requester, pins, "env")
            circuits = tuple(item.key for item in pins)
            return Release(
                self.release.id, request.run.commit, request.run.requester, circuits, self.policies
            )

        def share_environment(request: EnvironmentPromotion) -> None: ...

        def promote_components(request: Release) -> None: ...

        def plan_promotion(request: Release) -> tuple[ModelPromotion, ...]:
            policy = request.policies.propagation
            return tuple(ModelPromotion(key, f"{key}", "1", policy) for key in request.kept)

        def share_model(request: ModelPromotion) -> None:
            self.in_registry.append(request.key)

        def look_in_registry(request: ModelPromotion) -> bool:
            return request.key in self.in_registry

        def record_promoted(request: ModelPromotion) -> None: ...

        def offer_release(request: StageDeployment) -> None: ...

        return [
            compose_release,
            share_environment,
            promote_components,
            plan_promotion,
            share_model,
            look_in_registry,
            record_promoted,
            offer_release,
        ]

    def _journey(self) -> list[Callable[[Any], Any]]:
        def open_release(request: object) -> None: ...

        def supersede_older(request: Release) -> tuple[str, ...]:
            return ()

        def less_superseded(request: Release) -> Release:
            return request

        def lacks(request: Visit) -> bool:
            return True

        def note_visit(request: Visited) -> None:
            self.visits.append(request)

        def end_release(request: ReleaseEnd) -> None:
            self.release_ends.append(request.end)

        def notify_release_ended(request: Release) -> None:
            self.mailed.append(request.id)

        return [
            open_release,
            supersede_older,
            less_superseded,
            lacks,
            note_visit,
            end_release,
            notify_release_ended,
        ]

    def _rollout(self) -> list[Callable[[Any], Any]]:
        def plan_deployment(request: StageDeployment) -> DeploymentPlan:
            return DeploymentPlan(tuple(pin(key) for key in request.release.kept))

        def activate_deployment(request: CircuitDeployment) -> None:
            self.deployed[request.stage].append(request.pin.key)

        def withdraw_candidate(request: CircuitDeployment) -> None: ...

        def ensure_monitor(request: CircuitDeployment) -> None: ...

        def judge_fleet(request: FleetCheck) -> Ruling:
            rollback = request.policies.stage(request.stage).rollback
            return decide_fleet(rollback, request.changed, request.rolled_back)

        return [plan_deployment, activate_deployment, ensure_monitor, withdraw_candidate, judge_fleet]
