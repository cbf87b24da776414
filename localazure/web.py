"""What the emulators share of HTTP: refusals, request bodies, pages."""

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

if TYPE_CHECKING:
    from jinja2 import Environment


class Refusal(Exception):
    """A request answered with `status` and the JSON `body`; raised anywhere below a route."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None):
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.headers = status, body, headers


def azure_error(status: int, code: str, message: str) -> Refusal:
    """A refusal in the shape that Azure's services and SDKs share: `{"error": {"code", "message"}}`."""
    return Refusal(status, {"error": {"code": code, "message": message}})


async def refuse(request: Request, error: Exception) -> Response:
    """The exception handler for `Refusal`."""
    if not isinstance(error, Refusal):
        raise error
    return JSONResponse(dict(error.body), error.status, headers=error.headers)


async def json_body(request: Request, limit: int) -> Any:
    """The request's JSON, at most `limit` bytes; refuses with 413 and 400."""
    body = await request.body()
    if len(body) > limit:
        raise azure_error(
            413, "RequestEntityTooLarge", f"The body is {len(body)} bytes; the limit is {limit}."
        )
    try:
        return json.loads(body)
    except ValueError as error:
        raise azure_error(400, "BadRequest", f"The body is not JSON: {error}.") from None


def page(template: str, **values: Any) -> HTMLResponse:
    """Render `templates/<template>`; everything is escaped."""
    return HTMLResponse(_templates().get_template(template).render(**values))


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader  # only a process that shows pages pays for it

    return Environment(
        loader=PackageLoader("localazure"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
