"""What an event from Event Grid does: start an orchestration, once, or wake one."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from busbar.clients.ledger import Ledger
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.errors import BadRequest, NotFound
from busbar.domain.events import EventType, RepositoryPushed
from busbar.domain.policies import Policies, Stage
from busbar.domain.routing import Deploy, Train, Wake, route_job, route_push
from busbar.domain.steps import Release, StageDeployment, TrainingRun
from busbar.fleet.repository import branches_at, fleet_at
from busbar.inbound import azure_ml, busbar_events
from busbar.web.alerts import look


class Orchestrations(Protocol):
    """The part of the durable client that events need. `start` gives the id back; a known id starts nothing."""

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool: ...

    def raise_event(self, instance_id: str, event: str, data: str = "") -> None: ...


def receive(
    event: Mapping[str, Any],
    orchestrations: Orchestrations,
    *,
    ledger: Ledger,
    repository: Repository,
    records: Records,
) -> str:
    """Handle one event and say what was done. An exception lets Event Grid deliver it again; a malformed event
    would never get better, so it is refused and not asked for again."""
    try:
        if event.get("eventType") == EventType.REPOSITORY_PUSHED:
            push = busbar_events.read_push_event(event)
            return _once(
                busbar_events.event_id(push),
                ledger,
                lambda: _pushed(push, orchestrations, ledger, repository, records),
            )
        if event.get("eventType") == EventType.DRIFT_DETECTED:
            drift = busbar_events.read_drift_event(event)
            response = names.drift_response(drift.incident)
            return _once(
                drift.incident, ledger, lambda: _start(orchestrations, "drift_response", response, drift)
            )
        if (breach := azure_ml.read_breach(event)) is not None:
            return look(breach, orchestrations)
        return _job_changed(event, orchestrations)
    except BadRequest as error:
        return f"refused {event.get('eventType')} {event.get('id')}: {error}"


def _job_changed(event: Mapping[str, Any], orchestrations: Orchestrations) -> str:
    changed = azure_ml.read_event(event)
    if changed is None:
        return f"ignored {event.get('eventType')}"
    routed = route_job(changed)
    if isinstance(routed, Wake):
        orchestrations.raise_event(routed.instance_id, routed.event, routed.status)
        return f"woke {routed.instance_id}"
    return routed.reason


def _once(event: str, ledger: Ledger, handle: Callable[[], str]) -> str:
    """Claim, handle, mark done: a crash in between leaves a claim that expires, and the event comes again."""
    if not ledger.claim(event):
        return f"{event} was handled before"
    try:
        handled = handle()
    except Exception:
        ledger.release(event)
        raise
    ledger.done(event)
    return handled


def _pushed(
    push: RepositoryPushed,
    orchestrations: Orchestrations,
    ledger: Ledger,
    repository: Repository,
    records: Records,
) -> str:
    routed = route_push(push, _policies(push, repository))
    if isinstance(routed, Train):
        run = TrainingRun(routed.instance_id, push.after, push.branch, push.requester, push.before)
        handled = _start(orchestrations, "training_pipeline", run.id, run)
    elif isinstance(routed, Deploy):
        handled = _deploy(routed.stage, push, orchestrations, repository, records)
    else:
        handled = routed.reason
    ledger.set_head(push.branch, push.after)
    return handled


def _start(orchestrations: Orchestrations, orchestrator: str, instance_id: str, request: Any) -> str:
    started = orchestrations.start(orchestrator, instance_id, request)
    return f"{'started' if started else 'already started'} {instance_id}"


def _policies(push: RepositoryPushed, repository: Repository) -> Policies:
    """The branch table at the pushed commit; what else is wrong there, the run that it starts says."""
    if push.deleted:
        return Policies()
    try:
        return Policies(branches=branches_at(repository, push.after))
    except NotFound:
        return Policies()


def _deploy(
    stage: Stage,
    push: RepositoryPushed,
    orchestrations: Orchestrations,
    repository: Repository,
    records: Records,
) -> str:
    """The release that waits for the stage: under the id that the training run uses, so that it happens once."""
    offer = records.latest_offer(stage)
    release = records.release(offer.release_id) if offer else None
    if offer is None or release is None:
        text = f"nothing to deploy to {stage}: no release set is ready for it"
        repository.set_status(push.after, "success", text, context=f"busbar/deploy-{stage}")
        return text
    policies = fleet_at(repository, release.commit).policies
    request = StageDeployment(stage, Release.of(release, policies, offer.excluded))
    return _start(orchestrations, "deploy_release", names.deployment_run(stage, release.id), request)
