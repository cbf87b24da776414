"""Run history, the older API behind `jobs.stream` and the steps of a pipeline: runs, children, details with logs."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context
from localazure.machine_learning.events import experiment_id
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, not_found, route
from localazure.machine_learning.runs import Run, Runs
from localazure.machine_learning.storage import Location
from localazure.machine_learning.task import LOG, TaskRun

_RUN = f"/history/v1.0{WORKSPACE}/runs/{{run}}"


class History:
    def __init__(self, context: Context):
        self._context = context
        self._runs = Runs(context)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", _RUN, self.get),
            ("GET", f"{_RUN}/children", self.children),
            ("GET", f"{_RUN}/details", self.details),
        )
        return tuple(route(method, path, handler, self._context.authorize) for method, path, handler in table)

    def get(self, call: Call) -> Json:
        return self._shown(self._run(call))

    def children(self, call: Call) -> Json:
        return {"value": [self._shown(child) for child in self._runs.children(self._run(call))]}

    def details(self, call: Call) -> Json:
        """What `jobs.stream` polls: the status, the error, and where the logs of the run and its steps can be read."""
        run = self._run(call)
        shown = self._shown(run)
        keys = ("runId", "status", "startTimeUtc", "endTimeUtc", "error", "properties")
        return {**{key: shown[key] for key in keys}, "logFiles": self._logs(run), "warnings": []}

    def _logs(self, run: Run) -> dict[str, str]:
        found: dict[str, str] = {}
        for item in (run, *self._runs.children(run)):
            log = TaskRun.folder(self._context, item) / LOG
            if log.exists():
                place = Location(self._scope(item).container, f"ExperimentRun/dcid.{item.name}/{LOG}")
                self._context.storage.upload(log, place)
                suffix = f"_{item.step}" if item is not run else ""
                found[f"user_logs/std_log{suffix}.txt"] = self._context.storage.read_url(place)
        return found

    def _shown(self, run: Run) -> Json:
        return {
            "runId": run.name,
            "rootRunId": run.parent or run.name,
            "parentRunId": run.parent,
            "experimentId": experiment_id({"scope": run.scope, "experiment": run.experiment}),
            "displayName": run.step or run.name,
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
            "hidden": False,
        }

    def _run(self, call: Call) -> Run:
        scope = call.scope(self._context.scopes)
        if run := self._runs.get(scope, call.path["run"]):
            return run
        raise not_found(f"The run {call.path['run']} of {scope.name}")

    def _scope(self, run: Run) -> Scope:
        return self._context.scopes[run.scope]
