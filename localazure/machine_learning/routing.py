"""How a handler becomes a route: scopes, bearer tokens, api-versions, JSON bodies, Azure's error shape."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localazure.config import Config
from localazure.machine_learning import api_versions, etags
from localazure.web import azure_error

Json = dict[str, Any]

_PROVIDER = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices"
_MFE = "/mferp/managementfrontend"
WORKSPACE = f"{_PROVIDER}/workspaces/{{workspace}}"
REGISTRY = f"{_MFE}{_PROVIDER}/registries/{{registry}}"


@dataclass(frozen=True)
class Scope:
    """The workspace or registry that owns a resource. `key` begins the documents' keys."""

    kind: Literal["workspaces", "registries"]
    name: str
    subscription: str
    group: str

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/{self.kind}/{self.name}"
        )

    @property
    def container(self) -> str:
        """The blob container of the workspace's default datastore, or of the registry's assets."""
        return f"azureml-{self.name}" if self.kind == "workspaces" else f"registry-{self.name}"

    def asset_id(self, kind: str, name: str, version: str) -> str:
        if self.kind == "registries":
            return f"azureml://registries/{self.name}/{kind}/{name}/versions/{version}"
        return f"{self.arm_id}/{kind}/{name}/versions/{version}"


def scopes(config: Config) -> dict[str, Scope]:
    """Every configured workspace and registry by its key."""
    found = [
        Scope("workspaces", item.name, config.subscription_id, item.resource_group)
        for item in config.workspaces
    ]
    found += [
        Scope("registries", item.name, config.subscription_id, item.resource_group)
        for item in config.registries
    ]
    return {scope.key: scope for scope in found}


@dataclass(frozen=True)
class Call:
    """One authorized request as a handler sees it; `body` is {} when the request has none."""

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    raw: bytes
    url_path: str

    def scope(self, known: Mapping[str, Scope]) -> Scope:
        """The scope in the path, whatever its case; refuses with 404 one that is not configured, as ARM does."""
        kind = "workspaces" if "workspace" in self.path else "registries"
        name = self.path["workspace" if kind == "workspaces" else "registry"]
        if "subscription" in self.path:
            _check_group(self.path["subscription"], self.path["group"], known.values())
        for scope in known.values():
            if (scope.kind, scope.name.lower()) == (kind, name.lower()) and self._is_in(scope):
                return scope
        raise azure_error(
            404,
            "ResourceNotFound",
            f"The Resource 'Microsoft.MachineLearningServices/{kind}/{name}' under resource group "
            f"'{self.path.get('group', '')}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
        )

    def _is_in(self, scope: Scope) -> bool:
        return self.path.get("group", scope.group).lower() == scope.group.lower()

    def required(self, *path: str) -> Any:
        """The value at `path` of the body; refuses with 400 a body that lacks it, naming the property."""
        value: Any = self.body
        for name in path:
            if not isinstance(value, dict) or value.get(name) is None:  # pyright: ignore[reportUnknownMemberType] - JSON
                raise missing_field(".".join(path))
            value = value[name]
        return value


