"""One circuit: submit, wait, retry, gate, register, deploy to dev."""

from activities.jobs import submit_training
from activities.models import evaluate_gates, register_model, settle_circuit
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.steps import (
    CircuitDeployment,
    CircuitOutcome,
    CircuitTraining,
    EvaluationRequest,
    JobRef,
    JobState,
    JobWait,
    ModelRequest,
    RolloutEnd,
    Settlement,
    TrainingRequest,
)
from busbar.domain.training import Verdict
from busbar.wire import Context, StepFailed, Steps, call, child
from orchestrators.deploy_circuit import deploy_circuit
from orchestrators.waiting import wait_for_job


def train_circuit(ctx: Context, request: CircuitTraining) -> Steps[CircuitOutcome]:
    """Train one circuit to a verdict: trained, gated out, or quarantined with the reason."""
    try:
        return (yield from _train(ctx, request))
    except StepFailed as failure:
        return (yield from _settle(ctx, Settlement(request, Verdict.QUARANTINED, str(failure))))


def _train(ctx: Context, training: CircuitTraining) -> Steps[CircuitOutcome]:
    job = yield from _run_job(ctx, training)
    if job.status is not JobStatus.COMPLETED:
        reason = job.error or f"{job.name} {job.status}"
        return (yield from _settle(ctx, Settlement(training, Verdict.QUARANTINED, reason, job.name)))
    ref = JobRef(Stage.DEV, job.name)
    evaluation = yield from call(ctx, evaluate_gates, EvaluationRequest(training, ref))
    if not evaluation.passed:
        gated_out = Settlement(training, Verdict.GATED_OUT, evaluation.sentence, job.name, evaluation)
        return (yield from _settle(ctx, gated_out))
    pin = yield from call(ctx, register_model, ModelRequest(training, ref, evaluation))
    settled = Settlement(
        training, Verdict.TRAINED, evaluation.sentence, job.name, evaluation, pin.model_version
    )
    outcome = yield from _settle(ctx, settled)
    if outcome.verdict is not Verdict.TRAINED:
        return outcome  # a newer run has taken the circuit over
    deployment = CircuitDeployment(Stage.DEV, pin, training.policies.narrowed(Stage.DEV))
    rollout = yield from child(ctx, deploy_circuit, deployment, f"{ctx.instance_id}-dev")
    if rollout.end is not RolloutEnd.SERVES:
        raise StepFailed(rollout.sentence)
    return CircuitOutcome(outcome.key, outcome.verdict, outcome.sentence, pin)


def _run_job(ctx: Context, training: CircuitTraining) -> Steps[JobState]:
    """The job's attempts: a failed one is tried again under the next number."""
    policy = training.policies.training
    state = JobState("", JobStatus.FAILED)
    for attempt in range(1, policy.max_attempts + 1):
        request = TrainingRequest(training, attempt, ctx.instance_id)
        job = yield from call(ctx, submit_training, request)
        state = yield from wait_for_job(ctx, JobWait(job, policy, training.key), training.run.commit)
        if state.status is not JobStatus.FAILED:
            break
    return state


def _settle(ctx: Context, settlement: Settlement) -> Steps[CircuitOutcome]:
    return (yield from call(ctx, settle_circuit, settlement))
