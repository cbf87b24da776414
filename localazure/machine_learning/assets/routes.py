"""Versioned assets of workspaces and registries: environments, components, codes, data, models."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.assets.model_paths import resolve_model
from localazure.machine_learning.assets.rules import check_asset
from localazure.machine_learning.assets.store import (
    CONTENT,
    code_container,
    code_of_hash,
    containers,
    read_asset,
    read_container,
    versions,
    write_asset,
    write_container,
)
from localazure.machine_learning.context import Context
from localazure.machine_learning.paging import has_tags, in_view, newest_first, paged
from localazure.machine_learning.routing import (
    REGISTRY,
    WORKSPACE,
    Call,
    Handler,
    Json,
    Scope,
    not_found,
    resource_routes,
)

_UPDATED = "updatedtime"  # $orderBy


class Assets:
    def __init__(self, context: Context):
        self._context = context
        self._azure = context.runtime.addresses.azure

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return resource_routes(self._table(), self._context.authorize)

    def _table(self) -> Iterator[tuple[str, str, Handler]]:
        for scope in (WORKSPACE, REGISTRY):
            for kind in CONTENT:
                asset = f"{scope}/{kind}/{{name}}"
                for method, path, handler in (
                    ("GET", f"{scope}/{kind}", self.containers),
                    ("GET", asset, self.container),
                    ("PUT", asset, self.put_container),
                    ("GET", f"{asset}/versions", self.list_versions),
                    ("GET", f"{asset}/versions/{{version}}", self.get),
                    ("PUT", f"{asset}/versions/{{version}}", self.put),
                    ("DELETE", f"{asset}/versions/{{version}}", self.delete),
                    ("POST", f"{asset}/versions/{{version}}/startPendingUpload", self.start_upload),
                ):
                    yield method, path, _of_kind(handler, kind)

    def get(self, call: Call, kind: str) -> Json:
        return read_asset(self._context, self._scope(call), kind, call.path["name"], call.path["version"])

    def put(self, call: Call, kind: str) -> Response:
        scope, name, version = self._scope(call), call.path["name"], call.path["version"]
        properties = check_asset(call, kind)
        if kind == "models":
            properties = resolve_model(self._context, scope, properties)
        resource, is_new = write_asset(self._context, scope, kind, name, version, properties)
        if kind == "models" and is_new and scope.kind == "workspaces":
            self._context.events.model_registered(scope, name, version, resource["properties"])
        return JSONResponse(resource, 201 if is_new else 200)

    def delete(self, call: Call, kind: str) -> Response:
        self.get(call, kind)
        key = f"{self._scope(call).key}/{call.path['name']}/{call.path['version']}"
        self._context.documents.delete(f"assets/{kind}", key)
        return Response(status_code=200)

    def list_versions(self, call: Call, kind: str) -> Json:
        scope, query = self._scope(call), call.query
        if wanted := query.get("hash"):
            return {"value": code_of_hash(self._context, scope, wanted)}
        found = versions(self._context, scope, kind, call.path["name"])
        found = [item for item in found if in_view(item, query) and _matches(item, query)]
        return paged(self._azure, call, _ordered(found, query.get("$orderBy", "")))

    def containers(self, call: Call, kind: str) -> Json:
        found = containers(self._context, self._scope(call), kind)
        return paged(self._azure, call, [item for item in found if in_view(item, call.query)])

    def container(self, call: Call, kind: str) -> Json:
        scope, name = self._scope(call), call.path["name"]
        if found := read_container(self._context, scope, kind, name):
            return found
        raise not_found(f"{kind} {name} of {scope.name}")

    def put_container(self, call: Call, kind: str) -> Response:
        """Archiving a container archives its versions, those to come too."""
        scope, name, properties = self._scope(call), call.path["name"], call.required("properties")
        is_new = read_container(self._context, scope, kind, name) is None
        write_container(self._context, scope, kind, name, properties)
        return JSONResponse(self.container(call, kind), 201 if is_new else 200)

    def start_upload(self, call: Call, kind: str) -> Json:
        container = code_container(self._scope(call), call.path["name"], call.path["version"])
        return {**upload_reference(self._context, container), "pendingUploadId": container}

    def _scope(self, call: Call) -> Scope:
        return call.scope(self._context.scopes)


def upload_reference(context: Context, container: str) -> Json:
    """Where a client may upload, with a signature for that container only."""
    context.storage.ensure_containers([container])
    uri = f"{context.runtime.addresses.blob}/{container}"
    return {
        "blobReferenceForConsumption": {
            "blobUri": uri,
            "storageAccountArmId": "",
            "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{context.storage.sas(container)}"},
        },
        "pendingUploadType": "TemporaryBlobReference",
    }


def _of_kind(handler: Callable[[Call, str], Response | Json], kind: str) -> Handler:
    return lambda call: handler(call, kind)


def _matches(version: Json, query: Mapping[str, str]) -> bool:
    """Whether a version passes the filters of a list."""
    properties: dict[str, Any] = version["properties"]
    same = (
        ("version", version["name"]),
        ("stage", properties.get("stage")),
        ("description", properties.get("description")),
    )
    if any(query.get(name) and query[name] != value for name, value in same):
        return False
    tags = query.get("tags") or query.get("$tags")
    return has_tags(properties["tags"], tags) and has_tags(properties["properties"], query.get("properties"))


def _ordered(newest: list[Json], order: str) -> list[Json]:
    """`newest` (the latest created first) as `$orderBy` asks: createdtime or updatedtime, asc or desc."""
    field, _, direction = order.lower().partition(" ")
    found = newest_first(newest, "lastModifiedAt") if field == _UPDATED else newest
    return found[::-1] if direction == "asc" else found
