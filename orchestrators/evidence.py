"""The evidence notebook of a release set: a job in dev, whose page approvers read. It never holds a release up."""

from activities.evidence import note_evidence, store_evidence, submit_evidence
from busbar.domain import names
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.domain.steps import EvidenceRequest, EvidenceResult, JobWait, Release
from busbar.wire import Context, StepFailed, Steps, call, start, wait
from orchestrators.waiting import wait_for_job

PATIENCE_SECONDS = 300.0  # then people are asked, and the notebook comes when it is ready


def gather_first(ctx: Context, release: Release) -> Steps[None]:
    """Have the evidence gathered before people are asked; one that takes long goes on beside them."""
    gathering = start(ctx, gather_evidence, release, names.evidence(release.id))
    yield from wait(ctx, gathering, PATIENCE_SECONDS)


def gather_evidence(ctx: Context, request: Release) -> Steps[None]:
    """Have the notebook made and keep it; where that fails, its page says why there is none."""
    try:
        job = yield from call(ctx, submit_evidence, EvidenceRequest(request, ctx.instance_id))
        if job is None:
            return
        state = yield from wait_for_job(ctx, JobWait(job, request.policies.training), request.commit)
        yield from call(ctx, store_evidence, EvidenceResult(request.id, state))
    except StepFailed as failure:
        missing = EvidenceNote(request.id, EvidenceStatus.MISSING, str(failure))
        yield from call(ctx, note_evidence, missing)
