"""Deployment of a release set to a stage, and of one circuit."""

from activities.serving import activate_deployment, create_deployment, look_at_deployment, plan_deployment
from busbar.domain.policies import GateName, Stage
from busbar.domain.steps import CircuitDeployment, Promotion, StageDeployment
from busbar.domain.wording import counted
from busbar.wire import Context, StepFailed, Steps, call, children, failures, sleep
from orchestrators.approval import pass_gate

GATES = {Stage.TEST: GateName.TEST_DEPLOYMENT, Stage.PROD: GateName.PROD_DEPLOYMENT}
POLLS = 40
POLL_SECONDS = 15.0


def deploy_release(ctx: Context, request: StageDeployment) -> Steps[Promotion]:
    """Ask for the stage's approval, then deploy each pin that passes the stage's gates and differs."""
    stage, release = request.stage, request.release
    verdict, release = yield from pass_gate(ctx, release, GATES[stage])
    if not verdict.approved or not release.kept:
        sentence = f"{release.id} was not deployed to {stage}: {verdict.sentence}"
        return Promotion(False, sentence, outcome=verdict.outcome)
    plan = yield from call(ctx, plan_deployment, StageDeployment(stage, release))
    requests = [
        (
            f"{ctx.instance_id}-{pin.key.plant_id}-{pin.key.circuit_id}",
            CircuitDeployment(stage, pin, release.policies, release.id),
        )
        for pin in plan.pins
    ]
    results = yield from children(ctx, deploy_circuit, requests, release.policies.training.max_parallel)
    failed = {deployment.pin.key: reason for deployment, reason in failures(requests, results)}
    held = dict(plan.held) | failed
    done = len(release.kept) - len(held)
    sentence = f"{done} of {counted(len(release.kept), 'circuit')} deployed to {stage} ({verdict.sentence})"
    left = release.less(tuple(held))
    return Promotion(done > 0, "; ".join([sentence, *held.values()]), left, tuple(held.items()))


def deploy_circuit(ctx: Context, request: CircuitDeployment) -> Steps[None]:
    """Create the circuit's deployment on its plant's endpoint, wait until it stands, make it the active one."""
    yield from call(ctx, create_deployment, request)
    for _ in range(POLLS):
        state = yield from call(ctx, look_at_deployment, request)
        if state.failed:
            raise StepFailed(f"{request.pin.key}: deployment to {request.stage} failed: {state.error}")
        if state.ready:
            yield from call(ctx, activate_deployment, request)
            return
        yield from sleep(ctx, POLL_SECONDS)
    raise StepFailed(
        f"{request.pin.key}: deployment to {request.stage} not ready after {POLLS * POLL_SECONDS:g} s"
    )
