"""Approvals: the question, the mails, the count."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

from activities.assets import REGISTRY
from activities.records import stored_release
from busbar.clients.approvals import Approvals
from busbar.clients.email import Mail
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, count, eligible
from busbar.domain.circuits import CircuitKey, Fleet
from busbar.domain.errors import ConfigurationError
from busbar.domain.policies import ApprovalPolicy, GateName, Policies
from busbar.domain.steps import EnvironmentPromotion, ReleaseQuestion
from busbar.domain.wording import counted
from busbar.fleet.repository import fleet_at
from busbar.settings import Settings

_VERB = {
    GateName.REGISTRY_PROMOTION: "Promote to the registry",
    GateName.TEST_DEPLOYMENT: "Deploy to test",
    GateName.PROD_DEPLOYMENT: "Deploy to prod",
}


def environment_question(
    request: EnvironmentPromotion, *, repository: Repository, ml: MachineLearning, approvals: Approvals
) -> ApprovalRequest | None:
    """What to ask before the environment goes to the registry; None if it is there."""
    environment, run = request.environment, request.run
    digest = ml.environment_digest(REGISTRY, environment.name, environment.version)
    if digest is not None:
        return None
    label = f"{environment.name}:{environment.version}"
    return _question(
        identity=f"environment-{environment.name}-{environment.version}",
        gate=GateName.REGISTRY_PROMOTION,
        subject=f"Promote environment {label} to the registry",
        summary=f"Commit {run.commit[:8]} on {run.branch} brings environment {label}; models trained in it can be "
        "promoted once the registry has it.",
        digest=hashlib.sha256(f"{label} {run.commit}".encode()).hexdigest(),
        requester=run.requester,
        fleet=fleet_at(repository, run.commit),
        policies=request.policies,
        approvals=approvals,
    )


def release_question(
    request: ReleaseQuestion, *, repository: Repository, records: Records, approvals: Approvals
) -> ApprovalRequest:
    """What to ask before a release passes a gate; bound to the release's digest and the circuits still in it."""
    release = request.release
    shown = stored_release(release.id, records).without(release.excluded)
    return _question(
        identity=release.id,
        gate=request.gate,
        subject=f"{_VERB[request.gate]}: {release.id}, {counted(len(shown.pins), 'circuit')}",
        summary=f"{counted(len(shown.pins), 'model')} trained from commit {release.commit[:8]} by {release.requester}.",
        digest=shown.digest,
        requester=release.requester,
        fleet=fleet_at(repository, release.commit),
        policies=release.policies,
        approvals=approvals,
        release_id=release.id,
        excluded=release.excluded,
    )


def ask_approvers(
    request: ApprovalRequest,
    *,
    approvals: Approvals,
    records: Records,
    mail: Mail,
    settings: Settings,
) -> None:
    """Store the request and mail each approver a link of their own. A repeat stores and sends the same."""
    from busbar import notify

    release = records.release(request.release_id) if request.release_id else None
    circuits, serving = tuple(records.circuits()), tuple(records.deployments())
    people = eligible(request.approvers, request.requester)
    tokens = {person.object_id: approval_token(request, person.object_id, settings) for person in people}
    approvals.create(request, {owner: token_hash(token) for owner, token in tokens.items()})
    for person in people:
        link = f"{settings.public_url}/approvals/{tokens[person.object_id]}"
        letter = notify.approval_mail(request, release, person, link, circuits=circuits, deployments=serving)
        operation = f"{request.id}/{person.object_id}"
        mail.send(person.mail, letter.subject, letter.html, letter.text, operation_id=operation)


def count_votes(request: ApprovalRequest, *, approvals: Approvals) -> ApprovalVerdict:
    """Where the request stands."""
    return count(request, approvals.votes(request.id))


def close_approval(request: ApprovalVerdict, *, approvals: Approvals) -> ApprovalVerdict:
    """Write the verdict; a late click then reads who decided."""
    approvals.decide(request)
    return request


def approval_token(request: ApprovalRequest, object_id: str, settings: Settings) -> str:
    """The secret of one person's link: an HMAC of request, digest and person, so that a repeated mail is the same.

    Unguessable without the key, 43 characters; only its hash is stored.
    """
    bound = f"{request.id}\0{request.digest}\0{object_id}".encode()
    digest = hmac.new(settings.approval_key.encode(), bound, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _question(
    *,
    identity: str,
    gate: GateName,
    subject: str,
    summary: str,
    digest: str,
    requester: str,
    fleet: Fleet,
    policies: Policies,
    approvals: Approvals,
    release_id: str | None = None,
    excluded: tuple[CircuitKey, ...] = (),
) -> ApprovalRequest:
    """A question asked before keeps its deadline: a repeat must not extend it."""
    request_id = f"approve-{gate}-{identity}-{digest[:8]}"
    if (asked := approvals.request(request_id)) is not None:
        return asked
    policy = policies.approvals.get(gate) or _missing(gate)
    expires = datetime.now(UTC) + timedelta(hours=policy.expires_hours)
    return ApprovalRequest(
        id=request_id,
        gate=gate,
        subject=subject,
        summary=summary,
        digest=digest,
        requester=requester,
        approvers=fleet.members(policy.groups),
        quorum=policy.quorum,
        expires_at=expires.isoformat(timespec="seconds"),
        release_id=release_id,
        excluded=excluded,
    )


def _missing(gate: GateName) -> ApprovalPolicy:
    raise ConfigurationError(f"config/pipeline.yaml: approvals.{gate} is missing: nobody can be asked")
