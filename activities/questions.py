"""Questions: what is asked at a gate, of whom, until when."""

import hashlib
from datetime import datetime, timedelta
from itertools import count

from activities.assets import REGISTRY
from activities.clock import now
from activities.records import stored_release
from busbar.clients.approvals import Approvals
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import Fleet
from busbar.domain.errors import ConfigurationError
from busbar.domain.policies import ApprovalPolicy, GateName, gate_stage
from busbar.domain.roster import Roster, roster
from busbar.domain.steps import EnvironmentPromotion, Question, ReleaseQuestion
from busbar.domain.wording import counted
from busbar.fleet.repository import fleet_at

_VERB = {
    GateName.REGISTRY_PROMOTION: "Promote to the registry",
    GateName.TEST_DEPLOYMENT: "Deploy to test",
    GateName.PROD_DEPLOYMENT: "Deploy to prod",
}


def open_question(
    request: Question, *, repository: Repository, approvals: Approvals
) -> ApprovalRequest | None:
    """What to ask, or None where the fleet asks nobody at that gate: then nothing stands in the way.

    A question asked before keeps its deadline: a repeat must not extend it. One whose answer was voided, by a
    cancellation or a rollback, is asked anew. Raises `ConfigurationError` where nobody
    could ever answer.
    """
    policy = request.policies.approvals.get(request.gate)
    if policy is None:
        return _unasked(request.gate)
    first = names.approval_request(request.gate, request.identity, request.digest)
    for attempt in count(1):
        request_id = names.asked_again(first, attempt)
        asked = approvals.dossier(request_id)
        if asked is None:
            return _request(request_id, request, policy, fleet_at(repository, request.commit))
        if not asked.voided:
            return asked.request
    raise AssertionError("count() does not end")


def environment_question(
    request: EnvironmentPromotion, *, repository: Repository, ml: MachineLearning, approvals: Approvals
) -> ApprovalRequest | None:
    """What to ask before the environment goes to the registry; None if it is there."""
    environment, run = request.environment, request.run
    if ml.environment_digest(REGISTRY, environment.name, environment.version) is not None:
        return None
    label = f"{environment.name}:{environment.version}"
    question = Question(
        gate=GateName.REGISTRY_PROMOTION,
        identity=f"environment-{environment.name}-{environment.version}",
        subject=f"Promote environment {label} to the registry",
        summary=f"Commit {run.commit[:8]} on {run.branch} brings environment {label}; models trained in it can be "
        "promoted once the registry has it.",
        digest=hashlib.sha256(f"{label} {run.commit}".encode()).hexdigest(),
        requester=run.requester,
        commit=run.commit,
        policies=request.policies,
    )
    return open_question(question, repository=repository, approvals=approvals)


def release_question(
    request: ReleaseQuestion, *, repository: Repository, records: Records, approvals: Approvals
) -> ApprovalRequest | None:
    """What to ask before a release passes a gate; bound to the release's digest and the circuits still in it.

    None where the stage behind the gate asks nobody.
    """
    release = request.release
    shown = stored_release(release.id, records).without(release.excluded)
    models = counted(len(shown.pins), "model")
    question = Question(
        gate=request.gate,
        identity=release.id,
        subject=f"{_VERB[request.gate]}: {release.id}, {counted(len(shown.pins), 'circuit')}",
        summary=f"{models} trained from commit {release.commit[:8]} by {release.requester}.",
        digest=shown.digest,
        requester=release.requester,
        commit=release.commit,
        policies=release.policies,
        release_id=release.id,
        circuits=len(shown.pins),
        excluded=release.excluded,
    )
    return open_question(question, repository=repository, approvals=approvals)


def _unasked(gate: GateName) -> None:
    """A stage's file may say `approval: null`; the other gates always ask somebody."""
    if gate_stage(gate) is None:
        raise ConfigurationError(f"config/pipeline.yaml: approvals.{gate} is missing: nobody can be asked")


def _request(id: str, question: Question, policy: ApprovalPolicy, fleet: Fleet) -> ApprovalRequest:
    asked_at, stage = datetime.fromisoformat(now()), gate_stage(question.gate)
    expires_at = asked_at + timedelta(hours=policy.expires_hours)
    escalate_at = asked_at + timedelta(hours=policy.escalate_hours) if policy.escalate_hours else None
    asked = roster(fleet, policy.groups, question.requester, asked_at.date())
    added = Roster()
    if escalate_at:
        added = roster(fleet, policy.escalate_to, question.requester, escalate_at.date())
    _check_reachable(question, policy, asked, added)
    return ApprovalRequest(
        id=id,
        gate=question.gate,
        subject=question.subject,
        summary=question.summary,
        digest=question.digest,
        requester=question.requester,
        approvers=asked.people,
        quorum=policy.quorum,
        expires_at=_text(expires_at),
        release_id=question.release_id,
        excluded=question.excluded,
        circuits=question.circuits,
        asked_at=_text(asked_at),
        reminder_hours=policy.reminder_hours,
        escalate_at=_text(escalate_at) if escalate_at else None,
        escalation=added.people,
        stand_ins=(*asked.stand_ins, *added.stand_ins),
        evidence=question.evidence,
        demands=question.policies.demands(stage) if stage else None,
        asked=question.asked,
    )


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _check_reachable(question: Question, policy: ApprovalPolicy, asked: Roster, added: Roster) -> None:
    """Better to say so now than to wait for an expiry that is certain."""
    able = {person.object_id: person.login for person in (*asked.people, *added.people)}
    if len(able) < policy.quorum:
        groups = ", ".join((*policy.groups, *policy.escalate_to))
        raise ConfigurationError(
            f"config/people.yaml: {question.gate} needs {policy.quorum} to agree, but beside {question.requester}, "
            f"who asks for it, {', '.join(able.values()) or 'nobody'} may decide: add people to {groups}"
        )
