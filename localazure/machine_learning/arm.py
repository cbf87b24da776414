"""What surrounds everything else: cloud metadata, workspaces, registries."""

import uuid
from collections.abc import Iterable, Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.operations import Operations
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, anyone, resource_routes, route
from localazure.service import STORAGE_ACCOUNT, STORAGE_KEY
from localazure.web import azure_error

CLOUD = "LocalAzure"

_PROVIDER = "providers/Microsoft.MachineLearningServices"
_SUBSCRIPTION = f"/subscriptions/{{subscription}}/{_PROVIDER}"
_GROUP = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/{_PROVIDER}"


def workspace_guid(scope: Scope) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, scope.arm_id))


class Arm:
    def __init__(self, context: Context, operations: Operations):
        self._context = context
        self._operations = operations
        self._config = context.runtime.config
        self._azure = context.runtime.addresses.azure
        for scope in context.scopes.values():
            context.documents.insert(scope.kind, scope.key, {"systemData": system_data()})

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", WORKSPACE, self.workspace),
            ("GET", f"{_GROUP}/workspaces", self.workspaces),
            ("GET", f"{_SUBSCRIPTION}/workspaces", self.workspaces),
            ("POST", f"{WORKSPACE}/listKeys", self.workspace_keys),
            ("POST", f"{WORKSPACE}/resyncKeys", self.resync_keys),
            ("GET", f"{_GROUP}/registries/{{registry}}", self.registry),
            ("GET", f"{_GROUP}/registries", self.registries),
            ("GET", f"{_SUBSCRIPTION}/registries", self.registries),
        )
        return (
            route("GET", "/metadata/endpoints", self.cloud_metadata, anyone),
            route("GET", "/discovery/workspaces/{guid}", self.workspace_discovery, anyone),
            *resource_routes(table, self._context.authorize),
        )

    def cloud_metadata(self, call: Call) -> Json:
        return {
            "name": CLOUD,
            "portal": f"{self._azure}/",
            "resourceManager": f"{self._azure}/",
            "authentication": {"loginEndpoint": f"{self._azure}/", "tenant": self._config.tenant_id},
            "suffixes": {"storage": self._context.runtime.addresses.blob.partition(".blob.")[2]},
        }

    def workspace_discovery(self, call: Call) -> Json:
        return {name: self._azure for name in ("api", "history", "experimentation", "catalog", "pipelines")}

    def workspace(self, call: Call) -> Json:
        return self._workspace(call.scope(self._context.scopes))

    def workspaces(self, call: Call) -> Json:
        kinds = {kind for kind in call.query.get("kind", "").lower().split(",") if kind}
        found = self._listed(call, "workspaces") if not kinds or "default" in kinds else ()
        return {"value": [self._workspace(scope) for scope in found]}

    def workspace_keys(self, call: Call) -> Json:
        scope = call.scope(self._context.scopes)
        return {
            "userStorageKey": STORAGE_KEY,
            "userStorageResourceId": _beside(scope, "Microsoft.Storage/storageAccounts", STORAGE_ACCOUNT),
        }

    def resync_keys(self, call: Call) -> Response:
        call.scope(self._context.scopes)
        return self._operations.accepted_empty()

    def registry(self, call: Call) -> Json:
        return self._registry(call.scope(self._context.scopes))

    def registries(self, call: Call) -> Json:
        return {"value": [self._registry(scope) for scope in self._listed(call, "registries")]}

    def _listed(self, call: Call, kind: str) -> Iterable[Scope]:
        """Those of the group, or of the subscription where the path names no group."""
        known = self._context.scopes.values()
        if call.path["subscription"].lower() != self._config.subscription_id.lower():
            raise azure_error(
                404,
                "SubscriptionNotFound",
                f"The subscription '{call.path['subscription']}' could not be found.",
            )
        group = call.path.get("group")
        if group and group.lower() not in {scope.group.lower() for scope in known}:
            raise azure_error(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        found = [scope for scope in known if scope.kind == kind]
        return [scope for scope in found if group is None or scope.group.lower() == group.lower()]

    def _workspace(self, scope: Scope) -> Json:
        guid = workspace_guid(scope)
        return {
            **self._top(scope),
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
            "properties": {
                "workspaceId": guid,
                "friendlyName": scope.name,
                "description": "",
                "discoveryUrl": f"{self._azure}/discovery/workspaces/{guid}",
                "mlFlowTrackingUri": f"{self._azure}/mlflow/v1.0{scope.arm_id}",
                "storageAccount": _beside(scope, "Microsoft.Storage/storageAccounts", STORAGE_ACCOUNT),
                "keyVault": _beside(scope, "Microsoft.KeyVault/vaults", f"{scope.name}-kv"),
                "applicationInsights": _beside(
                    scope, "Microsoft.Insights/components", f"{scope.name}-insights"
                ),
                "containerRegistry": None,
                "hbiWorkspace": False,
                "tenantId": self._config.tenant_id,
                "imageBuildCompute": "",
                "provisioningState": "Succeeded",
                "v1LegacyMode": False,
                "publicNetworkAccess": "Enabled",
                "systemDatastoresAuthMode": "accesskey",
                "enableDataIsolation": False,
            },
        }

    def _registry(self, scope: Scope) -> Json:
        location = self._config.location
        group = f"/subscriptions/{scope.subscription}/resourceGroups/azureml-rg-{scope.name}"
        return {
            **self._top(scope),
            "properties": {
                "discoveryUrl": f"{self._azure}/registrymanagement/v1.0/registries/{scope.name}/discovery",
                "mlFlowRegistryUri": f"{self._azure}/mlflow/v2.0{scope.arm_id}",
                "managedResourceGroup": {"resourceId": group},
                "publicNetworkAccess": "Enabled",
                "regionDetails": [{"location": location, "acrDetails": [], "storageAccountDetails": []}],
            },
        }

    def _top(self, scope: Scope) -> Json:
        stored = self._context.documents.get(scope.kind, scope.key) or {}
        return {
            "id": scope.arm_id,
            "name": scope.name,
            "type": f"Microsoft.MachineLearningServices/{scope.kind}",
            "location": self._config.location,
            "tags": {},
            "identity": {
                "type": "SystemAssigned",
                "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope.arm_id}/identity")),
                "tenantId": self._config.tenant_id,
            },
            "systemData": stored.get("systemData"),
        }


def _beside(scope: Scope, kind: str, name: str) -> str:
    """The id of a resource in the scope's resource group."""
    return f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}/providers/{kind}/{name}"
