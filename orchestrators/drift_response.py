"""A drift incident: people are asked; what they approve is committed, and the ordinary commit path trains it."""

from activities.refresh import refresh_cutoffs
from activities.responses import close_incident, drift_question
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Outcome
from busbar.domain.events import DriftDetected
from busbar.domain.steps import IncidentEnd, RefreshRun
from busbar.domain.wording import counted
from busbar.wire import Context, StepFailed, Steps, call
from orchestrators.approval import ask


def drift_response(ctx: Context, request: DriftDetected) -> Steps[str]:
    """Ask, commit, and put on record how it ended: from an answer on, whatever it is, the circuits cool down."""
    try:
        question = yield from call(ctx, drift_question, request)
        verdict = yield from ask(ctx, question)
        end = yield from _carry_out(ctx, request.incident, question, verdict)
    except StepFailed as failure:
        end = IncidentEnd(request.incident, f"it broke off: {failure}", failed=True)
    incident = yield from call(ctx, close_incident, end)
    return f"{incident.status}: {incident.said}"


def _carry_out(
    ctx: Context, incident: str, question: ApprovalRequest | None, verdict: ApprovalVerdict
) -> Steps[IncidentEnd]:
    """Commit what was asked and approved; without readings to move to there is nothing to commit."""
    if question is None or not verdict.approved:
        expired = verdict.outcome is Outcome.EXPIRED
        return IncidentEnd(incident, verdict.sentence, expired=expired)
    approved = tuple(one.key for one in question.asked if one.key not in verdict.excluded)
    run = RefreshRun(circuits=approved, cause=f"{incident}, {verdict.sentence}")
    refreshed = yield from call(ctx, refresh_cutoffs, run)
    moved = (
        f"{counted(len(refreshed.circuits), 'cutoff date')} moved" if refreshed.commit else refreshed.sentence
    )
    said = f"{verdict.sentence}; {moved}"
    return IncidentEnd(incident, said, verdict.excluded, refreshed.commit, failed=refreshed.commit is None)
