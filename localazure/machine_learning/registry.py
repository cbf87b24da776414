"""Registries: discovery, imports from workspaces, and temporary places to upload to."""

import re
import uuid
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.arm import workspace_guid
from localazure.machine_learning.assets import code_container, read_asset, upload_reference, write_asset
from localazure.machine_learning.context import Context
from localazure.machine_learning.model_paths import model_location
from localazure.machine_learning.routing import REGISTRY, Call, Json, Scope, not_found, route
from localazure.machine_learning.storage import Location, locate
from localazure.web import azure_error

_SOURCE = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)/(?P<kind>models)/(?P<name>[^/]+)/versions/(?P<version>.+)"
)


class RegistryPlane:
    def __init__(self, context: Context):
        self._context = context
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
        """Copies the model's files at once; the registry shows the model after its propagation delay."""
        scope = call.scope(self._context.scopes)
        wanted = call.body.get("properties") or {}
        match = _SOURCE.fullmatch(str(wanted.get("sourceAssetId")))
        if match is None:
            raise azure_error(
                400, "UserError", f"sourceAssetId {wanted.get('sourceAssetId')!r} is no workspace model."
            )
        source = self._workspace(match["guid"])
        resource = read_asset(self._context, source, match["kind"], match["name"], match["version"])
        name = wanted.get("destinationName") or match["name"]
        version = wanted.get("destinationVersion") or match["version"]
        self._import(source, resource, scope, name, version)
        operation = f"{self._azure}{call.url_path.removesuffix('/import')}/operations/{uuid.uuid4().hex}"
        return Response(status_code=202, headers={"Location": operation, "Retry-After": "1"})

    def operation(self, call: Call) -> Response:
        """An import is done when its POST has answered; this answers for it as Azure's finished operations do."""
        call.scope(self._context.scopes)
        return Response(status_code=200)

    def upload_place(self, call: Call) -> Response:
        scope = call.scope(self._context.scopes)
        container = code_container(scope, call.path["name"], call.path["version"])
        return JSONResponse(upload_reference(self._context, container))

    def download_place(self, call: Call) -> Json:
        call.scope(self._context.scopes)
        location = locate(str(call.body.get("blobUri")), "")
        return upload_reference(self._context, location.container)

    def _import(self, source: Scope, resource: Json, registry: Scope, name: str, version: str) -> None:
        target = Location(registry.container, f"models/{name}/{version}")
        properties = {
            **resource["properties"],
            "modelUri": self._context.storage.url(target),
            "isArchived": False,
        }
        delay = next(
            item.propagation_seconds
            for item in self._context.runtime.config.registries
            if item.name == registry.name
        )
        self._context.storage.copy(model_location(resource, source.name), target)
        write_asset(self._context, registry, "models", name, version, properties, delay)

    def _workspace(self, guid: str) -> Scope:
        for scope in self._context.scopes.values():
            if scope.kind == "workspaces" and workspace_guid(scope) == guid:
                return scope
        raise not_found(f"The workspace {guid}")
