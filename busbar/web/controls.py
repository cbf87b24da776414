"""An operator's hand on a run: pause, resume, cancel, retry; the run is any orchestration, by its id."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from busbar import pages
from busbar.audited import AuditLog
from busbar.clients.records import Records
from busbar.codec import from_wire
from busbar.domain import names
from busbar.domain.errors import BadRequest, Conflict, NotFound
from busbar.domain.records import RunRecord, RunStatus
from busbar.domain.recovery import Control, InstanceStatus, Standing, allowed, refusal
from busbar.domain.steps import Cancellation, Halted, JobRef, TrainingRun
from busbar.inbound.fields import json_object
from busbar.web.forms import Form, optional
from busbar.web.operators import Keys, NotAllowed, OperatorSettings, desk, operator
from busbar.web.reply import Reply
from busbar.web.sweeping import Terminating, end, sweep, until_cleaned

JOB_NAME = "name"  # what a job that was submitted has, and a submission that failed has not
_DONE = {
    Control.PAUSE: "paused",
    Control.RESUME: "resumed",
    Control.CANCEL: "cancelled",
    Control.RETRY: "retried",
}
PRIVATE = {"Cache-Control": "no-store"}


class Orchestrations(Terminating, Protocol):
    """The part of the durable client that controls need."""

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool: ...
    def suspend(self, instance_id: str, reason: str) -> None: ...
    def resume(self, instance_id: str, reason: str) -> None: ...
    def request(self, instance_id: str) -> Any: ...
    def again(self, orchestrator: str, instance_id: str, request: Any) -> None: ...


class RunReader(Protocol):
    def run(self, id: str) -> RunRecord | None: ...


def control(
    id: str,
    action: str,
    body: bytes,
    orchestrations: Orchestrations,
    *,
    records: Records,
    audit: AuditLog,
) -> Reply:
    """POST /api/runs/{id}/{pause|resume|cancel|retry} {"reason": "…"}: 404 unknown, 409 where it makes no sense."""
    fields = json_object(body or b"{}")
    actor = optional(fields, "requester") or "operator"
    wish = _Wish(_control(action), id, actor, _reason(optional(fields, "reason")))
    sentence = wish.carry_out(orchestrations, records, audit)
    return Reply.json(202, {"id": id, "sentence": sentence})


def show(
    id: str,
    action: str,
    headers: Mapping[str, str],
    orchestrations: Orchestrations,
    *,
    records: Records,
    settings: OperatorSettings,
) -> Reply:
    """GET /runs/{id}/{action}: what it would do, and the button. Looking does nothing."""
    try:
        wanted = _control(action)
    except NotFound as error:
        return Reply.message(404, "No such control", str(error))
    standing, run = orchestrations.standing(id), records.run(id)
    if standing is None:
        return Reply.message(404, "No such run", f"there is no run {id}")
    if wanted not in controls_of(id, orchestrations, records):
        why = refusal(wanted, standing) or _settled(id, records)
        return Reply.message(409, f"It cannot be {_DONE[wanted]}", why, PRIVATE)
    sentence = run.sentence if run else standing.said
    return Reply.html(200, pages.control(wanted, id, sentence, desk(headers, settings)), PRIVATE)


def press(
    id: str,
    action: str,
    body: bytes,
    headers: Mapping[str, str],
    orchestrations: Orchestrations,
    *,
    records: Records,
    audit: AuditLog,
    settings: OperatorSettings,
    keys: Keys,
) -> Reply:
    """POST /runs/{id}/{action}: the buttons of a run's page. 303 back to it; 403, 404 and 409 say why not."""
    try:
        form = Form.read(body)
        actor = operator(headers, form, settings=settings, keys=keys)
        wish = _Wish(_control(action), id, actor, _reason(form.text("reason")))
        wish.carry_out(orchestrations, records, audit)
    except NotAllowed as error:
        return Reply.message(403, "Nothing was done", str(error), PRIVATE)
    except BadRequest as error:
        return Reply.message(400, "Nothing was done", str(error), PRIVATE)
    except NotFound as error:
        return Reply.message(404, "No such run", str(error), PRIVATE)
    except Conflict as error:
        return Reply.message(409, "Nothing was done", str(error), PRIVATE)
    return Reply(303, headers={"Location": f"/runs/{id}"})


def controls_of(id: str, orchestrations: Orchestrations, records: RunReader) -> tuple[Control, ...]:
    """The buttons that make sense for a run now."""
    standing = orchestrations.standing(id)
    if standing is None:
        return ()
    return tuple(one for one in allowed(standing) if one is not Control.RETRY or not _settled(id, records))


