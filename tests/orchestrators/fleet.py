"""A small fleet, and the activities of a world in which all goes well; tests replace what shall go wrong."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.policies import Backoff, Policies, Stage, TrainingPolicy
from busbar.domain.ramp import Step
from busbar.domain.release import Pin
from busbar.domain.steps import (
    CircuitDeployment,
    CircuitOutcome,
    CircuitTraining,
    DeploymentState,
    Evaluation,
    EvaluationRequest,
    JobRef,
    JobState,
    ModelRequest,
    Ramp,
    Settlement,
    TrainingRequest,
    TrainingRun,
)
from busbar.domain.training import Assets, Decision, PinnedData

RUN = TrainingRun("train-abc", "abc", "develop", "data-scientist")
ASSETS = Assets("env", "1.0.0", "1.0.0", "1.0.0")
METRICS = Metrics(mae=1.0, rmse=2.0, accuracy=0.9, standardised_mse=0.3, seasonal_naive_mse=0.5)
QUICK = TrainingPolicy(poll=Backoff(0.05, 0.05))


def training(key: CircuitKey, policy: TrainingPolicy = QUICK, run: TrainingRun = RUN) -> CircuitTraining:
    decision = Decision(key, True, "new circuit", "0123456789ab")
    data = PinnedData(key, f"{key.plant_id}_{key.circuit_id}", "2025-12-09", 3, "2025-12-09")
    return CircuitTraining(run, decision, data, ASSETS, Policies(training=policy))


class AzureML:
    """Jobs that complete when looked at the second time, unless `script` says otherwise for one."""

    def __init__(self) -> None:
        self.script: dict[str, list[JobState]] = {}
        self.looks: defaultdict[str, int] = defaultdict(int)
        self.cancelled: list[str] = []
        self.told: list[str] = []

    def activities(self) -> list[Callable[[Any], Any]]:  # noqa: C901 - one-liners, an activity each
        def submit_training(request: TrainingRequest) -> JobRef:
            return JobRef(Stage.DEV, f"train-{request.training.key.circuit_id}-a{request.attempt}")

        def look_at_job(request: JobRef) -> JobState:
            return self.look(request.name)

        def cancel_job(request: JobRef) -> None:
            self.cancelled.append(request.name)

        def notify_long_running(request: Any) -> None:
            self.told.append(request.job.name)

        def evaluate_gates(request: EvaluationRequest) -> Evaluation:
            return Evaluation(METRICS, (GateResult("max_mae", True, 1.0, 5.0),), True, "all 1 gates passed")

        def register_model(request: ModelRequest) -> Pin:
            return pin(request.training.key, request.job.name)

        def settle_circuit(request: Settlement) -> CircuitOutcome:
            return CircuitOutcome(request.training.key, request.verdict, request.reason)

        def create_deployment(request: CircuitDeployment) -> Ramp:
            return Ramp((Step(100, baked=False),))

        def look_at_deployment(request: CircuitDeployment) -> DeploymentState:
            return DeploymentState(ready=True)

        def activate_deployment(request: CircuitDeployment) -> None: ...

        return [
            submit_training,
            look_at_job,
            cancel_job,
            notify_long_running,
            evaluate_gates,
            register_model,
            settle_circuit,
            create_deployment,
            look_at_deployment,
            activate_deployment,
        ]

    def look(self, job: str) -> JobState:
        self.looks[job] += 1
        if job in self.script:
            states = self.script[job]
            return states.pop(0) if len(states) > 1 else states[0]
        return JobState(job, JobStatus.COMPLETED if self.looks[job] > 1 else JobStatus.QUEUED)


def pin(key: CircuitKey, job: str = "job") -> Pin:
    model = f"{key.plant_id}_{key.circuit_id}_model"
    return Pin(
        key,
        model,
        "1",
        "0123456789ab",
        "2025-12-09",
        "2025-12-09",
        "env:1.0.0",
        "1.0.0",
        "1.0.0",
        job,
        "c.yaml",
        METRICS,
    )
