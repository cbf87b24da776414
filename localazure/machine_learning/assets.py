"""Versioned assets of workspaces and registries: environments, components, codes, data, models."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.model_paths import resolve_model
from localazure.machine_learning.references import parse_asset
from localazure.machine_learning.routing import (
    REGISTRY,
    WORKSPACE,
    Call,
    Json,
    Scope,
    conflict,
    not_found,
    route,
)
from localazure.web import azure_error

# The properties that can never change once a version is registered; tags, description, archiving and the rest may.
CONTENT = {
    "environments": ("condaFile", "image", "build"),
    "components": ("componentSpec",),
    "codes": ("properties",),
    "data": ("dataUri", "dataType"),
    "models": ("modelUri", "modelType"),
}
_SHOWN_ONLY = ("display_name", "description", "tags", "_source", "$schema", "creation_context", "sourceJobId")


def _content(context: Context, scope: Scope, kind: str, properties: Json) -> Any:
    """What two registrations of one version must share. Code counts by its hash: every upload has a name of its own."""
    content = {name: properties.get(name) for name in CONTENT[kind]}
    if kind != "components":
        return content
    spec = {key: value for key, value in (content["componentSpec"] or {}).items() if key not in _SHOWN_ONLY}
    if spec.get("code"):
        code = parse_asset(spec["code"], scope, context.scopes)
        spec["code"] = code_hash(read_asset(context, code.scope, "codes", code.name, code.version))
    return spec


def code_hash(code: Json) -> str | None:
    return (code["properties"].get("properties") or {}).get("hash_sha256")


def read_asset(context: Context, scope: Scope, kind: str, name: str, version: str) -> Json:
    """The stored resource; refuses with 404 when it is unknown or (in a registry) not yet visible."""
    document = context.documents.get(f"assets/{kind}", f"{scope.key}/{name}/{version}")
    if document is None or document["visible_at"] > time.time():
        raise not_found(f"{kind} {name}:{version} of {scope.name}")
    return document["resource"]


def write_asset(
    context: Context, scope: Scope, kind: str, name: str, version: str, properties: Json, delay: float = 0.0
) -> tuple[Json, bool]:
    """Register or update a version and say whether it is new; other content under a taken version is a 409.

    `delay`: seconds until a registry shows it.
    """
    key = f"{scope.key}/{name}/{version}"
    with context.documents.transaction():
        known = context.documents.get(f"assets/{kind}", key)
        old = known["resource"] if known else None
        if old and _content(context, scope, kind, old["properties"]) != _content(
            context, scope, kind, properties
        ):
            raise conflict(
                f"{kind} {name}:{version} is already registered in {scope.name} with other content and is immutable: "
                "only tags, description and isArchived can be updated. Use a new version."
            )
        resource = _resource(scope, kind, name, version, properties, old)
        now = time.time()
        document = {
            "resource": resource,
            "created": known["created"] if known else now,
            "visible_at": known["visible_at"] if known else now + delay,
        }
        context.documents.put(f"assets/{kind}", key, document)
    return resource, known is None


def _resource(scope: Scope, kind: str, name: str, version: str, properties: Json, old: Json | None) -> Json:
    return {
        "id": scope.asset_id(kind, name, version),
        "name": version,
        "type": f"Microsoft.MachineLearningServices/{scope.kind}/{kind}/versions",
        "systemData": system_data(old["systemData"]["createdAt"] if old else None),
        "properties": {
            "tags": {},
            "properties": {},
            "isArchived": False,
            **properties,
            "provisioningState": "Succeeded",
        },
    }


def versions(context: Context, scope: Scope, kind: str, name: str) -> list[Json]:
    """The visible versions of `name`, the newest first."""
    found = context.documents.list(f"assets/{kind}", f"{scope.key}/{name}/")
    visible = [document for _, document in found if document["visible_at"] <= time.time()]
    return [
        document["resource"] for document in sorted(visible, key=lambda item: item["created"], reverse=True)
    ]


def code_container(scope: Scope, name: str, version: str) -> str:
    """Each snapshot has a blob container of its own, as on Azure: equally named folders never mix."""
    return "code-" + hashlib.sha256(f"{scope.key}/{name}/{version}".encode()).hexdigest()[:32]


class Assets:
    def __init__(self, context: Context):
        self._context = context

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return tuple(self._routes())

    def _routes(self) -> Iterator[BaseRoute]:
        for scope in (WORKSPACE, REGISTRY):
            for kind in CONTENT:
                asset = f"{scope}/{kind}/{{name}}"
                for method, path, handler in (
                    ("GET", f"{scope}/{kind}", self.containers),
                    ("GET", asset, self.container),
                    ("PUT", asset, self.update_container),
                    ("GET", f"{asset}/versions", self.list_versions),
                    ("GET", f"{asset}/versions/{{version}}", self.get),
                    ("PUT", f"{asset}/versions/{{version}}", self.put),
                    ("DELETE", f"{asset}/versions/{{version}}", self.delete),
                    ("POST", f"{asset}/versions/{{version}}/startPendingUpload", self.start_upload),
                ):
                    yield route(method, path, _of_kind(handler, kind), self._context.authorize)

    def get(self, call: Call, kind: str) -> Json:
        return read_asset(self._context, self._scope(call), kind, call.path["name"], call.path["version"])

    def put(self, call: Call, kind: str) -> Response:
        scope, name, version = self._scope(call), call.path["name"], call.path["version"]
        properties = call.body.get("properties")
        if not isinstance(properties, dict):
            raise azure_error(400, "BadRequest", "The body's `properties` must be an object.")
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
        scope = self._scope(call)
        if wanted := call.query.get("hash"):
            # As on Azure, a snapshot is found by its content whatever name the client thought of.
            stored = self._context.documents.list("assets/codes", f"{scope.key}/")
            found = [item["resource"] for _, item in stored if code_hash(item["resource"]) == wanted]
            return {"value": found[:1]}
        found = versions(self._context, scope, kind, call.path["name"])
        found = [item for item in found if _in_view(item, call.query.get("listViewType", "ActiveOnly"))]
        return {"value": found[: int(call.query.get("$top", len(found)))]}

    def containers(self, call: Call, kind: str) -> Json:
        scope = self._scope(call)
        keys = [key for key, _ in self._context.documents.list(f"assets/{kind}", f"{scope.key}/")]
        names = sorted({key.removeprefix(f"{scope.key}/").split("/")[0] for key in keys})
        found = [self._container(scope, kind, name) for name in names]
        view = call.query.get("listViewType", "ActiveOnly")
        return {"value": [item for item in found if item and _in_view(item, view)]}

    def container(self, call: Call, kind: str) -> Json:
        scope, name = self._scope(call), call.path["name"]
        if found := self._container(scope, kind, name):
            return found
        raise not_found(f"{kind} {name} of {scope.name}")

    def update_container(self, call: Call, kind: str) -> Json:
        """Archiving a container archives all its versions."""
        scope, name = self._scope(call), call.path["name"]
        self.container(call, kind)
        archived = bool((call.body.get("properties") or {}).get("isArchived"))
        for version in versions(self._context, scope, kind, name):
            write_asset(
                self._context,
                scope,
                kind,
                name,
                version["name"],
                {**version["properties"], "isArchived": archived},
            )
        return self.container(call, kind)

    def start_upload(self, call: Call, kind: str) -> Json:
        container = code_container(self._scope(call), call.path["name"], call.path["version"])
        return {**upload_reference(self._context, container), "pendingUploadId": container}

    def _container(self, scope: Scope, kind: str, name: str) -> Json | None:
        found = versions(self._context, scope, kind, name)
        if not found:
            return None
        numbers = [int(item["name"]) for item in found if item["name"].isdigit()]
        return {
            "id": scope.asset_id(kind, name, "").removesuffix("/versions/"),
            "name": name,
            "type": f"Microsoft.MachineLearningServices/{scope.kind}/{kind}",
            "systemData": found[-1]["systemData"],
            "properties": {
                "latestVersion": found[0]["name"],
                "nextVersion": str(max(numbers, default=0) + 1),
                "isArchived": all(item["properties"]["isArchived"] for item in found),
                "dataType": found[0]["properties"].get("dataType"),
                "tags": {},
                "properties": {},
            },
        }

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


def _of_kind(handler: Callable[[Call, str], Response | Json], kind: str) -> Callable[[Call], Response | Json]:
    return lambda call: handler(call, kind)


def _in_view(resource: Json, view: str) -> bool:
    archived = bool(resource["properties"]["isArchived"])
    return {"ActiveOnly": not archived, "ArchivedOnly": archived}.get(view, True)
