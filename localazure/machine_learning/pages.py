"""Pages for people: what the workspaces and registries hold, what runs and waits, and what a job wrote."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.computes.nodes import Region
from localazure.machine_learning.computes.resources import KIND as COMPUTES
from localazure.machine_learning.context import Context
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.jobs.task import LOG, TaskRun
from localazure.machine_learning.monitors.routes import BREACHED
from localazure.machine_learning.routing import Call, Json, Scope, anyone, not_found, route
from localazure.machine_learning.schedules.firing import KIND as SCHEDULES
from localazure.machine_learning.schedules.firing import Firing
from localazure.web import page

_JOBS_SHOWN = 25
_LOG_CHARACTERS = 200_000
_ASSETS = ("models", "components", "environments", "data")


class Pages:
    def __init__(self, context: Context, region: Region, firing: Firing):
        self._context = context
        self._documents = context.documents
        self._region = region
        self._firing = firing
        self._runs = Runs(context)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (
            route("GET", "/machine_learning", self.overview, anyone),
            route("GET", "/machine_learning/jobs/{workspace}/{name}", self.job, anyone),
            route("GET", "/jobs/{workspace}/{name}", self.studio, anyone),
        )

    def overview(self, call: Call) -> Response:
        scopes = self._context.scopes.values()
        return page(
            "machine_learning.html",
            now=self._firing.now(),
            workspaces=[self._workspace(scope) for scope in scopes if scope.kind == "workspaces"],
            registries=[self._registry(scope) for scope in scopes if scope.kind == "registries"],
        )

    def job(self, call: Call) -> Response:
        scope = call.scope(self._context.scopes)
        run = self._runs.get(scope, call.path["name"])
        if run is None:
            raise not_found(f"The job {call.path['name']} of {scope.name}")
        runs = [run, *self._runs.children(run)]
        return page(
            "machine_learning_job.html",
            workspace=scope.name,
            run=_shown(run),
            parts=[{**_shown(one), "log": self._log(one)} for one in runs],
        )

    def studio(self, call: Call) -> Response:
        """Where a job's Studio link leads."""
        path = f"/machine_learning/jobs/{call.path['workspace']}/{call.path['name']}"
        return RedirectResponse(f"{self._context.runtime.addresses.pages}{path}")

    def _workspace(self, scope: Scope) -> Json:
        runs = sorted(self._runs.all(f"{scope.key}/"), key=lambda run: run.created, reverse=True)
        jobs = [run for run in runs if run.parent is None]
        return {
            "name": scope.name,
            "group": scope.group,
            "computes": [
                self._compute(key, item) for key, item in self._documents.list(COMPUTES, f"{scope.key}/")
            ],
            "jobs": [_shown(run) for run in jobs[:_JOBS_SHOWN]],
            "more": max(0, len(jobs) - _JOBS_SHOWN),
            "schedules": [
                self._schedule(key, item) for key, item in self._documents.list(SCHEDULES, f"{scope.key}/")
            ],
            "assets": self._assets(scope),
        }

    def _compute(self, key: str, resource: Json) -> Json:
        cluster, properties = self._region.cluster(key), resource["properties"]
        nodes = cluster.nodes if cluster else ()
        return {
            "name": resource["name"],
            "size": properties["properties"]["vmSize"],
            "state": properties["provisioningState"],
            "nodes": [node.run for node in nodes],
            "most": properties["properties"]["scaleSettings"]["maxNodeCount"],
            "waiting": cluster.waiting if cluster else (),
            "error": cluster.error if cluster else None,
        }

    def _schedule(self, key: str, resource: Json) -> Json:
        properties, times = resource["properties"], self._firing.times(key)
        return {
            "name": resource["name"],
            "kind": "monitor" if properties["action"]["actionType"] == "CreateMonitor" else "job",
            "rule": _rule(properties["trigger"]),
            "enabled": properties["isEnabled"],
            "next": _moment(times.next if times else None),
            "job": times.job if times else None,
            "error": times.error if times else None,
        }

    def _registry(self, scope: Scope) -> Json:
        return {"name": scope.name, "group": scope.group, "assets": self._assets(scope)}

    def _assets(self, scope: Scope) -> Json:
        """The versions by kind and name."""
        found: Json = {}
        for kind in _ASSETS:
            for key, _ in self._documents.list(f"assets/{kind}", f"{scope.key}/"):
                name, _, version = key.removeprefix(f"{scope.key}/").rpartition("/")
                found.setdefault(kind, {}).setdefault(name, []).append(version)
        return found

    def _log(self, run: Run) -> str:
        path = TaskRun.folder(self._context, run) / LOG
        return path.read_text(errors="replace")[-_LOG_CHARACTERS:] if path.exists() else ""


def _shown(run: Run) -> Json:
    status = "CancelRequested" if run.cancel_requested and not run.is_finished else run.status
    return {
        "name": run.name,
        "step": run.step,
        "experiment": run.experiment,
        "status": status,
        "tone": {"Completed": "good", "Failed": "bad", "Canceled": "quiet"}.get(run.status, "wait"),
        "compute": run.compute,
        "breached": BREACHED in run.tags,
        "created": _moment(run.created),
        "took": _took(run),
        "tags": run.tags,
        "error": run.error,
        "outputs": run.outputs,
    }


def _took(run: Run) -> str:
    if run.started is None:
        return ""
    end = datetime.fromisoformat(run.ended) if run.ended else datetime.now(UTC)
    seconds = (end - datetime.fromisoformat(run.started)).total_seconds()
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _rule(trigger: Json) -> str:
    where = trigger.get("timeZone") or "UTC"
    if str(trigger["triggerType"]).lower() == "cron":
        return f"{trigger['expression']} ({where})"
    unit, interval = str(trigger["frequency"]).lower(), trigger["interval"]
    every = f"every {unit}" if interval == 1 else f"every {interval} {unit}s"
    return f"{', '.join([every, *_pattern(trigger.get('schedule') or {})])} ({where})"


def _pattern(schedule: Json) -> Iterator[str]:
    if days := schedule.get("weekDays"):
        yield ", ".join(str(day).capitalize() for day in days)
    if days := schedule.get("monthDays"):
        yield f"day {', '.join(map(str, days))}"
    if schedule.get("hours"):
        yield "at " + ", ".join(
            f"{hour:02}:{minute:02}"
            for hour in schedule["hours"]
            for minute in schedule.get("minutes") or [0]
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
