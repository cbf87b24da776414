"""A release set's journey: to the registry, to test, to prod, each only if the one before was approved and done."""

from activities.notifications import notify_release_ended
from activities.records import note_run, offer_release
from activities.releases import end_release, lacks, note_visit, open_release, supersede_older
from busbar.domain import names
from busbar.domain.records import RunStatus
from busbar.domain.release_record import Place, ReleaseStatus
from busbar.domain.steps import (
    Journey,
    JourneyEnd,
    Promotion,
    Release,
    ReleaseEnd,
    RunNote,
    StageDeployment,
    Visit,
    Visited,
)
from busbar.domain.wording import counted
from busbar.wire import Context, StepFailed, Steps, call, child
from orchestrators.approval import VOTED
from orchestrators.deploy_release import deploy_release
from orchestrators.evidence import gather_first
from orchestrators.promote_models import promote_models


def release_journey(ctx: Context, request: Journey) -> Steps[JourneyEnd]:
    """Take a release set through all places; older ones yield the circuits that it pins."""
    yield from call(ctx, open_release, request)
    for question in (yield from call(ctx, supersede_older, request.release)):
        ctx.send_event(question, VOTED)
    try:
        end = yield from _travel(ctx, request)
    except StepFailed as failure:
        end = JourneyEnd(ReleaseStatus.FAILED, f"it broke off: {failure}")
    yield from call(ctx, end_release, ReleaseEnd(request.release, end))
    if request.run is None:  # a training run's requester hears of it by the run
        yield from _tell_requester(ctx, request.release, end.sentence)
    return end


def _travel(ctx: Context, request: Journey) -> Steps[JourneyEnd]:
    """Place by place; one that has every model already is asked about by nobody."""
    release, said = request.release, [request.said] if request.said else []
    promotion, asked = Promotion(False, ""), False
    for place in Place:
        if place is not Place.REGISTRY:
            yield from _note(ctx, request, "; ".join(said))
        if not (yield from call(ctx, lacks, Visit(place, release))):
            promotion = Promotion(True, f"{place} has {_all(release)} already", release)
        else:
            if not asked:
                yield from gather_first(ctx, release)
            promotion, asked = (yield from _visit(ctx, Visit(place, release))), True
        yield from call(ctx, note_visit, Visited(Visit(place, release), promotion))
        said.append(promotion.sentence)
        if not promotion.done or promotion.release is None:
            break
        release = promotion.release
    return JourneyEnd(ReleaseStatus.of(promotion.done, promotion.outcome), "; ".join(said))


def _visit(ctx: Context, visit: Visit) -> Steps[Promotion]:
    """Ask, and promote or deploy."""
    release, stage = visit.release, visit.place.stage
    if stage is None:
        return (yield from child(ctx, promote_models, release, names.promotion_run(release.id)))
    deployment = StageDeployment(stage, release)
    yield from call(ctx, offer_release, deployment)
    return (yield from child(ctx, deploy_release, deployment, names.deployment_run(stage, release.id)))


def _tell_requester(ctx: Context, release: Release, sentence: str) -> Steps[None]:
    """One mail at the end; what was done stays done though no mail can be sent."""
    try:
        yield from call(ctx, notify_release_ended, release)
    except StepFailed as failure:
        ctx.set_custom_status(f"{sentence} (the requester was not told: {failure})")


def _all(release: Release) -> str:
    count = len(release.kept)
    return "its model" if count == 1 else f"all {counted(count, 'model')}"


def _note(ctx: Context, request: Journey, sentence: str) -> Steps[None]:
    """How far it has come: on its own status, and on the line of the training run that waits for it."""
    ctx.set_custom_status(sentence)
    if request.run:
        note = RunNote(request.run, RunStatus.WAITING, sentence, request.release.id)
        yield from call(ctx, note_run, note)
