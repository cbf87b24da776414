"""Which action a request needs, and at which scope: Azure's own names for what each route does."""

import re

from localazure.identity.actions import VERBS, Need, resource_need

_PROVIDER = "Microsoft.MachineLearningServices"
_PATH = re.compile(
    rf"(?P<plane>.*?)(?P<owner>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/{re.escape(_PROVIDER)}"
    r"/(?P<kind>workspaces|registries)/[^/]+)(?:/(?P<rest>.+))?",
    re.IGNORECASE,
)
_REGISTRY_READS = ("operations", "datarefs")
# MLflow's tracking API by the beginning of its path; what is not named here reads or writes runs.
_TRACKING = (
    ("mlflow-artifacts/", "metadata/artifacts"),
    ("mlflow/artifacts/", "metadata/artifacts"),
    ("mlflow/experiments/", "experiments"),
    ("mlflow/registered-models/", "models"),
    ("mlflow/model-versions/", "models"),
    ("", "experiments/runs"),
)
_SEARCHES = ("/search", "/get", "/get-history", "/list")


def needed(method: str, path: str) -> Need | None:
    """What a request of a workspace or registry needs; None for what any valid token may do."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    owner, kind, rest = match["owner"], match["kind"].lower(), (match["rest"] or "").rstrip("/")
    if kind == "registries":
        return Need(f"{_PROVIDER}/registries/{_registry_action(method, rest)}", owner)
    if match["plane"].lower().startswith("/mlflow/"):
        return Need(f"{_PROVIDER}/workspaces/{_tracking_action(method, rest)}", owner)
    if match["plane"].lower().startswith("/history/"):
        return Need(f"{_PROVIDER}/workspaces/experiments/runs/{VERBS.get(method, 'write')}", owner)
    resource = f"{owner}/{rest}".rstrip("/")
    if method == "POST" and rest.lower().endswith("/jobs"):  # invokes a batch endpoint, which makes a job
        return resource_need("PUT", resource)
    return resource_need(method, resource)


def _registry_action(method: str, rest: str) -> str:
    if not rest:
        return VERBS.get(method, "write")
    is_read = rest.partition("/")[0].lower() in _REGISTRY_READS
    return f"assets/{'read' if is_read else VERBS.get(method, 'write')}"


def _tracking_action(method: str, rest: str) -> str:
    path = rest.partition("api/2.0/")[2]
    resource = next(resource for beginning, resource in _TRACKING if path.startswith(beginning))
    is_search = method == "POST" and path.endswith(_SEARCHES)
    return f"{resource}/{'read' if is_search else VERBS.get(method, 'write')}"
