"""How a handler becomes a route: scopes, bearer tokens, JSON bodies, Azure's error shape."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localazure.config import Config
from localazure.web import azure_error

Json = dict[str, Any]

_PROVIDER = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices"
WORKSPACE = f"{_PROVIDER}/workspaces/{{workspace}}"
REGISTRY = f"/mferp/managementfrontend{_PROVIDER}/registries/{{registry}}"


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
        """The scope in the path; refuses with 404 when it is not configured."""
        kind = "workspaces" if "workspace" in self.path else "registries"
        name = self.path["workspace" if kind == "workspaces" else "registry"]
        if scope := known.get(f"{kind}/{name}"):
            return scope
        raise azure_error(
            404, "ResourceNotFound", f"No {kind[:-1] if kind == 'workspaces' else 'registry'} {name!r}."
        )


Handler = Callable[[Call], Response | Json]
Authorize = Callable[[Request], object]


def route(method: str, path: str, handler: Handler, authorize: Authorize) -> Route:
    """`handler` (plain, run in a thread) at `path`. What it returns as a dict is answered with 200."""

    async def endpoint(request: Request) -> Response:
        authorize(request)
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


def anyone(request: Request) -> None:
    """For what Azure serves without a token."""


def _json(raw: bytes, content_type: str) -> Json:
    if not raw or "json" not in content_type:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise azure_error(400, "BadRequest", f"The body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise azure_error(400, "BadRequest", "The body must be a JSON object.")
    return body


def not_found(what: str) -> Exception:
    return azure_error(404, "ResourceNotFound", f"{what} was not found.")


def conflict(message: str) -> Exception:
    return azure_error(409, "UserError", message)
