"""Run history, the older API behind `jobs.stream`, `jobs.update` and a pipeline's steps: runs, children, details."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from localazure.machine_learning.assets.dataplane import asset_of_output
from localazure.machine_learning.context import Context
from localazure.machine_learning.events import experiment_id
from localazure.machine_learning.jobs.changes import JobChanges
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.jobs.task import LOG, TaskRun
from localazure.machine_learning.paging import paged
from localazure.machine_learning.routing import WORKSPACE, Call, Json, not_found, route
from localazure.machine_learning.storage import Location

_HISTORY = f"/history/v1.0{WORKSPACE}"
_RUN = f"{_HISTORY}/runs/{{run}}"
_RUN_OF_EXPERIMENT = f"{_HISTORY}/experiments/{{experiment}}/runs/{{run}}"


class History:
    def __init__(self, context: Context):
        self._context = context
        self._runs = Runs(context)
        self._changes = JobChanges(context, self._runs)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = [("POST", f"{_HISTORY}/rundata", self.data)]
        for run in (_RUN, _RUN_OF_EXPERIMENT):
            table += [
                ("GET", run, self.get),
                ("PATCH", run, self.modify),
                ("GET", f"{run}/children", self.children),
                ("GET", f"{run}/details", self.details),
            ]
        table.append(("GET", f"{_RUN}/serviceinstances/{{node}}", self.services))
        return tuple(route(method, path, handler, self._context.authorize) for method, path, handler in table)

    def get(self, call: Call) -> Json:
        return self._shown(self._run(call, call.path["run"]))

    def modify(self, call: Call) -> Json:
        """Changes the job of the run; `hidden` is history's word for archived. Tags and properties are merged."""
        run = self._run(call, call.path["run"])
        hidden = {"isArchived": call.body["hidden"]} if call.body.get("hidden") is not None else {}
        self._changes.apply(run, {**call.body, **hidden})
        return self._shown(self._run(call, run.name))

    def data(self, call: Call) -> Json:
        """A run with what it wrote, as `jobs.download` asks for it."""
        run = self._run(call, str(call.required("runId")))
        return {"runMetadata": {**self._shown(run), "outputs": self._outputs(run)}}

    def children(self, call: Call) -> Json:
        children = [self._shown(child) for child in self._runs.children(self._run(call, call.path["run"]))]
        return paged(self._context.runtime.addresses.azure, call, children)

    def details(self, call: Call) -> Json:
        """What `jobs.stream` polls: the status, the error, and where the logs of the run and its steps can be read."""
        run = self._run(call, call.path["run"])
        shown = self._shown(run)
        keys = ("runId", "status", "startTimeUtc", "endTimeUtc", "error", "properties")
        return {**{key: shown[key] for key in keys}, "logFiles": self._logs(run), "warnings": []}

    def services(self, call: Call) -> Json:
        self._run(call, call.path["run"])
        return {"instances": {}}

    def _logs(self, run: Run) -> dict[str, str]:
        found: dict[str, str] = {}
        for item in (run, *self._runs.children(run)):
            log = TaskRun.folder(self._context, item) / LOG
            if log.exists():
                container = self._context.scopes[item.scope].container
                place = Location(container, f"ExperimentRun/dcid.{item.name}/{LOG}")
                self._context.storage.upload(log, place)
                suffix = f"_{item.step}" if item is not run else ""
                found[f"user_logs/std_log{suffix}.txt"] = self._context.storage.read_url(place)
        return found

    def _outputs(self, run: Run) -> Json:
        job = self._context.documents.get("jobs", run.key)
        types: Json = job["properties"]["outputs"] if job else {}
        return {name: asset_of_output(self._context, run, name, types.get(name)) for name in run.outputs}

    def _shown(self, run: Run) -> Json:
        job = (self._context.documents.get("jobs", run.key) or {}).get("properties", {})
        return {
            "runId": run.name,
            "rootRunId": run.parent or run.name,
            "parentRunId": run.parent,
            "experimentId": experiment_id({"scope": run.scope, "experiment": run.experiment}),
            "displayName": run.step or job.get("displayName") or run.name,
            "description": job.get("description"),
            "status": run.status,
            "runType": run.type,
            "runTypeV2": {"orchestrator": "Execution", "traits": []},
            "createdUtc": run.created,
            "startTimeUtc": run.started,
            "endTimeUtc": run.ended,
            "error": {"error": {"code": "UserError", "message": run.error}} if run.error else None,
            "tags": run.tags,
            "properties": run.properties,
            "target": run.compute,
            "hidden": bool(job.get("isArchived")),
        }

    def _run(self, call: Call, name: str) -> Run:
        scope = call.scope(self._context.scopes)
        if run := self._runs.get(scope, name):
            return run
        raise not_found(f"The run {name} of {scope.name}")
