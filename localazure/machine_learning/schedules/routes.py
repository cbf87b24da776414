"""Schedules: the resources, and what they start: jobs, and runs of model monitors."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.jobs.planning import plan_job
from localazure.machine_learning.operations import Operations
from localazure.machine_learning.routing import (
    WORKSPACE,
    Call,
    Json,
    Scope,
    anyone,
    not_found,
    resource_routes,
    route,
)
from localazure.machine_learning.schedules.firing import KIND, Firing
from localazure.machine_learning.schedules.triggers import InvalidTrigger, parse_trigger
from localazure.task_hub.clock import Clock
from localazure.web import Refusal, azure_error

ADMIN = "/admin/machine_learning"
_SCHEDULE = f"{WORKSPACE}/schedules/{{name}}"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_LONGEST_NAME_IN_JOB = 230  # what leaves room for the time in a job's name


class Submit(Protocol):
    """Starts a job from the `properties` of an ARM job; gives its resource; refuses a taken name with 409."""

    def __call__(self, scope: Scope, name: str, properties: Json) -> Json: ...


class Monitoring(Protocol):
    """Checks the definition of a monitor, runs it, and has it breach."""

    def check(self, definition: Json) -> None: ...

    def submit(self, scope: Scope, name: str, schedule: Json) -> None: ...

    def breach(self, scope: Scope, name: str, schedule: Json, asked: Json) -> None: ...


class Schedules:
    def __init__(
        self, context: Context, operations: Operations, submit: Submit, monitors: Monitoring, clock: Clock
    ):
        self._context = context
        self._documents = context.documents
        self._operations = operations
        self._submit = submit
        self._monitors = monitors
        self.firing = Firing(context, clock, self._start)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{WORKSPACE}/schedules", self.list_schedules),
            ("GET", _SCHEDULE, self.get),
            ("PUT", _SCHEDULE, self.put),
            ("DELETE", _SCHEDULE, self.delete),
            ("POST", f"{_SCHEDULE}/trigger", self.trigger),
        )
        admin = f"{ADMIN}/schedules/{{workspace}}/{{name}}/trigger"
        return (*resource_routes(table, self._context.authorize), route("POST", admin, self.trigger, anyone))

    def list_schedules(self, call: Call) -> Json:
        view = call.query.get("listViewType", "EnabledOnly").lower()
        scope = call.scope(self._context.scopes)
        found = [item for _, item in self._documents.list(KIND, f"{scope.key}/")]
        return {"value": [item for item in found if _in_view(item, view)]}

    def get(self, call: Call) -> Json:
        if found := self._documents.get(KIND, self._key(call)):
            return found
        raise not_found(f"The schedule {call.path['name']}")

    def put(self, call: Call) -> Response:
        """Create or replace it. Refuses with 400 a trigger or a job that cannot run, with 404 what it does not find."""
        scope, name, key = call.scope(self._context.scopes), call.path["name"], self._key(call)
        if not _NAME.fullmatch(name):
            raise azure_error(
                400, "UserError", f"The schedule name {name!r}: letters, digits, dashes and underscores."
            )
        properties: Json = call.required("properties")
        for needed in ("action", "trigger"):
            call.required("properties", needed)
        old = self._documents.get(KIND, key)
        properties = {**properties, "action": self._complete(scope, properties["action"])}
        self._check(scope, properties, is_new=old is None)
        resource = _resource(scope, name, properties, old)
        answer = self._operations.put(KIND, key, resource, is_new=old is None)
        self.firing.plan(key, resource)
        return answer

    def delete(self, call: Call) -> Response:
        """Refuses with 400 one that is enabled, as the service does."""
        key = self._key(call)
        resource = self._documents.get(KIND, key)
        if resource is None:
            return Response(status_code=204)
        if resource["properties"]["isEnabled"]:
            raise azure_error(
                400, "UserError", f"The schedule {resource['name']} is enabled: disable it to delete it."
            )
        self.firing.forget(key)
        return self._operations.remove(KIND, key, resource)

    def trigger(self, call: Call) -> Response:
        """Start its job once, now or as of the `scheduleTime` asked for; its own times stay as they are."""
        resource = self.get(call)
        if not resource["properties"]["isEnabled"]:
            raise azure_error(
                400, "UserError", f"The schedule {resource['name']} is disabled: enable it to trigger it."
            )
        due = _time(call.body.get("scheduleTime")) or self.firing.now()
        job = self.firing.fire(self._key(call), resource, due)
        action = resource["properties"]["action"]["actionType"]
        return JSONResponse({"submissionId": job, "scheduleActionType": action})

    def breach(self, call: Call) -> str:
        """Run a monitor now and have it breach as the body says; gives the job's name."""
        resource = self.get(call)
        job = _job_name(resource["name"], self.firing.now())
        self._monitors.breach(call.scope(self._context.scopes), job, resource, call.body)
        return job

    def _check(self, scope: Scope, properties: Json, *, is_new: bool) -> None:
        now = self.firing.now()
        try:
            trigger = parse_trigger(properties["trigger"], now)
        except InvalidTrigger as error:
            raise azure_error(400, "UserError", str(error)) from None
        if is_new and trigger.end and trigger.end < now:
            raise azure_error(400, "UserError", f"The endTime {properties['trigger']['endTime']} has passed.")
        match properties["action"].get("actionType"):
            case "CreateJob":
                plan_job(self._context, scope, properties["action"].get("jobDefinition") or {})
            case "CreateMonitor":
                self._monitors.check(properties["action"].get("monitorDefinition") or {})
            case other:
                raise azure_error(
                    400, "NotSupported", f"localazure has no schedules with the action {other!r}."
                )

    def _complete(self, scope: Scope, action: Json) -> Json:
        """As the service keeps it: an action on an existing job has the job's whole definition, changed as asked."""
        definition: Json = action.get("jobDefinition") or {}
        source = str(definition.get("sourceJobId") or "").rpartition("/")[2].removeprefix("azureml:")
        if not source:
            return action
        known = self._documents.get("jobs", f"{scope.key}/{source}")
        if known is None:
            raise not_found(f"The job {source} of {scope.name}")
        changes = {name: value for name, value in definition.items() if value}
        return {**action, "jobDefinition": {**known["submitted"], **changes}}

    def _start(self, key: str, resource: Json, due: datetime) -> str:
        """Start what the schedule starts, once for a time: the name of the job says which."""
        scope, name = self._context.scopes[key.rpartition("/")[0]], resource["name"]
        job = _job_name(name, due)
        properties = resource["properties"]
        try:
            if properties["action"]["actionType"] == "CreateMonitor":
                self._monitors.submit(scope, job, resource)
            else:
                self._submit(scope, job, _job(resource, job))
        except Refusal as refusal:
            if refusal.status != 409:
                raise
        return job

    def _key(self, call: Call) -> str:
        return f"{call.scope(self._context.scopes).key}/{call.path['name']}"


def _resource(scope: Scope, name: str, properties: Json, old: Json | None) -> Json:
    enabled = properties.get("isEnabled")
    return {
        "id": f"{scope.arm_id}/schedules/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/schedules",
        "systemData": system_data(old=old["systemData"] if old else None),
        "properties": {
            **properties,
            "tags": properties.get("tags") or {},
            "properties": properties.get("properties") or {},
            "isEnabled": True if enabled is None else bool(enabled),
        },
    }


def _job(resource: Json, name: str) -> Json:
    """What the schedule submits; the tags of the job go before those of the schedule."""
    properties = resource["properties"]
    definition = properties["action"]["jobDefinition"]
    return {
        **definition,
        "displayName": name,
        "tags": {**properties["tags"], **(definition.get("tags") or {})},
        "properties": {**(definition.get("properties") or {}), "azureml.scheduleId": resource["id"]},
    }


def _in_view(resource: Json, view: str) -> bool:
    enabled = resource["properties"]["isEnabled"]
    return {"enabledonly": enabled, "disabledonly": not enabled}.get(view, True)


def _job_name(schedule: str, due: datetime) -> str:
    return f"{schedule[:_LONGEST_NAME_IN_JOB]}-{_stamp(due)}"


def _stamp(due: datetime) -> str:
    """As Azure ML writes it into the names of scheduled jobs; times between seconds come from triggers by hand."""
    moment = due.astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%S}" + (f"{moment:%f}" if moment.microsecond else "") + "Z"


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise azure_error(400, "UserError", f"The scheduleTime {text!r} is not an ISO 8601 time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
