"""A release set on its way through a stage: asked for once, deployed in waves, taken back where the fleet is bad."""

from dataclasses import replace
from itertools import batched

from activities.baking import judge_fleet
from activities.ramping import take_back
from activities.rollout import plan_deployment
from busbar.domain.approval import ApprovalVerdict, Outcome
from busbar.domain.policies import STAGE_GATES
from busbar.domain.ramp import Verdict
from busbar.domain.steps import (
    DeploymentPlan,
    FleetCheck,
    Promotion,
    Rollout,
    RolloutEnd,
    StageDeployment,
    TakeBack,
    Wave,
)
from busbar.domain.wording import counted
from busbar.wire import Context, StepFailed, Steps, call, child, children
from orchestrators.approval import pass_gate
from orchestrators.deploy_circuit import deploy_circuit


def deploy_release(ctx: Context, request: StageDeployment) -> Steps[Promotion]:
    """Ask for the stage's approval, then deploy in waves each pin that passes the stage's gates and differs."""
    stage = request.stage
    verdict, release = ApprovalVerdict("", Outcome.APPROVED, request.approved), request.release
    if not request.approved:
        verdict, release = yield from pass_gate(ctx, release, STAGE_GATES[stage])
    if not verdict.approved or not release.kept:
        sentence = f"{release.id} was not deployed to {stage}: {verdict.sentence}"
        return Promotion(False, sentence, outcome=verdict.outcome)
    plan = yield from call(ctx, plan_deployment, StageDeployment(stage, release))
    if plan.refusal:
        return Promotion(False, f"{release.id} was not deployed to {stage}: {plan.refusal}")
    return (yield from _roll_out(ctx, StageDeployment(stage, release), plan, verdict.sentence))


def deploy_wave(ctx: Context, request: Wave) -> Steps[list[Rollout]]:
    """Deploy a wave's circuits, a child each; one that breaks holds no other up."""
    requests = [
        (f"{ctx.instance_id}-{one.pin.key.plant_id}-{one.pin.key.circuit_id}", one)
        for one in request.deployments
    ]
    results = yield from children(ctx, deploy_circuit, requests, request.at_once)
    return [
        Rollout(one.pin.key, RolloutEnd.FAILED, str(result)) if isinstance(result, StepFailed) else result
        for (_, one), result in zip(requests, results, strict=True)
    ]


def take_back_wave(ctx: Context, request: Wave) -> Steps[list[str]]:
    """Take a wave's circuits back to what served before; what could not be done, in sentences."""
    problems: list[str] = []
    for one in request.deployments:
        try:
            yield from call(ctx, take_back, TakeBack(one, request.ruling))
        except StepFailed as failure:
            problems.append(f"{one.pin.key} could not be taken back: {failure}")
    return problems


def _roll_out(ctx: Context, request: StageDeployment, plan: DeploymentPlan, said: str) -> Steps[Promotion]:
    """Wave after wave, as long as the fleet's verdict lets it."""
    stage, release, waves = request.stage, request.release, _waves(request, plan)
    outcomes: list[Rollout] = []
    for number, wave in enumerate(waves, 1):
        ctx.set_custom_status(f"{release.id} in {stage}: wave {number} of {len(waves)}{_so_far(outcomes)}")
        outcomes += yield from child(ctx, deploy_wave, wave, f"{ctx.instance_id}-wave-{number}")
        changed = sum(one.changed for one in outcomes)
        back = sum(one.end is RolloutEnd.ROLLED_BACK for one in outcomes)
        check = FleetCheck(stage, release.id, release.policies, number, changed, back)
        ruling = yield from call(ctx, judge_fleet, check)
        if ruling.verdict is Verdict.ROLL_BACK:
            problems = yield from _take_back(ctx, waves[:number], ruling.sentence)
            sentence = f"{release.id} was taken back from {stage}: {ruling.sentence}"
            return Promotion(False, "; ".join([sentence, *problems, *_reasons(outcomes)]))
    return _promotion(request, plan, outcomes, said)


def _take_back(ctx: Context, waves: list[Wave], ruling: str) -> Steps[list[str]]:
    problems: list[str] = []
    for number, wave in enumerate(waves, 1):
        back = replace(wave, ruling=ruling)
        problems += yield from child(ctx, take_back_wave, back, f"{ctx.instance_id}-back-{number}")
    return problems


def _waves(request: StageDeployment, plan: DeploymentPlan) -> list[Wave]:
    stage, release, policy = request.stage, request.release, request.release.policies
    size, at_once = policy.stage(stage).waves.size, policy.stage(stage).waves.max_unavailable
    return [Wave(stage, release.id, pins, policy, at_once) for pins in batched(plan.pins, size)]


def _promotion(
    request: StageDeployment, plan: DeploymentPlan, outcomes: list[Rollout], said: str
) -> Promotion:
    """How it ended: what serves goes on to the next stage, the others stay behind with their reasons."""
    release = request.release
    left = dict(plan.held) | {one.key: one.sentence for one in outcomes if one.end is not RolloutEnd.SERVES}
    done = len(release.kept) - len(left)
    sentence = f"{done} of {counted(len(release.kept), 'circuit')} deployed to {request.stage} ({said})"
    told = "; ".join([sentence, *left.values(), *(one.note for one in outcomes if one.note)])
    return Promotion(done > 0, told, release.less(tuple(left)), tuple(left.items()))


def _reasons(outcomes: list[Rollout]) -> list[str]:
    return [one.sentence for one in outcomes if one.end is not RolloutEnd.SERVES]


def _so_far(outcomes: list[Rollout]) -> str:
    ends = [(end, sum(one.end is end for one in outcomes)) for end in RolloutEnd]
    return "".join(f", {count} {end}" for end, count in ends if count)
