"""What surrounds the assets: cloud metadata, workspaces, computes, datastores."""

import uuid
from collections.abc import Sequence

from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, anyone, not_found, route
from localazure.service import STORAGE_ACCOUNT

# Azure creates both with every workspace; here they are one container.
DATASTORES = ("workspaceblobstore", "workspaceartifactstore")
DEFAULT_DATASTORE = DATASTORES[0]


def workspace_guid(scope: Scope) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, scope.arm_id))


class Arm:
    def __init__(self, context: Context):
        self._context = context
        self._config = context.runtime.config
        self._azure = context.runtime.addresses.azure

    @property
    def routes(self) -> Sequence[BaseRoute]:
        guarded = (
            ("GET", WORKSPACE, self.workspace),
            ("GET", f"{WORKSPACE}/computes", self.computes),
            ("GET", f"{WORKSPACE}/computes/{{name}}", self.compute),
            ("GET", f"{WORKSPACE}/datastores", self.datastores),
            ("GET", f"{WORKSPACE}/datastores/{{name}}", self.datastore),
            ("POST", f"{WORKSPACE}/datastores/{{name}}/listSecrets", self.datastore_secrets),
        )
        return (
            route("GET", "/metadata/endpoints", self.cloud_metadata, anyone),
            route("GET", "/discovery/workspaces/{guid}", self.workspace_discovery, anyone),
            *(route(method, path, handler, self._context.authorize) for method, path, handler in guarded),
        )

    def cloud_metadata(self, call: Call) -> Json:
        return {
            "name": "LocalAzure",
            "portal": f"{self._azure}/",
            "resourceManager": f"{self._azure}/",
            "authentication": {"loginEndpoint": f"{self._azure}/", "tenant": self._config.tenant_id},
            "suffixes": {"storage": self._storage_suffix},
        }

    def workspace_discovery(self, call: Call) -> Json:
        return {name: self._azure for name in ("api", "history", "experimentation", "catalog", "pipelines")}

    def workspace(self, call: Call) -> Json:
        scope = call.scope(self._context.scopes)
        guid = workspace_guid(scope)
        return {
            "id": scope.arm_id,
            "name": scope.name,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "location": self._config.location,
            "identity": {"type": "SystemAssigned", "tenantId": self._config.tenant_id},
            "systemData": system_data(),
            "properties": {
                "workspaceId": guid,
                "friendlyName": scope.name,
                "discoveryUrl": f"{self._azure}/discovery/workspaces/{guid}",
                "mlFlowTrackingUri": f"{self._azure}/mlflow/v1.0{scope.arm_id}",
                "storageAccount": f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}"
                f"/providers/Microsoft.Storage/storageAccounts/{STORAGE_ACCOUNT}",
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled",
            },
        }

    def computes(self, call: Call) -> Json:
        scope = call.scope(self._context.scopes)
        return {"value": [self._compute(scope, name, nodes) for name, nodes in self._nodes(scope).items()]}

    def compute(self, call: Call) -> Json:
        scope, name = call.scope(self._context.scopes), call.path["name"]
        nodes = self._nodes(scope)
        if name not in nodes:
            raise not_found(f"The compute {name!r} of {scope.name} (it has {', '.join(nodes) or 'none'})")
        return self._compute(scope, name, nodes[name])

    def datastores(self, call: Call) -> Json:
        scope = call.scope(self._context.scopes)
        return {"value": [self._datastore(scope, name) for name in DATASTORES]}

    def datastore(self, call: Call) -> Json:
        scope, name = call.scope(self._context.scopes), call.path["name"]
        if name not in DATASTORES:
            raise not_found(f"The datastore {name!r} of {scope.name} (it has {', '.join(DATASTORES)})")
        return self._datastore(scope, name)

    def datastore_secrets(self, call: Call) -> Json:
        self.datastore(call)
        return {
            "secretsType": "Sas",
            "sasToken": self._context.storage.sas(call.scope(self._context.scopes).container),
        }

    def _nodes(self, scope: Scope) -> dict[str, int]:
        workspace = next(item for item in self._config.workspaces if item.name == scope.name)
        return {compute.name: compute.max_nodes for compute in workspace.computes}

    def _compute(self, scope: Scope, name: str, nodes: int) -> Json:
        return {
            "id": f"{scope.arm_id}/computes/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/computes",
            "location": self._config.location,
            "systemData": system_data(),
            "properties": {
                "computeType": "AmlCompute",
                "provisioningState": "Succeeded",
                "properties": {
                    "vmSize": "LOCAL",
                    "scaleSettings": {"minNodeCount": 0, "maxNodeCount": nodes},
                    "allocationState": "Steady",
                },
            },
        }

    def _datastore(self, scope: Scope, name: str) -> Json:
        return {
            "id": f"{scope.arm_id}/datastores/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/datastores",
            "systemData": system_data(),
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": STORAGE_ACCOUNT,
                "containerName": scope.container,
                "endpoint": self._storage_suffix,
                "protocol": "https",
                "credentials": {"credentialsType": "Sas", "secrets": None},
                "isDefault": name == DEFAULT_DATASTORE,
                "tags": {},
                "properties": {},
            },
        }

    @property
    def _storage_suffix(self) -> str:
        return self._context.runtime.addresses.blob.partition(".blob.")[2]
