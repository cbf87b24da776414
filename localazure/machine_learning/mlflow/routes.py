"""The part of MLflow's tracking API that jobs use: runs, metrics, parameters, tags, experiments, artifacts.

What it leaves out (`logged-models` among it) is answered with 404, as on Azure ML.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.documents import Documents
from localazure.machine_learning.context import Context
from localazure.machine_learning.events import experiment_id
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, route
from localazure.machine_learning.storage import Location
from localazure.web import Refusal

_BASE = f"/mlflow/v1.0{WORKSPACE}/api/2.0"
_ARTIFACTS = f"{_BASE}/mlflow-artifacts/artifacts"
_STATUS = {
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
    "NotStarted": "SCHEDULED",
    "Queued": "SCHEDULED",
}


class MLflow:
    def __init__(self, context: Context):
        self._context = context
        self._documents = context.documents
        self._runs = Runs(context)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        tracking = (
            ("POST", "runs/create", self.create_run),
            ("GET", "runs/get", self.get_run),
            ("POST", "runs/update", self.update_run),
            ("POST", "runs/log-metric", self.log_metric),
            ("POST", "runs/log-parameter", self.log_parameter),
            ("POST", "runs/log-batch", self.log_batch),
            ("POST", "runs/set-tag", self.set_tag),
            ("POST", "runs/delete-tag", self.delete_tag),
            ("POST", "runs/search", self.search_runs),
            ("GET", "metrics/get-history", self.metric_history),
            ("GET", "artifacts/list", self.list_run_artifacts),
            ("GET", "experiments/get", self.get_experiment),
            ("GET", "experiments/get-by-name", self.get_experiment_by_name),
            ("POST", "experiments/create", self.create_experiment),
        )
        artifacts = (
            ("GET", _ARTIFACTS, self.list_artifacts),
            ("GET", f"{_ARTIFACTS}/{{path:path}}", self.download_artifact),
            ("PUT", f"{_ARTIFACTS}/{{path:path}}", self.upload_artifact),
        )
        rest = f"/mlflow/v1.0{WORKSPACE}/{{rest:path}}"
        table = (
            *((method, f"{_BASE}/mlflow/{path}", handler) for method, path, handler in tracking),
            *artifacts,
            *((method, rest, self.missing) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
        )
        return tuple(route(method, path, handler, self._context.authorize) for method, path, handler in table)

    def create_run(self, call: Call) -> Json:
        scope, run_id = self._scope(call), str(uuid.uuid4())
        document = {
            "experiment": self._experiment_name(scope, call.body.get("experiment_id")),
            "name": call.body.get("run_name") or run_id,
            "status": "RUNNING",
            "start": call.body.get("start_time") or _now(),
            "end": None,
            **_nothing_logged(),
        }
        document["tags"] = {tag["key"]: tag["value"] for tag in call.body.get("tags") or []}
        self._documents.put("mlflow", f"{scope.key}/{run_id}", document)
        return {"run": self._shown(scope, run_id, document)}

    def get_run(self, call: Call) -> Json:
        scope, run_id = self._scope(call), _run_id(call)
        return {"run": self._shown(scope, run_id, self._read(scope, run_id))}

    def update_run(self, call: Call) -> Json:
        """A job's own status stays the job's: a client that ends its run ends nothing else."""

        def update(document: Json) -> None:
            document["status"] = call.body.get("status") or document["status"]
            document["end"] = call.body.get("end_time") or document["end"]
            document["name"] = call.body.get("run_name") or document["name"]

        scope, run_id = self._scope(call), _run_id(call)
        return {"run_info": self._shown(scope, run_id, self._change(call, update))["info"]}

    def log_metric(self, call: Call) -> Json:
        return self._log(call, metrics=[call.body])

    def log_parameter(self, call: Call) -> Json:
        return self._log(call, params=[call.body])

    def set_tag(self, call: Call) -> Json:
        return self._log(call, tags=[call.body])

    def log_batch(self, call: Call) -> Json:
        return self._log(call, **{name: call.body.get(name) or [] for name in ("metrics", "params", "tags")})

    def delete_tag(self, call: Call) -> Json:
        self._change(call, lambda document: document["tags"].pop(call.body.get("key"), None))
        return {}

    def search_runs(self, call: Call) -> Json:
        """The runs of the experiments asked for, newest first; filters other than that are not understood."""
        if call.body.get("filter"):
            raise _error(
                400,
                "INVALID_PARAMETER_VALUE",
                "localazure searches runs by experiment only: leave `filter` out.",
            )
        scope, wanted = self._scope(call), set(call.body.get("experiment_ids") or [])
        names = {run.name for run in self._runs.all(f"{scope.key}/")}
        names |= {
            key.removeprefix(f"{scope.key}/") for key, _ in self._documents.list("mlflow", f"{scope.key}/")
        }
        found = [self._shown(scope, name, self._read(scope, name)) for name in sorted(names)]
        mine = [run for run in found if not wanted or run["info"]["experiment_id"] in wanted]
        newest = sorted(mine, key=lambda run: run["info"]["start_time"], reverse=True)
        return {"runs": newest[: int(call.body.get("max_results") or 1000)]}

    def metric_history(self, call: Call) -> Json:
        document = self._read(self._scope(call), _run_id(call))
        name = call.query.get("metric_key", "")
        return {"metrics": [{"key": name, **point} for point in document["metrics"].get(name, [])]}

    def get_experiment(self, call: Call) -> Json:
        scope = self._scope(call)
        return self._experiment(scope, self._experiment_name(scope, call.query.get("experiment_id")))

    def get_experiment_by_name(self, call: Call) -> Json:
        scope, name = self._scope(call), call.query.get("experiment_name", "")
        if name not in self._experiments(scope):
            raise _error(404, "RESOURCE_DOES_NOT_EXIST", f"There is no experiment {name!r}.")
        return self._experiment(scope, name)

    def create_experiment(self, call: Call) -> Json:
        scope, name = self._scope(call), str(call.body.get("name") or "")
        if not self._documents.insert("experiments", f"{scope.key}/{name}", {"name": name}):
            raise _error(400, "RESOURCE_ALREADY_EXISTS", f"The experiment {name!r} exists already.")
        return {"experiment_id": _experiment_id(scope, name)}

    def list_run_artifacts(self, call: Call) -> Json:
        run_id = _run_id(call)
        prefix = f"ExperimentRun/dcid.{run_id}"
        path = call.query.get("path", "")
        files = self._files(self._scope(call), f"{prefix}/{path}".rstrip("/"))
        for file in files:
            file["path"] = f"{path}/{file['path']}".lstrip("/")
        return {"root_uri": f"mlflow-artifacts:/{prefix}", "files": files}

    def list_artifacts(self, call: Call) -> Json:
        return {"files": self._files(self._scope(call), call.query.get("path", "").strip("/"))}

    def upload_artifact(self, call: Call) -> Json:
        self._context.storage.write(Location(self._scope(call).container, _artifact(call)), call.raw)
        return {}

    def download_artifact(self, call: Call) -> Response:
        content = self._context.storage.read(Location(self._scope(call).container, _artifact(call)))
        if content is None:
            raise _error(404, "RESOURCE_DOES_NOT_EXIST", f"There is no artifact {call.path['path']}.")
        return Response(content, media_type="application/octet-stream")

    def missing(self, call: Call) -> Response:
        return JSONResponse(
            {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No route {call.url_path}."}, 404
        )

    def _log(
        self,
        call: Call,
        *,
        metrics: Sequence[Json] = (),
        params: Sequence[Json] = (),
        tags: Sequence[Json] = (),
    ) -> Json:
        def log(document: Json) -> None:
            for metric in metrics:
                point = {
                    "value": metric["value"],
                    "timestamp": metric["timestamp"],
                    "step": metric.get("step") or 0,
                }
                document["metrics"].setdefault(metric["key"], []).append(point)
            for param in params:
                known = document["params"].setdefault(param["key"], param["value"])
                if known != param["value"]:
                    message = (
                        f"The parameter {param['key']} is {known!r} and cannot become {param['value']!r}."
                    )
                    raise _error(400, "INVALID_PARAMETER_VALUE", message)
            document["tags"] |= {tag["key"]: tag["value"] for tag in tags}

        self._change(call, log)
        return {}

    def _change(self, call: Call, change: Callable[[Json], object]) -> Json:
        scope, run_id = self._scope(call), _run_id(call)
        with self._documents.transaction():
            document = self._read(scope, run_id)
            change(document)
            self._documents.put("mlflow", f"{scope.key}/{run_id}", document)
        return document

    def _read(self, scope: Scope, run_id: str) -> Json:
        """What was logged to a job's run or a run of its own; refuses with 404."""
        if document := self._documents.get("mlflow", f"{scope.key}/{run_id}"):
            return document
        if run := self._runs.get(scope, run_id):
            times = {"start": _milliseconds(run.started or run.created), "end": None}
            return {
                "experiment": run.experiment,
                "name": run.name,
                "status": None,
                **times,
                **_nothing_logged(),
            }
        raise _error(404, "RESOURCE_DOES_NOT_EXIST", f"There is no run {run_id!r}.")

    def _shown(self, scope: Scope, run_id: str, document: Json) -> Json:
        job = self._runs.get(scope, run_id)
        status = _STATUS.get(job.status, "RUNNING") if job else document["status"]
        end = _milliseconds(job.ended) if job and job.ended else document["end"]
        return {
            "info": {
                "run_id": run_id,
                "run_uuid": run_id,
                "run_name": document["name"],
                "experiment_id": _experiment_id(scope, document["experiment"]),
                "user_id": "localazure",
                "status": status,
                "start_time": document["start"],
                "end_time": end,
                "artifact_uri": f"mlflow-artifacts:/ExperimentRun/dcid.{run_id}",
                "lifecycle_stage": "active",
            },
            "data": {
                "metrics": [{"key": key, **points[-1]} for key, points in document["metrics"].items()],
                "params": [{"key": key, "value": value} for key, value in document["params"].items()],
                "tags": [
                    {"key": key, "value": value}
                    for key, value in {**(job.tags if job else {}), **document["tags"]}.items()
                ],
            },
        }

    def _experiments(self, scope: Scope) -> set[str]:
        created = {item["name"] for _, item in self._documents.list("experiments", f"{scope.key}/")}
        return created | {run.experiment for run in self._runs.all(f"{scope.key}/")} | {"Default"}

    def _experiment_name(self, scope: Scope, wanted: str | None) -> str:
        if not wanted or wanted == "0":
            return "Default"
        for name in self._experiments(scope):
            if _experiment_id(scope, name) == wanted:
                return name
        raise _error(404, "RESOURCE_DOES_NOT_EXIST", f"There is no experiment with the id {wanted!r}.")

    def _experiment(self, scope: Scope, name: str) -> Json:
        return {
            "experiment": {
                "experiment_id": _experiment_id(scope, name),
                "name": name,
                "artifact_location": "mlflow-artifacts:/ExperimentRun",
                "lifecycle_stage": "active",
            }
        }

    def _files(self, scope: Scope, prefix: str) -> list[Json]:
        names = self._context.storage.names(Location(scope.container, prefix))
        inside = {name.removeprefix(prefix).strip("/") for name in names if name != prefix}
        children = {name.partition("/")[0]: "/" in name for name in sorted(inside)}
        return [{"path": name, "is_dir": is_folder} for name, is_folder in children.items()]

    def _scope(self, call: Call) -> Scope:
        return call.scope(self._context.scopes)


