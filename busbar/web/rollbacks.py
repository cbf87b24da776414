"""Rollback by program and by page: GET shows what would go back, POST starts it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol

from busbar import pages
from busbar.audited import AuditLog
from busbar.clients.records import Records
from busbar.codec import from_wire, to_wire
from busbar.domain import names
from busbar.domain.errors import BadRequest, Conflict
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.rollback import RollbackPlan, Scope, ScopeKind, lifted, plan, rollouts
from busbar.domain.steps import RollbackReport, RollbackRun
from busbar.inbound.fields import boolean, json_object
from busbar.web.forms import Form, optional
from busbar.web.operators import Keys, NotAllowed, OperatorSettings, desk, operator
from busbar.web.reply import Reply
from busbar.web.sweeping import Terminating, end, tree

PRIVATE = {"Cache-Control": "no-store"}


class Orchestrations(Terminating, Protocol):
    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool: ...


class ReportReader(Protocol):
    def read(self, kind: str, id: str) -> dict[str, Any] | None: ...


def preview(params: Mapping[str, str], *, records: Records) -> Reply:
    """GET /api/rollbacks?stage=prod&scope=PLANT1: what would go back to what, and who stays and why."""
    found = plan(_scope(params), records.deployments(_stage(params)))
    return Reply.json(
        200,
        {
            "scope": str(found.scope),
            "sentence": found.sentence,
            "refused": found.refused,
            "returns": [{"circuit": str(step.key), **to_wire(step)} for step in found.returns],
            "stays": [{"circuit": str(stay.key), "reason": stay.reason} for stay in found.stays],
        },
    )


def start_rollback(
    body: bytes, orchestrations: Orchestrations, *, records: Records, audit: AuditLog
) -> Reply:
    """POST /api/rollbacks {"stage": "prod", "scope": "PLANT1/CIRC1", "reason": "…", "all": false, "drill": false}.

    202 with the rollback's id, 409 where nothing can go back. The same wish on the same state is the same rollback.
    """
    fields = json_object(body or b"{}")
    actor = optional(fields, "requester") or "operator"
    begun = _begin(_wish(fields, actor), orchestrations, records, audit)
    return Reply.json(202, begun)


def lift(body: bytes, *, records: Records, audit: AuditLog) -> Reply:
    """POST /api/lifts {"stage": "prod", "scope": "PLANT1/CIRC1", "reason": "…"}: let serve again."""
    fields = json_object(body or b"{}")
    run = _wish(fields, optional(fields, "requester") or "operator")
    covered = [record for record in records.deployments(run.scope.stage) if run.scope.covers(record)]
    found = [f"{one.key} v{mark.model_version}" for one in covered for mark in lifted(run.scope, one)[1]]
    if not found:
        raise Conflict(f"nothing to lift: nothing of {run.scope} was rolled back")
    for one in covered:
        records.change_deployment(one.stage, one.key, lambda now, seen=one: lifted(run.scope, now or seen)[0])
    sentence = f"{run.actor} lets {', '.join(found)} serve {run.scope.stage} again: {run.reason}"
    _note(run, "rollback-lifted", sentence, audit)
    return Reply.json(200, {"lifted": found, "sentence": sentence})


def rollback_json(id: str, *, records: Records, reports: ReportReader) -> Reply:
    """GET /api/rollbacks/{id}: the report; while it runs, how many circuits are back by now."""
    report = _report(id, reports)
    if report is None:
        return Reply.json(404, {"error": f"rollback {id} is not on record"})
    shown = {"sentence": report.sentence, "back": _back(report, records), "done": report.done}
    return Reply.json(200, to_wire(report) | shown, PRIVATE)


# --- pages ------------------------------------------------------------------------------------------------


def show(
    params: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    records: Records,
    settings: OperatorSettings,
) -> Reply:
    """GET /rollbacks?stage=prod&scope=PLANT1: the plan, and the button. Looking does nothing."""
    try:
        found = plan(_scope(params), records.deployments(_stage(params)))
    except BadRequest as error:
        return Reply.message(400, "That is no rollback", str(error))
    return Reply.html(200, pages.rollback_plan(found, desk(headers, settings)), PRIVATE)


def press(
    body: bytes,
    headers: Mapping[str, str],
    orchestrations: Orchestrations,
    *,
    records: Records,
    audit: AuditLog,
    settings: OperatorSettings,
    keys: Keys,
) -> Reply:
    """POST /rollbacks: the button. 303 to the rollback's page; 403, 400 and 409 say why not."""
    try:
        form = Form.read(body)
        actor = operator(headers, form, settings=settings, keys=keys)
        fields = {name: form.text(name) for name in ("stage", "scope", "reason")}
        wish = _wish(fields | {"all": form.one("all") == "yes"}, actor)
        begun = _begin(wish, orchestrations, records, audit)
    except NotAllowed as error:
        return Reply.message(403, "Nothing was rolled back", str(error), PRIVATE)
    except BadRequest as error:
        return Reply.message(400, "Nothing was rolled back", str(error), PRIVATE)
    except Conflict as error:
        return Reply.message(409, "Nothing was rolled back", str(error), PRIVATE)
    return Reply(303, headers={"Location": f"/rollbacks/{begun['id']}"})


