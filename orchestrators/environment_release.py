"""An environment-only release: tried on every deployed model, asked for a stage at a time, rolled out in waves."""

from itertools import batched

from activities.assets import promote_components, register_environment, share_environment
from activities.environments import (
    compose_update,
    note_environment,
    plan_environment_update,
    read_comparison,
    submit_comparison,
    update_question,
)
from activities.plan import read_fleet
from activities.releases import end_release, note_visit, open_release
from busbar.domain import names
from busbar.domain.approval import Outcome
from busbar.domain.environments import STAGES, Compatibility, EnvironmentStatus, objection, summary
from busbar.domain.release_record import Origin, Place, ReleaseStatus
from busbar.domain.steps import (
    EnvironmentEnd,
    EnvironmentNote,
    EnvironmentPlan,
    EnvironmentPromotion,
    EnvironmentRun,
    EnvironmentUpdate,
    JobWait,
    Journey,
    JourneyEnd,
    Promotion,
    Release,
    ReleaseEnd,
    StageDeployment,
    StageQuestion,
    StageUpdate,
    TrialBatch,
    TriedBatch,
    Visit,
    Visited,
)
from busbar.wire import Context, StepFailed, Steps, call, child, children
from orchestrators.approval import ask
from orchestrators.deploy_release import deploy_release
from orchestrators.waiting import wait_for_job

CHUNK = 25  # models a job: one that breaks its process costs no more than these

Matrix = tuple[Compatibility, ...]


def environment_release(ctx: Context, request: EnvironmentRun) -> Steps[EnvironmentEnd]:
    """Try the commit's environment on all that is deployed; then, where people agree, move it there."""
    fleet = yield from call(ctx, read_fleet, request.training_run)
    if fleet.problems:
        return EnvironmentEnd(EnvironmentStatus.REFUSED, fleet.problems)
    environment = yield from call(ctx, register_environment, request.training_run)
    if environment.problem:
        return EnvironmentEnd(EnvironmentStatus.REFUSED, environment.problem)
    if request.version not in ("", environment.version):
        text = f"commit {request.commit[:8]} has environment {environment.version}, not {request.version}"
        return EnvironmentEnd(EnvironmentStatus.REFUSED, text)
    update = EnvironmentUpdate(request, environment, fleet.policies)
    plan = yield from call(ctx, plan_environment_update, update)
    if not plan.update.possible:
        return (yield from _end(ctx, update, EnvironmentStatus.REFUSED, plan.update.sentence, ()))
    try:
        return (yield from _release(ctx, update, plan))
    except StepFailed as failure:
        return (yield from _end(ctx, update, EnvironmentStatus.FAILED, f"it broke off: {failure}", ()))


def try_models(ctx: Context, request: TrialBatch) -> Steps[Matrix]:
    """Score a batch of models in both environments, and rule on each."""
    job = yield from call(ctx, submit_comparison, request)
    state = yield from wait_for_job(ctx, JobWait(job, request.update.policies.training), "")
    return (yield from call(ctx, read_comparison, TriedBatch(request, state)))


def _release(ctx: Context, update: EnvironmentUpdate, plan: EnvironmentPlan) -> Steps[EnvironmentEnd]:
    yield from _note(ctx, update, EnvironmentStatus.TRYING, plan.update.sentence, ())
    matrix = yield from _try_all(ctx, update, plan)
    said = [summary(matrix)]
    if not any(one.compatible for one in matrix):
        return (yield from _end(ctx, update, EnvironmentStatus.FAILED, said[0], matrix))
    shared = False
    for stage in STAGES:
        release = yield from call(ctx, compose_update, StageUpdate(update, stage))
        if release is None:
            continue
        yield from _note(ctx, update, EnvironmentStatus.WAITING, "; ".join(said), matrix)
        yield from call(ctx, open_release, Journey(release, Origin.ENVIRONMENT))
        question = StageQuestion(update, stage, release, said[0])
        try:
            promotion = yield from _move(ctx, plan, question, matrix, share=not shared)
        except StepFailed as failure:
            yield from _close(ctx, release, JourneyEnd(ReleaseStatus.FAILED, f"it broke off: {failure}"))
            raise
        ended = ReleaseStatus.of(promotion.done, promotion.outcome)
        yield from _close(ctx, release, JourneyEnd(ended, promotion.sentence))
        shared, said = True, [*said, promotion.sentence]
        if not promotion.done:
            status = EnvironmentStatus.FAILED if ended is ReleaseStatus.FAILED else EnvironmentStatus.REJECTED
            return (yield from _end(ctx, update, status, "; ".join(said), matrix))
    return (yield from _end(ctx, update, EnvironmentStatus.RELEASED, "; ".join(said), matrix))


