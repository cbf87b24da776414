"""What was tracked, for people: every workspace's runs, and one run's parameters, metrics, tags and artifacts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from localazure.machine_learning.context import Context
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.routing import Json, Scope
from localazure.machine_learning.storage import Location
from localazure.web import azure_error, page

_SHOWN = 200  # runs of a workspace on one page
_WIDTH, _HEIGHT = 160.0, 32.0  # of a metric's curve


@dataclass(frozen=True)
class Curve:
    """A metric's history: its last value, how many points, and an SVG polyline of them in a 160 by 32 box."""

    name: str
    last: float
    points: int
    line: str


@dataclass(frozen=True)
class Tracked:
    """A run as the pages show it; `started` is in UTC."""

    workspace: str
    id: str
    name: str
    experiment: str
    status: str
    started: datetime
    parent: str | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    curves: Sequence[Curve]


class MLflowPages:
    def __init__(self, context: Context):
        self._context = context
        self._documents = context.documents
        self._runs = Runs(context)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (
            Route("/mlflow-runs", self._list),
            Route("/mlflow-runs/{workspace}/{run}", self._one),
        )

    async def _list(self, _: Request) -> Response:
        workspaces = await run_in_threadpool(self._all)
        return page("mlflow_runs.html", workspaces=workspaces, most=_SHOWN)

    async def _one(self, request: Request) -> Response:
        scope = self._context.scopes.get(f"workspaces/{request.path_params['workspace']}")
        run = await run_in_threadpool(self._tracked, scope, request.path_params["run"]) if scope else None
        if scope is None or run is None:
            raise azure_error(404, "ResourceNotFound", f"There is no run {request.url.path}.")
        artifacts = await run_in_threadpool(self._artifacts, scope, run.id)
        return page("mlflow_run.html", run=run, artifacts=artifacts)

    def _all(self) -> dict[str, list[Tracked]]:
        scopes = [scope for scope in self._context.scopes.values() if scope.kind == "workspaces"]
        return {scope.name: self._newest(scope) for scope in scopes}

    def _newest(self, scope: Scope) -> list[Tracked]:
        jobs = {run.name: run for run in self._runs.all(f"{scope.key}/")}
        logged = {
            key.removeprefix(f"{scope.key}/"): item
            for key, item in self._documents.list("mlflow", f"{scope.key}/")
        }
        found = [_tracked(scope, name, jobs.get(name), logged.get(name)) for name in {*jobs, *logged}]
        return sorted(found, key=lambda run: run.started, reverse=True)[:_SHOWN]

    def _tracked(self, scope: Scope, name: str) -> Tracked | None:
        job, logged = self._runs.get(scope, name), self._documents.get("mlflow", f"{scope.key}/{name}")
        return _tracked(scope, name, job, logged) if job or logged else None

    def _artifacts(self, scope: Scope, run: str) -> list[tuple[str, str]]:
        """(path, address that anyone may read for an hour) of each file that the run left."""
        folder = Location(scope.container, f"ExperimentRun/dcid.{run}")
        names = sorted(self._context.storage.names(folder))
        return [
            (
                name.removeprefix(f"{folder.path}/"),
                self._context.storage.read_url(Location(scope.container, name)),
            )
            for name in names
        ]


def _tracked(scope: Scope, name: str, job: Run | None, logged: Json | None) -> Tracked:
    """A job's run with what was logged to it, or a run of its own."""
    document: Json = logged or {}
    metrics: Mapping[str, Sequence[Json]] = document.get("metrics", {})
    began = datetime.fromtimestamp(document.get("start", 0) / 1000, UTC)
    return Tracked(
        workspace=scope.name,
        id=name,
        name=(job and job.step) or document.get("name") or name,
        experiment=job.experiment if job else document["experiment"],
        status=job.status if job else str(document["status"]).capitalize(),
        started=datetime.fromisoformat(job.started or job.created) if job else began,
        parent=job.parent if job else None,
        params=document.get("params", {}),
        tags={**(job.tags if job else {}), **document.get("tags", {})},
        curves=[_curve(key, points) for key, points in sorted(metrics.items())],
    )


def _curve(name: str, points: Sequence[Mapping[str, Any]]) -> Curve:
    values = [float(point["value"]) for point in points]
    return Curve(name, values[-1], len(values), " ".join(_polyline(values)))


def _polyline(values: Sequence[float]) -> Iterable[str]:
    low, high = min(values), max(values)
    for number, value in enumerate(values):
        across = _WIDTH * number / max(len(values) - 1, 1)
        yield f"{across:.1f},{_HEIGHT - 2 - (_HEIGHT - 4) * (value - low) / ((high - low) or 1.0):.1f}"
