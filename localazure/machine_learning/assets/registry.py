"""Registries: discovery, imports from workspaces, and temporary places to upload to."""

import re
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.arm import workspace_guid
from localazure.machine_learning.assets.routes import (
    code_container,
    read_asset,
    upload_reference,
    write_asset,
)
from localazure.machine_learning.context import Context
from localazure.machine_learning.operations import Operations
from localazure.machine_learning.routing import REGISTRY, Call, Json, Scope, not_found, route
from localazure.machine_learning.storage import Location, locate
from localazure.web import azure_error

_SOURCE = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)/(?P<kind>models|environments|data)"
    r"/(?P<name>[^/]+)/versions/(?P<version>.+)"
)
_API_VERSION = "2021-10-01-dataplanepreview"
_URI = {"models": "modelUri", "data": "dataUri"}  # the property that says where an asset's files lie


class RegistryPlane:
    def __init__(self, context: Context, operations: Operations):
        self._context = context
        self._operations = operations
        self._azure = context.runtime.addresses.azure

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", "/registrymanagement/v1.0/registries/{registry}/discovery", self.discovery),
            ("POST", f"{REGISTRY}/import", self.import_asset),
            ("GET", f"{REGISTRY}/operations/{{operation}}", self.operation),
            ("PUT", f"{REGISTRY}/tempdatarefs/{{name}}/versions/{{version}}", self.upload_place),
            ("POST", f"{REGISTRY}/datarefs/{{name}}/versions/{{version}}", self.download_place),
        )
        return tuple(route(method, path, handler, self._context.authorize) for method, path, handler in table)

    def discovery(self, call: Call) -> Json:
        scope = call.scope(self._context.scopes)
        location = self._context.runtime.config.location
        return {
            "registryName": scope.name,
            "subscriptionId": scope.subscription,
            "resourceGroup": scope.group,
            "primaryRegion": location,
            "primaryRegionResourceProviderUri": f"{self._azure}/",
            "registryFqdns": {location: {"registryFqdn": self._azure}},
        }

    def import_asset(self, call: Call) -> Response:
        """Copies the asset; the registry shows it when the operation has ended and it has spread to this region."""
        scope = call.scope(self._context.scopes)
        wanted = call.required("properties")
        match = _SOURCE.fullmatch(str(call.required("properties", "sourceAssetId")))
        if match is None:
            raise azure_error(
                400,
                "UserError",
                f"sourceAssetId {wanted['sourceAssetId']!r} is no model, environment or data asset of a workspace.",
            )
        source, kind = self._workspace(match["guid"]), match["kind"]
        resource = read_asset(self._context, source, kind, match["name"], match["version"])
        name = wanted.get("destinationName") or match["name"]
        version = wanted.get("destinationVersion") or match["version"]
        operation = self._operations.begin("imports", f"{scope.key}/{kind}/{name}/{version}", "Importing")
        self._import(source, resource, scope, kind, name, version, operation.seconds or 0.0)
        operations = f"{self._azure}{call.url_path.removesuffix('/import')}/operations"
        url = f"{operations}/{operation.id}?api-version={_API_VERSION}"
        return Response(status_code=202, headers={"Location": url, "Retry-After": "1"})

    def operation(self, call: Call) -> Response:
        call.scope(self._context.scopes)
        url = f"{self._azure}{call.url_path}?api-version={_API_VERSION}"
        return self._operations.outcome(self._operations.get(call.path["operation"]), url)

    def upload_place(self, call: Call) -> Response:
        scope = call.scope(self._context.scopes)
        container = code_container(scope, call.path["name"], call.path["version"])
        return JSONResponse(upload_reference(self._context, container))

    def download_place(self, call: Call) -> Json:
        call.scope(self._context.scopes)
        location = locate(str(call.body.get("blobUri")), "")
        return upload_reference(self._context, location.container)

    def _import(
        self,
        source: Scope,
        resource: Json,
        registry: Scope,
        kind: str,
        name: str,
        version: str,
        seconds: float,
    ) -> None:
        properties: Json = {**resource["properties"], "isArchived": False}
        if uri := properties.get(_URI.get(kind, "")):
            target = Location(registry.container, f"{kind}/{name}/{version}")
            self._context.storage.copy(self._context.locate(uri, source.name), target)
            properties[_URI[kind]] = self._context.storage.url(target)
        spreading = self._propagation_seconds(registry, kind, name)
        write_asset(self._context, registry, kind, name, version, properties, seconds + spreading)

    def _propagation_seconds(self, registry: Scope, kind: str, name: str) -> float:
        faults = self._context.runtime.faults
        if slow := faults.meet("propagation", registry=registry.name, asset=kind, name=name):
            return slow.number("seconds")
        registries = self._context.runtime.config.registries
        return next(item.propagation_seconds for item in registries if item.name == registry.name)

    def _workspace(self, guid: str) -> Scope:
        for scope in self._context.scopes.values():
            if scope.kind == "workspaces" and workspace_guid(scope) == guid:
                return scope
        raise not_found(f"The workspace {guid}")
