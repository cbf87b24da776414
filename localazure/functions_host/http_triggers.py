"""Serves the HTTP triggers of an app."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from localazure.functions_host.access import Access, unauthorized
from localazure.functions_host.messages import TypedData
from localazure.functions_host.report import report_failure
from localazure.functions_host.settings import resolve
from localazure.functions_host.templates import Template
from localazure.functions_host.worker import Function, InvocationFailed, Worker

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HttpRoute:
    """Where an HTTP-triggered function is served; no methods means all of them."""

    function: Function
    template: Template
    methods: frozenset[str]
    anonymous: bool


def http_routes(functions: Iterable[Function], prefix: str) -> list[HttpRoute]:
    """The routes of `functions`, the most specific first."""
    routes = [_route(function, prefix) for function in functions]
    return sorted(routes, key=lambda route: route.template.precedence)


def _route(function: Function, prefix: str) -> HttpRoute:
    trigger = function.trigger
    path = resolve(trigger.get("route") or function.name)  # an empty route is the name on Azure, too
    return HttpRoute(
        function,
        Template.compile("/".join(part for part in (prefix, path.strip("/")) if part)),
        frozenset(str(method).upper() for method in trigger.get("methods") or ()),
        str(trigger.get("authLevel", "FUNCTION")).upper() == "ANONYMOUS",
    )


class HttpTriggers:
    """The endpoint behind all addresses that are not the host's own."""

    def __init__(self, routes: list[HttpRoute], worker: Worker, access: Access):
        self._routes, self._worker, self._access = routes, worker, access

    async def serve(self, request: Request) -> Response:
        """404 when no route fits path and method (as on Azure), 401 without the key, 500 for a failure."""
        for route in self._routes:
            parameters = route.template.match(request.url.path)
            if parameters is not None and (not route.methods or request.method in route.methods):
                if not route.anonymous and not self._access.allows(request):
                    return unauthorized()
                return await self._invoke(route.function, request, parameters)
        return Response(status_code=404)

    async def _invoke(self, function: Function, request: Request, parameters: dict[str, str]) -> Response:
        message = SimpleNamespace(
            method=request.method,
            url=str(request.url),
            headers=_joined(request.headers.items()),
            params=parameters,
            query=_joined(request.query_params.multi_items()),
            body=TypedData(bytes=await request.body()),
        )
        try:
            returned = await self._worker.invoke(function, TypedData(http=message))
        except InvocationFailed as error:
            report_failure(_log, error)
            return Response(status_code=500)
        return _response(returned)


def _joined(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names as one value with commas, as Azure's host hands them over."""
    joined: dict[str, str] = {}
    for name, value in items:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _response(returned: TypedData | None) -> Response:
    if returned is None:
        return Response(status_code=204)
    if returned.kind != "http":
        return PlainTextResponse(returned.value)
    http = returned.value
    body = http.body.value if http.body is not None else b""
    headers = {name: value for name, value in http.headers.items() if name.lower() != "content-length"}
    response = Response(body, int(http.status_code), headers)
    for cookie in http.cookies or ():
        _set_cookie(response, cookie)
    return response


_SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


def _set_cookie(response: Response, cookie: Any) -> None:
    def value_of(field: str) -> Any:
        nullable = getattr(cookie, field)
        return nullable.value if nullable is not None else None

    age = value_of("max_age")
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=int(age) if age else None,
        expires=value_of("expires"),
        path=value_of("path") or "/",
        domain=value_of("domain") or None,
        secure=bool(value_of("secure")),
        httponly=bool(value_of("http_only")),
        samesite=_SAME_SITE.get(cookie.same_site),  # pyright: ignore[reportArgumentType] - the table's own words
    )