class _Wish:
    """What an operator wants done with an orchestration, and why."""

    def __init__(self, control: Control, id: str, actor: str, reason: str):
        self._control, self._id, self._actor, self._reason = control, id, actor, reason

    def carry_out(self, orchestrations: Orchestrations, records: Records, audit: AuditLog) -> str:
        """Do it and put it in the audit log; the sentence says what was done. Raises `NotFound`, `Conflict`."""
        standing = orchestrations.standing(self._id)
        if standing is None:
            raise NotFound(f"there is no run {self._id}")
        if self._control is Control.CANCEL and standing.status is InstanceStatus.TERMINATED:
            return self._finish_cancelling(standing, orchestrations)
        if why := refusal(self._control, standing):
            raise Conflict(why)
        match self._control:
            case Control.PAUSE:
                said = self._pause(orchestrations, records)
            case Control.RESUME:
                said = self._resume(orchestrations, records)
            case Control.CANCEL:
                return self._cancel(standing, orchestrations)
            case Control.RETRY:
                said = self._retry(standing, orchestrations, records)
        self._note(said, standing, audit)
        return said

    def _pause(self, orchestrations: Orchestrations, records: Records) -> str:
        reason = self._because()

        def suspended(one: Standing) -> bool:
            return one.ended or one.status is InstanceStatus.SUSPENDED

        sweep(orchestrations, self._id, lambda id: orchestrations.suspend(id, reason), suspended)
        _mark(self._id, reason, records)
        return f"{self._id} is {reason}"

    def _resume(self, orchestrations: Orchestrations, records: Records) -> str:
        reason = self._because()

        def awake(one: Standing) -> bool:
            return one.status is not InstanceStatus.SUSPENDED

        _mark(self._id, "", records)
        sweep(orchestrations, self._id, lambda id: orchestrations.resume(id, reason), awake)
        return f"{self._id} was {reason}"

    def _cancel(self, standing: Standing, orchestrations: Orchestrations) -> str:
        reason = self._because()
        return self._clean_up(standing, end(orchestrations, self._id, reason), orchestrations)

    def _finish_cancelling(self, standing: Standing, orchestrations: Orchestrations) -> str:
        """It was ended, and whoever did it may have died before the rest: then this is the rest."""
        if orchestrations.standing(names.clean_up(self._id, standing.began)) is not None:
            raise Conflict(refusal(Control.CANCEL, standing))
        return self._cancel(standing, orchestrations)

    def _clean_up(self, standing: Standing, tree: list[Standing], orchestrations: Orchestrations) -> str:
        halted = tuple(_halted(one, orchestrations) for one in tree)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        cancellation = Cancellation(self._id, self._actor, self._reason, at, halted)
        orchestrations.start("clean_up", names.clean_up(self._id, standing.began), cancellation)
        return f"{self._id} is {cancellation.sentence}"

    def _retry(self, standing: Standing, orchestrations: Orchestrations, records: Records) -> str:
        """Start it again in its own place: names and records make it take up only what is missing."""
        if settled := _settled(self._id, records):
            raise Conflict(settled)
        reason, cleaner = self._because(), names.clean_up(self._id, standing.began)
        until_cleaned(orchestrations, cleaner)
        end(orchestrations, cleaner, reason)  # what it would look for a second time is wanted from now on
        end(orchestrations, self._id, reason)
        request = orchestrations.request(self._id)
        orchestrations.again(standing.orchestrator, self._id, _next_attempt(standing.orchestrator, request))
        return f"{self._id} was {reason}"

    def _because(self) -> str:
        return f"{_DONE[self._control]} by {self._actor}: {self._reason}"

    def _note(self, sentence: str, standing: Standing, audit: AuditLog) -> None:
        at = datetime.now(UTC).isoformat()
        audit.append(
            id=f"{self._control}-{self._id}-{at}",
            kind=f"run-{self._control}",
            subject=self._id,
            actor=self._actor,
            sentence=sentence,
            details={"orchestrator": standing.orchestrator, "stood": standing.status},
        )


def _halted(one: Standing, orchestrations: Orchestrations) -> Halted:
    submitted = orchestrations.trail(one.id).submitted
    found = (item for _, result in submitted for item in (result if isinstance(result, list) else [result]))
    jobs = (from_wire(JobRef, item) for item in found if item and JOB_NAME in item)
    return Halted(one.id, one.orchestrator, tuple(jobs))


def _mark(id: str, paused: str, records: Records) -> None:
    """Say on the run's line who holds it."""
    run = records.run(id)
    if run is not None:
        records.save_run(replace(run, paused=paused))


def _settled(id: str, records: RunReader) -> str:
    """Why a training run need not be retried; empty where it may be."""
    run = records.run(id)
    if run is None or run.status in (RunStatus.FAILED, RunStatus.CANCELLED):
        return ""
    return f"{id} has {run.status}: there is nothing to take up again" if run.status.ended else ""


def _next_attempt(orchestrator: str, request: Any) -> Any:
    """The request to start again with; a training run counts its attempts."""
    if orchestrator != "training_pipeline":
        return request
    run = from_wire(TrainingRun, request)
    return replace(run, attempt=run.attempt + 1)


def _control(text: str) -> Control:
    try:
        return Control(text)
    except ValueError as error:
        raise NotFound(f"a run can be {', '.join(Control)}: {text!r} is none of these") from error


def _reason(text: str) -> str:
    if not text:
        raise BadRequest("reason", "is missing: the audit log and everybody who looks later read it")
    return text