def _move(
    ctx: Context, plan: EnvironmentPlan, question: StageQuestion, matrix: Matrix, *, share: bool
) -> Steps[Promotion]:
    """Ask for a stage, and move it there, less what the approvers left out."""
    stage, release, update = question.stage, question.release, question.update
    verdict = yield from ask(ctx, (yield from call(ctx, update_question, question)))
    release = release.less(verdict.excluded)
    if not verdict.approved:
        return Promotion(False, f"{stage} stays as it is: {verdict.sentence}", outcome=verdict.outcome)
    if against := objection(stage, release.kept, plan.update, matrix):
        return Promotion(False, f"{stage} stays as it is: {against}", outcome=Outcome.REJECTED)
    if share:
        yield from _share(ctx, update, release)
    deployment = StageDeployment(stage, release, approved=verdict.sentence)
    run = names.deployment_run(stage, release.id)
    promotion = yield from child(ctx, deploy_release, deployment, run)
    yield from call(ctx, note_visit, Visited(Visit(Place(stage), release), promotion))
    return promotion


def _try_all(ctx: Context, update: EnvironmentUpdate, plan: EnvironmentPlan) -> Steps[Matrix]:
    batches = _batches(ctx, update, plan)
    at_once = update.policies.training.max_parallel
    found = yield from children(ctx, try_models, batches, at_once)
    failed = next((one for one in found if isinstance(one, StepFailed)), None)
    if failed is not None:
        raise failed
    return tuple(sorted((one for part in found for one in _matrix(part)), key=lambda one: one.key))


def _batches(ctx: Context, update: EnvironmentUpdate, plan: EnvironmentPlan) -> list[tuple[str, TrialBatch]]:
    """Models by the environment they run in now, so many a job."""
    batches: list[tuple[str, TrialBatch]] = []
    for before in sorted({trial.before for trial in plan.trials}):
        trials = tuple(trial for trial in plan.trials if trial.before == before)
        for chunk in batched(trials, CHUNK):
            number = len(batches) + 1
            name = names.comparison(ctx.instance_id, number)
            batches.append((name, TrialBatch(update, before, chunk, number, name)))
    return batches


def _matrix(part: Matrix | StepFailed) -> Matrix:
    return () if isinstance(part, StepFailed) else part


def _share(ctx: Context, update: EnvironmentUpdate, release: Release) -> Steps[None]:
    """The environment, then the components built for it, in the registry: deployments refer to both."""
    promotion = EnvironmentPromotion(update.run.training_run, update.environment, update.policies)
    yield from call(ctx, share_environment, promotion)
    yield from call(ctx, promote_components, release)


def _note(
    ctx: Context, update: EnvironmentUpdate, status: EnvironmentStatus, sentence: str, matrix: Matrix
) -> Steps[None]:
    ctx.set_custom_status(sentence)
    yield from call(ctx, note_environment, EnvironmentNote(update, status, sentence, matrix))


def _close(ctx: Context, release: Release, end: JourneyEnd) -> Steps[None]:
    yield from call(ctx, end_release, ReleaseEnd(release, end))


def _end(
    ctx: Context, update: EnvironmentUpdate, status: EnvironmentStatus, sentence: str, matrix: Matrix
) -> Steps[EnvironmentEnd]:
    yield from _note(ctx, update, status, sentence, matrix)
    return EnvironmentEnd(status, sentence)
