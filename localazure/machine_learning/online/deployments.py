"""Online deployments as ARM resources, and their logs."""

from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.endpoint_rules import check_deployment_quota, check_name, refused
from localazure.machine_learning.online.endpoints import ENDPOINT, read_endpoint
from localazure.machine_learning.online.serving import DEPLOYMENTS, ENDPOINTS, Serving, deleted, log_name
from localazure.machine_learning.online.settings import OnlineDeployment
from localazure.machine_learning.operations import Operation, Operations
from localazure.machine_learning.routing import Call, Json, not_found, resource_routes
from localazure.web import azure_error

_DEPLOYMENT = f"{ENDPOINT}/deployments/{{deployment}}"
_MAX_TAIL = 5000
_PROBE = {
    "initialDelay": "PT10S",
    "period": "PT10S",
    "timeout": "PT2S",
    "successThreshold": 1,
    "failureThreshold": 30,
}
# What the service fills in, where nothing is asked.
_DEFAULTS: Json = {
    "appInsightsEnabled": False,
    "egressPublicNetworkAccess": "Enabled",
    "scaleSettings": {"scaleType": "Default"},
    "requestSettings": {
        "maxConcurrentRequestsPerInstance": 1,
        "requestTimeout": "PT5S",
        "maxQueueWait": "PT0.5S",
    },
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
}


class OnlineDeployments:
    def __init__(self, context: Context, operations: Operations, serving: Serving):
        self._context = context
        self._documents = context.documents
        self._operations = operations
        self._serving = serving
        operations.listen(DEPLOYMENTS, self._ended)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{ENDPOINT}/deployments", self.list),
            ("GET", _DEPLOYMENT, self.get),
            ("PUT", _DEPLOYMENT, self.put),
            ("DELETE", _DEPLOYMENT, self.delete),
            ("POST", f"{_DEPLOYMENT}/getLogs", self.logs),
        )
        return resource_routes(table, self._context.authorize)

    def list(self, call: Call) -> Json:
        read_endpoint(self._context, call)
        return {
            "value": [found for _, found in self._documents.list(DEPLOYMENTS, f"{self._endpoint_key(call)}/")]
        }

    def get(self, call: Call) -> Json:
        read_endpoint(self._context, call)
        if found := self._documents.get(DEPLOYMENTS, self._key(call)):
            return found
        raise not_found(f"The deployment {call.path['deployment']} of {call.path['endpoint']}")

    def put(self, call: Call) -> Response:
        """Answers at once; files, environment and process are made ready in the operation that it begins."""
        scope, endpoint, name = (
            call.scope(self._context.scopes),
            call.path["endpoint"],
            call.path["deployment"],
        )
        read_endpoint(self._context, call)
        check_name(name)
        OnlineDeployment.read(call.body)
        key = self._key(call)
        with self._documents.transaction():
            old = self._documents.get(DEPLOYMENTS, key)
            if old is None:
                check_deployment_quota(self._context, scope, "online", endpoint)
            resource = self._resource(call, old)
            answer = self._operations.put(DEPLOYMENTS, key, resource, is_new=old is None, work=True)
        self._serving.deploy(key)
        return answer

    def delete(self, call: Call) -> Response:
        key, name = self._key(call), call.path["deployment"]
        endpoint = self._documents.get(ENDPOINTS, self._endpoint_key(call))
        resource = self._documents.get(DEPLOYMENTS, key)
        if endpoint is None or resource is None:
            return Response(status_code=204)
        for kind in ("traffic", "mirrorTraffic"):
            if any(
                one.lower() == name.lower() and share for one, share in endpoint["properties"][kind].items()
            ):
                raise refused(f"{name} has {kind}: set it to 0 before you delete the deployment.")
        return self._operations.remove(DEPLOYMENTS, key, resource)

    def logs(self, call: Call) -> Json:
        self.get(call)
        count = call.body.get("tail", 500)
        if type(count) is not int or not 1 <= count <= _MAX_TAIL:
            raise azure_error(400, "UserError", f"tail: a whole number from 1 to {_MAX_TAIL} is expected.")
        text = self._serving.log(self._key(call), log_name(call.body.get("containerType")))
        return {"content": "\n".join(text.splitlines()[-count:])}

    def _resource(self, call: Call, old: Json | None) -> Json:
        scope, name = call.scope(self._context.scopes), call.path["deployment"]
        asked = call.body.get("properties") or {}
        return {
            "id": f"{scope.arm_id}/onlineEndpoints/{call.path['endpoint']}/deployments/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
            "kind": "Managed",
            "location": call.body.get("location") or self._context.runtime.config.location,
            "tags": call.body.get("tags") or {},
            "identity": call.body.get("identity"),
            "sku": {"name": "Default", "capacity": 1} | (call.body.get("sku") or {}),
            "systemData": system_data(old["systemData"]["createdAt"] if old else None),
            "properties": {
                **_DEFAULTS,
                **{key: value for key, value in asked.items() if value is not None},
                "endpointComputeType": "Managed",
                "environmentVariables": asked.get("environmentVariables") or {},
                "properties": asked.get("properties") or {},
            },
        }

    def _ended(self, operation: Operation, resource: Json) -> None:
        workspace, endpoint, name = operation.key.rsplit("/", 2)
        if deleted(operation):
            self._serving.forget(operation.key)
            self._drop_traffic(f"{workspace}/{endpoint}", name)
        elif operation.change == "Creating" and operation.error is None:
            scope = self._context.scopes[workspace]
            self._context.events.model_deployed(scope, endpoint, name, resource, compute_type="MANAGED")

    def _drop_traffic(self, endpoint_key: str, name: str) -> None:
        """A deleted deployment leaves its entry of 0 percent."""
        with self._documents.transaction():
            if endpoint := self._documents.get(ENDPOINTS, endpoint_key):
                for kind in ("traffic", "mirrorTraffic"):
                    shares: Json = endpoint["properties"][kind]
                    endpoint["properties"][kind] = {
                        one: share for one, share in shares.items() if one.lower() != name.lower()
                    }
                self._documents.put(ENDPOINTS, endpoint_key, endpoint)

    def _endpoint_key(self, call: Call) -> str:
        return f"{call.scope(self._context.scopes).key}/{call.path['endpoint']}"

    def _key(self, call: Call) -> str:
        return f"{self._endpoint_key(call)}/{call.path['deployment']}"
