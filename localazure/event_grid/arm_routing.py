"""What Event Grid's resources share in ARM: paths, tokens, api-versions, answers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localazure.event_grid.access import authorize_management
from localazure.event_grid.sources import WORKSPACES
from localazure.identity import Tokens
from localazure.service import Runtime
from localazure.web import azure_error, json_body

Json = dict[str, Any]

VERSIONS = (
    "2018-01-01", "2019-01-01", "2019-06-01", "2020-06-01", "2021-12-01", "2022-06-15", "2025-02-15",
)  # fmt: skip
_BODY_LIMIT = 4 * 1024 * 1024
PROVIDER = "/providers/Microsoft.EventGrid"
SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
TOPIC = f"{GROUP}{PROVIDER}/topics/{{topic}}"
SYSTEM_TOPIC = f"{GROUP}{PROVIDER}/systemTopics/{{system_topic}}"
WORKSPACE = f"{GROUP}/providers/{WORKSPACES}/{{workspace}}"
RESULTS = f"{PROVIDER}/locations/{{location}}/operationResults"
# Where subscriptions hang: in a topic, or as an extension of any source.
PARENTS = (TOPIC, SYSTEM_TOPIC, f"{TOPIC}{PROVIDER}", f"{WORKSPACE}{PROVIDER}")


@dataclass(frozen=True)
class Call:
    """A request to a resource: the parameters of its path, the id that is its path, and its JSON body."""

    path: Mapping[str, str]
    id: str
    body: Json


Handler = Callable[[Call], Awaitable[Response]]
Row = tuple[str, str, Handler]


class Routing:
    """Makes routes of handlers: each request carries a token for management, and a known api-version."""

    def __init__(self, runtime: Runtime, tokens: Tokens):
        self._azure, self._tokens = runtime.addresses.azure, tokens
        self._subscription = runtime.config.subscription_id

    def route(self, method: str, path: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            authorize_management(request, self._azure, self._tokens)
            _check_version(request)
            self._check_subscription(request.path_params["subscription"])
            body = await json_body(request, _BODY_LIMIT) if await request.body() else {}
            if not isinstance(body, dict):
                raise azure_error(400, "InvalidRequestContent", "The body must be a JSON object.")
            return await handler(Call(request.path_params, request.url.path.rstrip("/"), body))  # pyright: ignore[reportUnknownArgumentType] - JSON

        return Route(path, endpoint, methods=[method])

    def _check_subscription(self, id: str) -> None:
        if id.lower() != self._subscription.lower():
            raise azure_error(404, "SubscriptionNotFound", f"The subscription '{id}' could not be found.")


def collection(path: str, handler: Handler) -> list[Row]:
    """The lists of a subscription and of a resource group."""
    return [("GET", f"{SUBSCRIPTION}{path}", handler), ("GET", f"{GROUP}{path}", handler)]


def _check_version(request: Request) -> None:
    version = request.query_params.get("api-version")
    if not version:
        raise azure_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if version not in VERSIONS and not version.endswith("-preview"):
        raise azure_error(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' for 'Microsoft.EventGrid'. "
            f"The supported api-versions are '{', '.join(VERSIONS)}'.",
        )


def is_in(call: Call, group: str) -> bool:
    return call.path.get("group", group).lower() == group.lower()


def listed(resources: Iterable[Json]) -> Response:
    return JSONResponse({"value": list(resources), "nextLink": None})


def not_found(kind: str, name: str, group: str) -> Exception:
    return azure_error(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )
