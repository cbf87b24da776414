"""Jobs as ARM resources: submitting, reading, listing, cancelling."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.jobs.changes import JobChanges, check_unchanged, text_values
from localazure.machine_learning.jobs.graph import Graph, OutputSpec
from localazure.machine_learning.jobs.planning import plan_job, wire_type
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.operations import Operations
from localazure.machine_learning.paging import has_tags, in_view, newest_first, paged
from localazure.machine_learning.routing import (
    WORKSPACE,
    Call,
    Json,
    Scope,
    conflict,
    not_found,
    resource_routes,
)
from localazure.web import azure_error

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_JOB = f"{WORKSPACE}/jobs/{{name}}"


class Scheduler(Protocol):
    """Runs the submitted jobs; both calls come from any thread and return at once."""

    def submit(self, run: Run) -> None: ...

    def cancel(self, run: Run) -> None: ...


class Jobs:
    def __init__(self, context: Context, operations: Operations, scheduler: Scheduler):
        self._context = context
        self._operations = operations
        self._scheduler = scheduler
        self._runs = Runs(context)
        self._changes = JobChanges(context, self._runs)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{WORKSPACE}/jobs", self.list_jobs),
            ("GET", _JOB, self.get),
            ("PUT", _JOB, self.put),
            ("DELETE", _JOB, self.delete),
            ("POST", f"{_JOB}/cancel", self.cancel),
        )
        return resource_routes(table, self._context.authorize)

    def submit(self, scope: Scope, name: str, properties: Json) -> Json:
        """Check the job against what is registered, remember it and queue it. Refuses with 400, 404 and 409."""
        if not _NAME.fullmatch(name):
            raise azure_error(
                400,
                "UserError",
                f"The job name {name!r} is not valid: letters, digits, dashes and underscores, a letter or digit "
                "first, at most 255 characters.",
            )
        plan = plan_job(self._context, scope, properties)
        experiment = properties.get("experimentName") or "Default"
        run = Run(
            scope=scope.key,
            name=name,
            type="azureml.PipelineRun" if isinstance(plan.work, Graph) else "azureml.scriptrun",
            experiment=experiment,
            compute=None if isinstance(plan.work, Graph) else plan.work.compute,
            tags=text_values(properties.get("tags")),
            properties=text_values(properties.get("properties")),
        )
        resource = self._resource(
            scope, name, {**properties, "experimentName": experiment}, plan.work.outputs
        )
        with self._context.documents.transaction():
            if not self._context.documents.insert("jobs", run.key, resource):
                raise conflict(f"A job named {name} already exists in {scope.name}: use a different name.")
            self._runs.create(run)
        self._scheduler.submit(run)
        return self._shown(resource, run)

    def put(self, call: Call) -> Response:
        """Submit a job, or change what may be changed of a known one; other content under its name is refused."""
        scope, name = call.scope(self._context.scopes), call.path["name"]
        properties = call.required("properties")
        call.required("properties", "jobType")
        run, known = self._runs.get(scope, name), self._context.documents.get("jobs", f"{scope.key}/{name}")
        if known is None or run is None:
            return JSONResponse(self.submit(scope, name, properties), 201)
        check_unchanged(name, known["submitted"], properties)
        job = self._changes.apply(run, properties)
        return JSONResponse(self._shown(job, self._runs.get(scope, name) or run))

    def get(self, call: Call) -> Json:
        scope, name = call.scope(self._context.scopes), call.path["name"]
        run, known = self._runs.get(scope, name), self._context.documents.get("jobs", f"{scope.key}/{name}")
        if run and known:
            return self._shown(known, run)
        if run:
            # Azure knows a pipeline's steps here by name only; the SDK then asks the run history.
            return {"id": f"{scope.arm_id}/jobs/{name}", "name": name, "properties": None}
        raise not_found(f"The job {name} of {scope.name}")

    def list_jobs(self, call: Call) -> Json:
        """The jobs that the filters leave, the newest first, a page at a time."""
        scope = call.scope(self._context.scopes)
        runs = {run.name: run for run in self._runs.all(f"{scope.key}/")}
        jobs = [job for _, job in self._context.documents.list("jobs", f"{scope.key}/")]
        wanted = [job for job in jobs if in_view(job, call.query) and _matches(job, call.query)]
        page = paged(self._context.runtime.addresses.azure, call, newest_first(wanted))
        return {**page, "value": [self._shown(job, runs[job["name"]]) for job in page["value"]]}

    def cancel(self, call: Call) -> Response:
        scope, name = call.scope(self._context.scopes), call.path["name"]
        run = self._runs.get(scope, name)
        if run is None:
            raise not_found(f"The job {name} of {scope.name}")
        if run.is_finished:
            return Response(status_code=200)
        self._scheduler.cancel(self._runs.change(run, cancel_requested=True))
        return self._operations.accepted_empty()

    def delete(self, call: Call) -> Response:
        scope, name = call.scope(self._context.scopes), call.path["name"]
        run = self._runs.get(scope, name)
        if run is None:
            return Response(status_code=204)
        if not run.is_finished:
            raise conflict(f"The job {name} is {run.status}: cancel it first.")
        self._context.documents.delete("jobs", run.key)
        self._context.documents.delete("runs", run.key)
        return self._operations.accepted_empty()

    def _resource(self, scope: Scope, name: str, properties: Json, outputs: Mapping[str, OutputSpec]) -> Json:
        given = properties.get("outputs") or {}
        inputs = properties.get("inputs") or {}
        return {
            "id": f"{scope.arm_id}/jobs/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/jobs",
            "systemData": system_data(),
            "submitted": properties,
            "properties": {
                "displayName": name,
                "isArchived": False,
                **properties,
                "tags": text_values(properties.get("tags")),
                "properties": text_values(properties.get("properties")),
                "inputs": {key: {**value, "jobInputType": wire_type(value)} for key, value in inputs.items()},
                "outputs": {
                    key: {**(given.get(key) or {}), "jobOutputType": spec.type}
                    for key, spec in outputs.items()
                },
                "services": {
                    "Studio": {
                        "jobServiceType": "Studio",
                        "endpoint": f"{self._context.runtime.addresses.azure}/jobs/{scope.name}/{name}",
                    },
                    "Tracking": {
                        "jobServiceType": "Tracking",
                        "endpoint": f"{self._context.runtime.addresses.azure}/mlflow/v1.0{scope.arm_id}",
                    },
                },
            },
        }

    def _shown(self, resource: Json, run: Run) -> Json:
        """The resource with what the run has become, without what is ours alone."""
        shown = {key: value for key, value in resource.items() if key != "submitted"}
        properties = {**resource["properties"], "status": _status(run), "tags": run.tags}
        properties["properties"] = {**resource["properties"]["properties"], **_run_properties(run)}
        outputs: Json = resource["properties"]["outputs"]
        placed: Json = {name: {**outputs.get(name, {}), "uri": uri} for name, uri in run.outputs.items()}
        properties["outputs"] = {**outputs, **placed}
        return {**shown, "properties": properties}


def _status(run: Run) -> str:
    return "CancelRequested" if run.cancel_requested and not run.is_finished else run.status


def _run_properties(run: Run) -> dict[str, str]:
    """Times and the error, in the job's `properties`: the one place of an ARM job where the SDK keeps text."""
    shown = {"StartTimeUtc": run.started, "EndTimeUtc": run.ended, "error": run.error}
    return {key: value for key, value in shown.items() if value}


def _matches(job: Json, query: Mapping[str, str]) -> bool:
    properties = job["properties"]
    kind = query.get("jobType")
    if kind and kind.lower() != str(properties["jobType"]).lower():
        return False
    return has_tags(properties["tags"], query.get("tag")) and has_tags(
        properties["properties"], query.get("properties")
    )