def page(id: str, *, records: Records, reports: ReportReader) -> Reply:
    """GET /rollbacks/{id}: how it stands, with the time against the promise."""
    report = _report(id, reports)
    if report is None:
        text = f"{id} is not on record. One that was started a moment ago is, once the host has taken it up."
        return Reply.message(404, "No such rollback", text)
    return Reply.html(200, pages.rollback_report(report, _back(report, records)), PRIVATE)


# --- both -------------------------------------------------------------------------------------------------


def _begin(
    run: RollbackRun, orchestrations: Orchestrations, records: Records, audit: AuditLog
) -> dict[str, Any]:
    """Start what the records let go back; a refusal is audited and raises `Conflict`."""
    deployed = records.deployments(run.scope.stage)
    found = plan(run.scope, deployed)
    found = found.without_ramps() if run.drill else found
    if found.refused:
        _note(run, "rollback-refused", found.sentence, audit)
        raise Conflict(found.sentence)
    if not run.drill:
        _stop_rollouts(run, deployed, orchestrations)
    return {
        "id": _start(run, found, orchestrations),
        "sentence": found.sentence,
        "wanted": len(found.returns),
    }


def _stop_rollouts(
    run: RollbackRun, deployed: list[DeploymentRecord], orchestrations: Orchestrations
) -> None:
    """End the deployments that are under way: they would go on to the next step, circuit or wave."""
    reason = f"rolled back by {run.actor}: {run.reason}"
    for release, keys in rollouts(run.scope, deployed).items():
        root = names.deployment_run(run.scope.stage, release)
        standing = orchestrations.standing(root)
        if standing is None or standing.ended:
            continue
        circuits = tuple(f"-{key.plant_id}-{key.circuit_id}" for key in keys)
        for one in tree(orchestrations, root):
            if one.id.endswith(circuits) if circuits else one.id == root:
                end(orchestrations, one.id, reason)


def _start(run: RollbackRun, found: RollbackPlan, orchestrations: Orchestrations) -> str:
    """The first attempt that has not ended: pressed twice it is one rollback, after one that failed it is another."""
    for attempt in count(1):
        id = names.rollback(run.scope.stage, found.fingerprint, attempt, drill=run.drill)
        if orchestrations.start("rollback", id, _named(run, id)):
            return id
        standing = orchestrations.standing(id)
        if standing is not None and not standing.ended:
            return id
    raise AssertionError("count() does not end")


def _named(run: RollbackRun, id: str) -> RollbackRun:
    return RollbackRun(id, run.scope, run.actor, run.reason, run.asked_at, run.drill)


def _note(run: RollbackRun, kind: str, sentence: str, audit: AuditLog) -> None:
    told = hashlib.sha256(f"{run.actor}\0{run.asked_at}\0{sentence}".encode()).hexdigest()[:16]
    audit.append(
        id=f"{kind}-{told}",
        kind=kind,
        subject=str(run.scope),
        actor=run.actor,
        sentence=sentence,
        details={"reason": run.reason},
    )


def _report(id: str, reports: ReportReader) -> RollbackReport | None:
    document = reports.read("rollbacks", id)
    return None if document is None else from_wire(RollbackReport, document)


def _back(report: RollbackReport, records: Records) -> int:
    """How many circuits carry this rollback's mark; at its end how many it moved."""
    if report.ended:
        return sum(moved.done for moved in report.moved)
    marks = (mark for record in records.deployments(report.run.scope.stage) for mark in record.rolled_back)
    return sum(mark.rollback == report.run.id for mark in marks)


def _wish(fields: Mapping[str, Any], actor: str) -> RollbackRun:
    """What somebody asks for, checked; the whole of a stage has to be asked for in so many words."""
    scope = _scope(fields)
    if scope.kind is ScopeKind.STAGE and not boolean(fields, "all"):
        raise BadRequest("all", f"say so if all of {scope.stage} is meant, or name a scope")
    reason = optional(fields, "reason")
    if not reason:
        raise BadRequest("reason", "is missing: the audit log and everybody who looks later read it")
    asked_at = datetime.now(UTC).isoformat()
    return RollbackRun("", scope, actor, reason, asked_at, boolean(fields, "drill"))


def _scope(fields: Mapping[str, Any]) -> Scope:
    return Scope.parse(_stage(fields), optional(fields, "scope"))


def _stage(fields: Mapping[str, Any]) -> Stage:
    try:
        return Stage(optional(fields, "stage") or Stage.PROD)
    except ValueError as error:
        raise BadRequest("stage", f"not one of {', '.join(Stage)}") from error
