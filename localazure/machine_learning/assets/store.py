"""Versions of assets and their containers, as documents: what is immutable, archived, visible, the latest."""

import hashlib
import time
from typing import Any

from localazure.machine_learning.assets.references import parse_asset
from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.routing import Json, Scope, conflict, not_found
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


def read_asset(context: Context, scope: Scope, kind: str, name: str, version: str) -> Json:
    """The stored resource; refuses with 404 when it is unknown or (in a registry) not yet visible."""
    document = context.documents.get(f"assets/{kind}", f"{scope.key}/{name}/{version}")
    if document is None or document["visible_at"] > time.time():
        raise not_found(f"{kind} {name}:{version} of {scope.name}")
    return _shown(document["resource"], _container(context, scope, kind, name))


def write_asset(
    context: Context, scope: Scope, kind: str, name: str, version: str, properties: Json, delay: float = 0.0
) -> tuple[Json, bool]:
    """Register or update a version and say whether it is new; other content under a taken version is a 409.

    `delay`: seconds until a registry shows it.
    """
    key = f"{scope.key}/{name}/{version}"
    with context.documents.transaction():
        known = context.documents.get(f"assets/{kind}", key)
        container = _container(context, scope, kind, name) or write_container(context, scope, kind, name, {})
        old = known["resource"] if known else None
        if old:
            _check_same(context, scope, kind, f"{name}:{version}", old["properties"], properties)
            _check_restored(name, container, properties)
        resource = _resource(scope, kind, name, version, properties, old)
        now = time.time()
        document = {
            "resource": resource,
            "created": known["created"] if known else now,
            "visible_at": known["visible_at"] if known else now + delay,
        }
        context.documents.put(f"assets/{kind}", key, document)
    return _shown(resource, container), known is None


def write_container(context: Context, scope: Scope, kind: str, name: str, properties: Json) -> Json:
    """What is said of all versions of `name`: archived, description, tags."""
    known = _container(context, scope, kind, name)
    container: Json = {
        "systemData": system_data(old=known["systemData"] if known else None),
        "properties": {
            "description": properties.get("description"),
            "tags": properties.get("tags") or {},
            "properties": properties.get("properties") or {},
            "isArchived": bool(properties.get("isArchived")),
        },
    }
    context.documents.put(f"containers/{kind}", f"{scope.key}/{name}", container)
    return container


def read_container(context: Context, scope: Scope, kind: str, name: str) -> Json | None:
    """The container as ARM shows it, with its latest and next version; None where nothing shows."""
    container, found = _container(context, scope, kind, name), versions(context, scope, kind, name)
    if container is None or (not found and context.documents.list(f"assets/{kind}", f"{scope.key}/{name}/")):
        return None
    numbers = [int(item["name"]) for item in found if item["name"].isdigit()]
    latest = next(
        (item for item in found if not item["properties"]["isArchived"]), found[0] if found else None
    )
    properties = {
        **container["properties"],
        "latestVersion": latest["name"] if latest else None,
        "nextVersion": str(max(numbers, default=0) + 1),
    }
    if kind == "data" and latest:
        properties["dataType"] = latest["properties"]["dataType"]
    return {
        "id": scope.asset_id(kind, name, "").removesuffix("/versions/"),
        "name": name,
        "type": f"Microsoft.MachineLearningServices/{scope.kind}/{kind}",
        "systemData": container["systemData"],
        "properties": properties,
    }


def containers(context: Context, scope: Scope, kind: str) -> list[Json]:
    """Every container that shows, by name."""
    keys = [key for key, _ in context.documents.list(f"containers/{kind}", f"{scope.key}/")]
    found = [read_container(context, scope, kind, key.removeprefix(f"{scope.key}/")) for key in keys]
    return [item for item in found if item]


def versions(context: Context, scope: Scope, kind: str, name: str) -> list[Json]:
    """The visible versions of `name`, the newest first."""
    container, now = _container(context, scope, kind, name), time.time()
    stored = context.documents.list(f"assets/{kind}", f"{scope.key}/{name}/")
    visible = [document for _, document in stored if document["visible_at"] <= now]
    newest = sorted(visible, key=lambda item: item["created"], reverse=True)
    return [_shown(document["resource"], container) for document in newest]


def code_hash(code: Json) -> str | None:
    return (code["properties"].get("properties") or {}).get("hash_sha256")


def code_of_hash(context: Context, scope: Scope, wanted: str) -> list[Json]:
    """The snapshot with this content, whatever name its client thought of."""
    stored = context.documents.list("assets/codes", f"{scope.key}/")
    return [item["resource"] for _, item in stored if code_hash(item["resource"]) == wanted][:1]


def code_container(scope: Scope, name: str, version: str) -> str:
    """Each snapshot has a blob container of its own, as on Azure: equally named folders never mix."""
    return "code-" + hashlib.sha256(f"{scope.key}/{name}/{version}".encode()).hexdigest()[:32]


def _container(context: Context, scope: Scope, kind: str, name: str) -> Json | None:
    return context.documents.get(f"containers/{kind}", f"{scope.key}/{name}")


def _check_same(context: Context, scope: Scope, kind: str, asset: str, old: Json, new: Json) -> None:
    if _content(context, scope, kind, old) != _content(context, scope, kind, new):
        changed = [name for name in CONTENT[kind] if old.get(name) != new.get(name)]
        raise conflict(
            f"{kind} {asset} is already registered in {scope.name} and is immutable: its {', '.join(changed)} cannot "
            "be changed. Only tags, description, and isArchived can be updated; for other content use a new version."
        )


def _check_restored(name: str, container: Json, properties: Json) -> None:
    if container["properties"]["isArchived"] and properties.get("isArchived") is False:
        raise azure_error(
            400, "UserError", f"All of {name} is archived: restore the container, not one of its versions."
        )


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


def _resource(scope: Scope, kind: str, name: str, version: str, properties: Json, old: Json | None) -> Json:
    stage = {"stage": old["properties"]["stage"]} if old and old["properties"].get("stage") else {}
    return {
        "id": scope.asset_id(kind, name, version),
        "name": version,
        "type": f"Microsoft.MachineLearningServices/{scope.kind}/{kind}/versions",
        "systemData": system_data(old=old["systemData"] if old else None),
        "properties": {
            "tags": {},
            "properties": {},
            "isArchived": False,
            "isAnonymous": False,
            **stage,
            **properties,
            **({} if kind == "data" else {"provisioningState": "Succeeded"}),  # the one kind without it
        },
    }


def _shown(resource: Json, container: Json | None) -> Json:
    """A version of an archived container is archived, whatever was said of itself."""
    if container is None or not container["properties"]["isArchived"]:
        return resource
    return {**resource, "properties": {**resource["properties"], "isArchived": True}}
