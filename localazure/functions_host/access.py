"""Who may call: the host's one key opens every function, webhook and administrative address."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import Response


class Access:
    def __init__(self, key: str):
        self._key = key.encode()

    def allows(self, request: Request) -> bool:
        """Whether the request carries the key, as header `x-functions-key` or as query `code`."""
        offered = request.headers.get("x-functions-key") or request.query_params.get("code") or ""
        return secrets.compare_digest(offered.encode(), self._key)

    def guard(self, endpoint: Any) -> Any:
        """`endpoint` behind the key: 401 without it."""

        async def guarded(request: Request) -> Response:
            return await endpoint(request) if self.allows(request) else unauthorized()

        return guarded


def unauthorized() -> Response:
    return Response("This address needs the host's key: header x-functions-key or query code.\n", 401)
