"""What a model's `modelUri` means: a job's output, a datastore path; checked before it is registered."""

import re

from localazure.machine_learning.context import Context
from localazure.machine_learning.routing import Json, Scope
from localazure.machine_learning.storage import UnknownLocation
from localazure.web import azure_error

_JOB_OUTPUT = re.compile(
    r"(?:azureml://(?:subscriptions/.+?/workspaces/[^/]+/)?jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths)?"
    r"|runs:/(?P<run>[^/]+))(?:/(?P<path>.*))?"
)


def resolve_model(context: Context, scope: Scope, properties: Json) -> Json:
    """`properties` with a job's output resolved to the datastore path it was written to.

    Refuses with 400 a path that is nowhere or holds nothing.
    """
    uri = str(properties.get("modelUri") or "")
    job = _JOB_OUTPUT.fullmatch(uri)
    resolved = _job_output(context, scope, job) if job else uri
    try:
        location = context.locate(resolved, scope.name)
    except UnknownLocation as error:
        raise azure_error(400, "UserError", str(error)) from None
    if not context.storage.names(location):
        raise azure_error(400, "UserError", f"The model path {uri} holds no files.")
    job_name = {"jobName": job["job"] or job["run"]} if job else {}
    return {"flavors": {}, **properties, **job_name, "modelUri": resolved}


def resolve_output(context: Context, scope: Scope, uri: str) -> str:
    """`uri`, where it names an output of a job, as the datastore path it was written to; others stay.

    Refuses with 400 a job or an output that does not exist.
    """
    job = _JOB_OUTPUT.fullmatch(uri)
    return _job_output(context, scope, job) if job else uri


def _job_output(context: Context, scope: Scope, match: re.Match[str]) -> str:
    name = match["job"] or match["run"]
    run = context.documents.get("runs", f"{scope.key}/{name}")
    if run is None:
        raise azure_error(400, "UserError", f"The job {name} of {scope.name} was not found.")
    rest = f"/{match['path']}" if match["path"] else ""
    if match["run"]:
        return f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{name}{rest}"
    outputs: dict[str, str] = run["outputs"]
    if match["output"] not in outputs:
        known = ", ".join(outputs) or "none"
        raise azure_error(
            400, "UserError", f"The job {name} has no output {match['output']!r} (it has {known})."
        )
    return outputs[match["output"]].rstrip("/") + rest
