"""Who may send: a token whose bearer holds a role at the service, or a request signed with its access key."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from starlette.requests import Request

from localazure.identity import Tokens
from localazure.web import azure_error

AUDIENCE = "https://communication.azure.com"
SEND = tuple(
    f"Microsoft.Communication/{action}"
    for action in ("CommunicationServices/read", "CommunicationServices/write", "EmailServices/write")
)
READ = SEND[:1]
_SIGNED = "x-ms-date;host;x-ms-content-sha256"
_AUTHORIZATION = re.compile(rf"HMAC-SHA256 SignedHeaders={_SIGNED}&Signature=(?P<signature>\S+)")
_MAX_SKEW_SECONDS = 300


class EmailAccess:
    """`service`: the ARM id of the Communication Services resource; `key`: its access key (base64)."""

    def __init__(self, tokens: Tokens, service: str, key: str):
        self._tokens, self._service, self._key = tokens, service, base64.b64decode(key)
        self._now: Callable[[], float] = lambda: tokens.now()

    async def check(self, request: Request, actions: tuple[str, ...]) -> None:
        """Refuses with 401 whoever may not do all `actions`; the service says `Denied` where a role is missing."""
        if request.headers.get("authorization", "").startswith("HMAC-SHA256 "):
            self._check_signature(request, await request.body())
            return
        claims = self._tokens.authorize(request, AUDIENCE)
        if not all(self._tokens.access.allows(claims, action, self._service) for action in actions):
            raise azure_error(401, "Denied", "Denied by the resource provider.")

    def _check_signature(self, request: Request, body: bytes) -> None:
        match = _AUTHORIZATION.fullmatch(request.headers["authorization"])
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        date = request.headers.get("x-ms-date", "")
        if match is None or not hmac.compare_digest(
            request.headers.get("x-ms-content-sha256", "").encode(), digest.encode()
        ):
            raise _unauthorized(
                f"The request must be signed over {_SIGNED}, and its body's hash must be right."
            )
        target = request.scope["raw_path"].decode()
        if query := request.scope["query_string"].decode():
            target += f"?{query}"
        text = f"{request.method}\n{target}\n{date};{request.headers.get('host', '')};{digest}"
        expected = base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256))
        if not hmac.compare_digest(match["signature"].encode(), expected):
            raise _unauthorized("The signature is not made with the service's access key.")
        self._check_date(date)

    def _check_date(self, text: str) -> None:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            raise _unauthorized(f"x-ms-date: {text!r} is no date.") from None
        if abs((date - datetime.fromtimestamp(self._now(), UTC)).total_seconds()) > _MAX_SKEW_SECONDS:
            raise _unauthorized(
                "The request time is invalid: the time difference between the originating client and the server "
                f"exceeds {_MAX_SKEW_SECONDS // 60} minutes."
            )


def _unauthorized(message: str) -> Exception:
    return azure_error(401, "Unauthorized", message)
