"""The data plane that `jobs.download` asks where the outputs of a job lie."""

import re
from collections.abc import Sequence

from starlette.routing import BaseRoute

from localazure.machine_learning.arm import workspace_guid
from localazure.machine_learning.context import Context
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, route

# A job's output is an asset of its own, named after both.
_ASSET = re.compile(r"azureml://.+/(?:data|models)/(?P<job>[^/.]+)\.(?P<output>[^/]+)/versions/1")
_MODELS = {"mlflow_model": "MLFlowModel", "custom_model": "CustomModel", "triton_model": "TritonModel"}


def asset_of_output(context: Context, run: Run, output: str, shown: Json | None) -> Json:
    """The reference in a run's metadata; `shown` is the output as the ARM job has it."""
    kind = str((shown or {}).get("jobOutputType", "uri_folder"))
    scope, location = context.scopes[run.scope], context.runtime.config.location
    plural = "models" if kind in _MODELS else "data"
    place = f"azureml://locations/{location}/workspaces/{workspace_guid(scope)}"
    return {
        "assetId": f"{place}/{plural}/{run.name}.{output}/versions/1",
        "type": _MODELS.get(kind, kind),
    }


class DataPlane:
    def __init__(self, context: Context):
        self._context = context
        self._runs = Runs(context)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("POST", f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", self.data),
            ("POST", f"/modelregistry/v1.0{WORKSPACE}/models/batchGetResolvedUris", self.models),
        )
        return tuple(route(method, path, handler, self._context.authorize) for method, path, handler in table)

    def data(self, call: Call) -> Json:
        return {"values": {asset: {"uri": uri} for asset, uri in self._places(call).items()}}

    def models(self, call: Call) -> Json:
        return {"values": {asset: {"path": uri} for asset, uri in self._places(call).items()}}

    def _places(self, call: Call) -> dict[str, str]:
        scope = call.scope(self._context.scopes)
        found = {asset: self._place(scope, asset) for asset in call.required("values")}
        return {asset: uri for asset, uri in found.items() if uri}

    def _place(self, scope: Scope, asset: str) -> str | None:
        match = _ASSET.fullmatch(asset)
        run = self._runs.get(scope, match["job"]) if match else None
        if run is None or match is None or match["output"] not in run.outputs:
            return None
        workspace = f"subscriptions/{scope.subscription}/resourcegroups/{scope.group}/workspaces/{scope.name}"
        return run.outputs[match["output"]].replace(
            "azureml://datastores/", f"azureml://{workspace}/datastores/", 1
        )
