"""Promotion to the registry: of the environment (stage 2) and of a release's models (stage 8)."""

from itertools import batched

from activities.assets import promote_components, share_environment
from activities.models import look_in_registry, plan_promotion, record_promoted, share_model
from activities.questions import environment_question
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName
from busbar.domain.steps import EnvironmentPromotion, ModelPromotion, Promotion, PromotionBatch, Release
from busbar.domain.wording import counted
from busbar.wire import Context, StepFailed, Steps, call, child, children, failures, sleep
from orchestrators.approval import ask, pass_gate

CHUNK = 25  # models per child: a replay of a longer history would cost more


def promote_environment(ctx: Context, request: EnvironmentPromotion) -> Steps[Promotion]:
    """Share a newly registered environment to the registry, once approved; an older one is there already."""
    question = yield from call(ctx, environment_question, request)
    name = f"{request.environment.name}:{request.environment.version}"
    verdict = yield from ask(ctx, question)
    if not verdict.approved:
        return Promotion(False, f"environment {name} was not promoted: {verdict.sentence}")
    yield from call(ctx, share_environment, request)
    return Promotion(True, f"environment {name} is in the registry")


def promote_models(ctx: Context, request: Release) -> Steps[Promotion]:
    """Ask once for the release, then share each of its models and wait for it to appear."""
    verdict, release = yield from pass_gate(ctx, request, GateName.REGISTRY_PROMOTION)
    if not verdict.approved or not release.kept:
        sentence = f"{request.id} was not promoted: {verdict.sentence}"
        return Promotion(False, sentence, outcome=verdict.outcome)
    yield from call(ctx, promote_components, release)
    failed = yield from _share_all(ctx, release)
    release = release.less(tuple(failed))
    done = len(release.kept)
    sentence = f"{done} of {counted(len(request.kept), 'model')} promoted ({verdict.sentence})"
    return Promotion(done > 0, "; ".join([sentence, *failed.values()]), release, tuple(failed.items()))


def promote_model(ctx: Context, request: ModelPromotion) -> Steps[None]:
    """Share one model and wait until the registry shows it; raises `StepFailed` past the policy's limit."""
    yield from call(ctx, share_model, request)
    policy, waited, look = request.policy, 0.0, 0
    while not (yield from call(ctx, look_in_registry, request)):
        if waited >= policy.max_seconds:
            raise StepFailed(
                f"{request.key}: not in the registry {policy.max_seconds:g} s after it was shared"
            )
        delay = policy.poll.delay(look)
        yield from sleep(ctx, delay)
        waited, look = waited + delay, look + 1
    yield from call(ctx, record_promoted, request)


def promote_batch(ctx: Context, request: PromotionBatch) -> Steps[tuple[tuple[CircuitKey, str], ...]]:
    """Share a chunk of models, a child each; which are not in the registry, and why."""
    requests = [
        (f"promote-{request.release_id}-{one.key.plant_id}-{one.key.circuit_id}", one)
        for one in request.models
    ]
    results = yield from children(ctx, promote_model, requests, request.at_once)
    return tuple((one.key, reason) for one, reason in failures(requests, results))


def _share_all(ctx: Context, release: Release) -> Steps[dict[CircuitKey, str]]:
    models = yield from call(ctx, plan_promotion, release)
    failed, at_once = dict[CircuitKey, str](), release.policies.propagation.max_parallel
    size = max(CHUNK, at_once)
    for number, chunk in enumerate(batched(models, size)):
        batch = PromotionBatch(release.id, chunk, at_once)
        failed |= dict((yield from child(ctx, promote_batch, batch, f"promote-{release.id}-batch-{number}")))
    return failed