def log_metrics(documents: Documents, run: Run, metrics: Mapping[str, float]) -> None:
    """Log what the emulator itself has measured in a run."""
    points = {key: [{"value": value, "timestamp": _now(), "step": 0}] for key, value in metrics.items()}
    started = _milliseconds(run.started or run.created)
    known = {"experiment": run.experiment, "name": run.name, "status": None, "start": started, "end": None}
    documents.put("mlflow", run.key, {**known, **_nothing_logged(), "metrics": points})


def _run_id(call: Call) -> str:
    values = call.query if call.method == "GET" else call.body
    found = values.get("run_id") or values.get("run_uuid")
    if not found:
        raise _error(400, "INVALID_PARAMETER_VALUE", "`run_id` is missing.")
    return str(found)


def _artifact(call: Call) -> str:
    """Artifacts are kept with the runs' logs; nothing else of the container can be reached here."""
    path = call.path["path"]
    if not path.startswith("ExperimentRun/") or ".." in path.split("/"):
        raise _error(400, "INVALID_PARAMETER_VALUE", f"{path!r} is no artifact of a run.")
    return path


def _experiment_id(scope: Scope, name: str) -> str:
    return experiment_id({"scope": scope.key, "experiment": name})


def _nothing_logged() -> Json:
    return {"metrics": {}, "params": {}, "tags": {}}


def _error(status: int, code: str, message: str) -> Refusal:
    return Refusal(status, {"error_code": code, "message": message})


def _now() -> int:
    return int(time.time() * 1000)


def _milliseconds(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)
