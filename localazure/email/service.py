"""The REST of Communication Services e-mail: send, and ask what became of it."""

import asyncio
import re
import time
import uuid
from collections.abc import Sequence

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.email.access import READ, SEND, EmailAccess
from localazure.email.mailbox import Mailbox
from localazure.email.message import MAX_BYTES, Message, refused
from localazure.email.operations import Operations
from localazure.identity import Tokens
from localazure.scopes import email_id
from localazure.service import Runtime
from localazure.web import azure_error, json_body

_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")


class Email:
    """Sends nothing anywhere: every mail lands in the mailbox. A repeated `Operation-Id` lands once."""

    def __init__(self, runtime: Runtime, tokens: Tokens):
        settings, documents = runtime.config.email, Documents(runtime.state / "email.db")
        self._azure, self._settings = runtime.addresses.azure, settings
        self._access = EmailAccess(tokens, email_id(runtime.config), runtime.secrets["email_key"])
        self.mailbox = Mailbox(documents)
        self._operations = Operations(settings, documents, self.mailbox, time.time, runtime.faults)

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
        await self._access.check(request, SEND)
        version, operation = _api_version(request), _operation_id(request.headers.get("operation-id"))
        try:
            message = Message.model_validate(await json_body(request, MAX_BYTES))
        except ValidationError as error:
            raise refused(error) from None
        await asyncio.to_thread(self._operations.accept, operation, message)
        location = f"{self._azure}/emails/operations/{operation}?api-version={version}"
        headers = {"Operation-Location": location, **self._retry_after}
        return JSONResponse({"id": operation, "status": "Running", "error": None}, 202, headers)

    async def _operation(self, request: Request) -> Response:
        await self._access.check(request, READ)
        _api_version(request)
        operation = request.path_params["operation"]
        status = self._operations.status(operation)
        if status is None:
            raise azure_error(404, "NotFound", f"There is no operation {operation!r}.")
        return JSONResponse(status, headers=self._retry_after if status["status"] == "Running" else None)

    @property
    def _retry_after(self) -> dict[str, str]:
        return {"retry-after": str(self._settings.retry_after_seconds)}


def _api_version(request: Request) -> str:
    version = request.query_params.get("api-version")
    if version is None:
        raise azure_error(
            400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."
        )
    if not _VERSION.fullmatch(version):
        raise azure_error(
            400, "UnsupportedApiVersionValue", f"Unsupported api-version '{version}': a date is expected."
        )
    return version


def _operation_id(header: str | None) -> str:
    if header is None:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(header))
    except ValueError:
        raise azure_error(400, "BadRequest", f"Operation-Id: {header!r} is not a UUID.") from None