def _check_group(subscription: str, group: str, known: Iterable[Scope]) -> None:
    scopes = list(known)
    try:
        uuid.UUID(subscription)
    except ValueError:
        raise azure_error(
            400,
            "InvalidSubscriptionId",
            f"The provided subscription identifier '{subscription}' is malformed or invalid.",
        ) from None
    if subscription.lower() not in {scope.subscription.lower() for scope in scopes}:
        raise azure_error(
            404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found."
        )
    if group.lower() not in {scope.group.lower() for scope in scopes}:
        raise azure_error(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


Handler = Callable[[Call], Response | Json]
Authorize = Callable[[Request], object]


@dataclass(frozen=True)
class Principal:
    """Who sent a request, in the words of ARM's systemData."""

    name: str
    kind: Literal["User", "Application", "ManagedIdentity"]


_EMULATOR = Principal("localazure", "Application")
# Of the request that is being handled; what the emulator does on its own account is done by itself.
principal: ContextVar[Principal] = ContextVar("principal", default=_EMULATOR)


def route(method: str, path: str, handler: Handler, authorize: Authorize) -> Route:
    """`handler` (plain, run in a thread) at `path`. What it returns as a dict is answered with 200."""
    known, kind = _versions_of(path), _resource_type(path)

    async def endpoint(request: Request) -> Response:
        _remember(authorize(request))
        if known:
            api_versions.check_api_version(request.query_params, known, kind)
        raw = await request.body()
        call = Call(
            method=request.method,
            path=request.path_params,
            query=request.query_params,
            headers=request.headers,
            body=_json(raw, request.headers.get("content-type", "")),
            raw=raw,
            url_path=request.url.path,
        )
        answer = await run_in_threadpool(handler, call)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return Route(path, endpoint, methods=[method], name=f"{method} {path}")


def resource_routes(table: Iterable[tuple[str, str, Handler]], authorize: Authorize) -> tuple[Route, ...]:
    """The routes of ARM resources: their GETs carry an ETag, their PUTs and DELETEs mind If-Match and If-None-Match."""
    rows = tuple(table)
    readers = {path: handler for method, path, handler in rows if method == "GET"}

    def guarded(method: str, path: str, handler: Handler) -> Handler:
        if method == "GET":
            return lambda call: etags.tagged(handler(call))
        read = readers.get(path)
        if read is None or method not in ("PUT", "DELETE"):
            return handler
        return lambda call: etags.unless_changed(call.headers, lambda: read(call), lambda: handler(call))

    return tuple(
        route(method, path, guarded(method, path, handler), authorize) for method, path, handler in rows
    )


def _versions_of(path: str) -> tuple[str, ...]:
    """The api-versions that a path takes; none where it is no resource manager's: scoring, history, MLflow."""
    if path.startswith(f"{_MFE}{_PROVIDER}"):
        return (*api_versions.DATA_PLANE, *api_versions.MANAGEMENT)
    is_scoring = path.endswith("Endpoints/{endpoint}/jobs")
    return api_versions.MANAGEMENT if path.startswith("/subscriptions/") and not is_scoring else ()


def _resource_type(path: str) -> str:
    return "/".join(path.partition("Microsoft.MachineLearningServices/")[2].split("/")[::2])


def _remember(claims: object) -> None:
    """Note who calls, where `authorize` gives the token's claims."""
    if not isinstance(claims, Mapping):
        return
    found: dict[str, Any] = dict(claims)  # pyright: ignore[reportUnknownArgumentType] - claims are JSON
    if user := found.get("upn") or found.get("unique_name"):
        principal.set(Principal(str(user), "User"))
    elif found.get("xms_mirid"):
        principal.set(Principal(str(found.get("oid")), "ManagedIdentity"))
    else:
        principal.set(Principal(str(found.get("appid")), "Application"))


def anyone(request: Request) -> None:
    """For what Azure serves without a token."""


def _json(raw: bytes, content_type: str) -> Json:
    if not raw or "json" not in content_type:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise azure_error(
            400,
            "InvalidRequestContent",
            f"The request content was invalid and could not be deserialized: '{error}'.",
        ) from None
    if not isinstance(body, dict):
        raise azure_error(
            400, "InvalidRequestContent", "The request content was invalid: a JSON object is expected."
        )
    return body  # pyright: ignore[reportUnknownVariableType] - JSON


def missing_field(name: str) -> Exception:
    return azure_error(
        400, "UserError", f"Request is invalid and/or missing fields. The {name} field is required."
    )


def not_found(what: str) -> Exception:
    return azure_error(404, "ResourceNotFound", f"{what} was not found.")


def conflict(message: str) -> Exception:
    return azure_error(409, "UserError", message)
