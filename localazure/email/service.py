"""The REST of Communication Services e-mail: send, and ask what became of it."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.email.mailbox import Mailbox
from localazure.email.message import MAX_BYTES, Message, first_error
from localazure.identity import Tokens
from localazure.service import Runtime
from localazure.web import azure_error, json_body

AUDIENCE = "https://communication.azure.com"


class Email:
    """Sends nothing anywhere: every mail lands in the mailbox, at once. A repeated `Operation-Id` lands once."""

    def __init__(self, runtime: Runtime, tokens: Tokens):
        self._tokens = tokens
        self._azure = runtime.addresses.azure
        self.mailbox = Mailbox(Documents(runtime.state / "email.db"))

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/emails:send", self._send, methods=["POST"]),
            Route("/emails/operations/{operation}", self._operation),
            *self.mailbox.routes,
        ]

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def _send(self, request: Request) -> Response:
        self._tokens.authorize(request, AUDIENCE)
        operation = _operation_id(request.headers.get("operation-id"))
        try:
            message = Message.model_validate(await json_body(request, MAX_BYTES))
        except ValidationError as error:
            raise azure_error(400, "BadRequest", first_error(error)) from None
        await asyncio.to_thread(self.mailbox.deliver, operation, message, datetime.now(UTC))
        version = request.query_params.get("api-version", "2025-09-01")
        location = f"{self._azure}/emails/operations/{operation}?api-version={version}"
        headers = {"Operation-Location": location, "retry-after": "1"}
        return JSONResponse({"id": operation, "status": "Running", "error": None}, 202, headers)

    async def _operation(self, request: Request) -> Response:
        self._tokens.authorize(request, AUDIENCE)
        operation = request.path_params["operation"]
        if not self.mailbox.has(operation):
            raise azure_error(404, "NotFound", f"There is no operation {operation!r}.")
        return JSONResponse({"id": operation, "status": "Succeeded", "error": None})


def _operation_id(header: str | None) -> str:
    if header is None:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(header))
    except ValueError:
        raise azure_error(400, "BadRequest", f"Operation-Id: {header!r} is not a UUID.") from None
