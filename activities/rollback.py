"""Rollback: what a scope goes back to, and each circuit's way. Nothing here reads the registry or the git host."""

from collections import defaultdict

from activities.clock import now
from activities.serving import deploy
from activities.traffic import follow
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.reports import Reports
from busbar.domain.audit import fingerprint
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import NotFound
from busbar.domain.policies import STAGE_GATES
from busbar.domain.records import DeploymentRecord
from busbar.domain.release_record import Place, went_back
from busbar.domain.rollback import Cause, RollbackPlan, plan, step_back, step_forward
from busbar.domain.steps import CircuitMove, DeploymentState, RollbackReport, RollbackRun
from busbar.settings import Settings

KIND = "rollbacks"


def plan_rollback(request: RollbackRun, *, records: Records, reports: Reports, audit: Audit) -> RollbackPlan:
    """What goes back to what, as the records say now; from here on the report says that it is on its way."""
    found = plan(request.scope, records.deployments(request.scope.stage))
    found = found.without_ramps() if request.drill else found
    reports.save(KIND, request.id, RollbackReport(request, len(found.returns), found.stays))
    audit.append(
        id=f"{request.id}/asked",
        kind="drill" if request.drill else "rollback",
        subject=str(request.scope),
        actor=request.actor,
        sentence=f"{request.actor} asked: {request.reason}",
        details={"rollback": request.id, "asked_at": request.asked_at},
    )
    return found


def stand_up(
    request: CircuitMove, *, ml: MachineLearning, records: Records, settings: Settings
) -> DeploymentState:
    """Where the deployment stands that is to serve again; one that is gone is created from its record."""
    step = request.step
    record = _record(request, records)
    served = record.active if record.deployment == step.serves else record.previous
    if served is None or served.deployment != step.serves:
        raise NotFound(f"{step.key}: the record of {step.serves} in {step.stage} is gone")
    endpoint = record.endpoint_of(served)
    known = ml.deployment(step.stage, endpoint, step.serves)
    if known is not None and not known.failed:
        return known
    deploy(step.key, step.stage, endpoint, served, ml, settings)
    return ml.deployment(step.stage, endpoint, step.serves) or DeploymentState(ready=False)


def put_back(request: CircuitMove, *, ml: MachineLearning, records: Records) -> None:
    """From now on the circuit is served as before; what it leaves does not come back by itself."""
    step, run = request.step, request.run
    cause = Cause(run.id, run.actor, run.reason, now())
    after = records.change_deployment(step.stage, step.key, lambda record: step_back(record, step, cause))
    follow(after, ml)


def put_forward(request: CircuitMove, *, ml: MachineLearning, records: Records) -> None:
    """Undo this rollback of the circuit: a drill's second half."""
    step, rollback, at = request.step, request.run.id, now()
    after = records.change_deployment(
        step.stage, step.key, lambda record: step_forward(record, step, rollback, at)
    )
    follow(after, ml)


def remove_withdrawn(request: CircuitMove, *, ml: MachineLearning, records: Records) -> None:
    """Delete the deployment of a candidate that was withdrawn."""
    step = request.step
    ml.delete_deployment(step.stage, step.endpoint or _record(request, records).endpoint, step.leaves)


def note_releases(
    request: RollbackReport, *, records: Records, releases: Releases, approvals: Approvals
) -> None:
    """Put on record which release sets lost circuits; what approved them counts no more: again is asked anew."""
    run = request.run
    reason = f"rolled back by {run.actor}: {run.reason}"
    for release, keys in _left(request, records).items():
        if releases.get(release) is not None:
            releases.update(release, went_back(Place(run.scope.stage), keys, reason, now()))
        for dossier in approvals.of_release(release):
            if dossier.request.gate is STAGE_GATES[run.scope.stage]:
                approvals.void(dossier.request.id, reason)


def close_rollback(request: RollbackReport, *, reports: Reports, audit: Audit) -> None:
    """Put on record what became of it and how long it took."""
    run = request.run
    reports.save(KIND, run.id, request)
    audit.append(
        id=f"{run.id}/ended-{fingerprint(request.sentence)}",
        kind="drill" if run.drill else "rollback",
        subject=str(run.scope),
        actor=run.actor,
        sentence=request.sentence,
        details={"rollback": run.id, "seconds": request.seconds, "done": request.done},
    )


def _left(request: RollbackReport, records: Records) -> dict[str, tuple[CircuitKey, ...]]:
    """The circuits that each release set lost by this rollback; dev has no release sets."""
    stage = request.run.scope.stage
    found = defaultdict[str, tuple[CircuitKey, ...]](tuple)
    for record in records.deployments(stage) if stage in STAGE_GATES else ():
        for mark in record.rolled_back:
            if mark.rollback == request.run.id and mark.release_id:
                found[mark.release_id] = (*found[mark.release_id], record.key)
    return found


def _record(request: CircuitMove, records: Records) -> DeploymentRecord:
    record = records.deployment(request.step.stage, request.step.key)
    if record is None:
        raise NotFound(f"{request.step.key}: nothing serves {request.step.stage} any more")
    return record
