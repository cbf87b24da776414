"""Requests that no route serves: below an Azure path a loud 501 that is logged, counted and listed; elsewhere 404."""

import logging
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route

from localazure.web import azure_error, refuse

PATH = "/admin/unimplemented"

# Where Azure's services answer, in lower case. The git host's paths are its own: GitHub says 404.
_AZURE = (
    "/subscriptions", "/providers/", "/tenants", "/mferp/", "/registrymanagement/", "/discovery/", "/metadata/",
    "/history/", "/mlflow/", "/artifact/", "/execution/", "/experimentation/", "/modelregistry/", "/pipelines/",
    "/studioservice/", "/topics/", "/emails", "/msi/",
)  # fmt: skip
_KEPT = 1000  # distinct requests: someone may walk through a million names

_log = logging.getLogger("localazure.unimplemented")


class Unimplemented:
    """What was asked for and is not there, since the start, by method, path and api-version."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (Route(PATH, self._list, methods=["GET"]),)

    @property
    def requests(self) -> list[dict[str, str | int]]:
        """`{"method", "path", "api_version", "count"}` each, the most frequent first."""
        return [
            {"method": method, "path": path, "api_version": version, "count": count}
            for (method, path, version), count in self._seen.most_common()
        ]

    async def no_route(self, request: Request, _: Exception) -> Response:
        """The handler of Starlette's 404."""
        path, version = quote(request.scope["path"]), request.query_params.get("api-version", "")
        if not path.lower().startswith(_AZURE):
            return JSONResponse(
                {"error": {"code": "NotFound", "message": f"There is nothing at {path}."}}, 404
            )
        key = (request.method, path, version)
        if key in self._seen or len(self._seen) < _KEPT:
            self._seen[key] += 1
        asked = f"{request.method} {path} (api-version {quote(version) or 'not given'})"
        _log.warning("501: %s is not implemented", asked)
        message = f"localazure does not implement {asked}. What it serves is listed in localazure/README.md."
        return await refuse(request, azure_error(501, "NotImplemented", message))

    async def _list(self, _: Request) -> Response:
        return JSONResponse({"value": self.requests})


async def wrong_method(request: Request, error: Exception) -> Response:
    """The handler of Starlette's 405, which knows the methods of the first route of the path alone."""
    if not isinstance(error, HTTPException):
        raise error
    allowed = ", ".join(sorted(_methods(request)))
    message = f"{request.method} is not allowed at {request.url.path}; allowed are {allowed}."
    refusal = azure_error(405, "MethodNotAllowed", message)
    refusal.headers = {"Allow": allowed}
    return await refuse(request, refusal)


def _methods(request: Request) -> set[str]:
    routes: list[BaseRoute] = request.app.routes
    found = (
        route.methods or set[str]()
        for route in routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return {method for methods in found for method in methods}
