"""Who may publish (a token, a topic's key, a shared access signature) and who may manage."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from localazure.event_grid.sources import TopicRecord
from localazure.identity import Tokens
from localazure.identity.actions import resource_need
from localazure.web import azure_error

AUDIENCE = "https://eventgrid.azure.net"
MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
_TIMES = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S")  # what .NET writes


SEND = "Microsoft.EventGrid/events/send/action"


def authorize_publisher(
    request: Request, topic: TopicRecord, topic_id: str, endpoint: str, tokens: Tokens
) -> None:
    """Refuses with 401 a request that may not publish to `topic`, which listens at `endpoint`, and with 403 a token
    whose bearer is no data sender there."""
    key = request.headers.get("aeg-sas-key") or request.query_params.get("aeg-sas-key")
    signature = request.headers.get("aeg-sas-token") or _authorization(request, "sharedaccesssignature")
    if key is not None:
        if not any(_same(key, known) for known in topic.keys):
            raise _unauthorized("The request authorization key is not authorized for the topic.")
    elif signature:
        _check_signature(signature, topic.keys, endpoint)
    elif not tokens.access.allows(tokens.authorize(request, AUDIENCE), SEND, topic_id, data=True):
        raise azure_error(
            403,
            "Forbidden",
            "The principal associated with access token presented with the incoming request does not have permission "
            f"to send data to {topic_id}.",
        )


def authorize_management(request: Request, azure: str, tokens: Tokens) -> None:
    """Refuses with 401 a request without a token for Azure's management, and with 403 one that no role allows."""
    need = resource_need(request.method, request.url.path)
    tokens.access.check(tokens.authorize(request, azure, *MANAGEMENT), need.action, need.scope)


def _authorization(request: Request, wanted: str) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() == wanted else ""


def _check_signature(token: str, keys: Sequence[str], endpoint: str) -> None:
    signed, _, signature = token.partition("&s=")
    fields = dict(parse_qsl(signed))
    resource = fields.get("r", "").partition("?")[0].rstrip("/").lower()
    if not any(_same(unquote(signature), _sign(key, signed)) for key in keys):
        raise _unauthorized("The signature of the shared access signature is not the topic's.")
    if not resource or not f"{endpoint.lower()}/".startswith(f"{resource}/"):
        raise _unauthorized("The shared access signature is for another resource.")
    if _expiry(fields.get("e", "")) <= datetime.now(UTC):
        raise _unauthorized("The shared access signature has expired.")


def _sign(key: str, text: str) -> str:
    try:
        secret = base64.b64decode(key)
    except binascii.Error:
        return ""
    return base64.b64encode(hmac.digest(secret, text.encode(), hashlib.sha256)).decode()


def _expiry(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = _expiry_of_dotnet(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _expiry_of_dotnet(text: str) -> datetime:
    for form in _TIMES:
        try:
            return datetime.strptime(text.replace("\u202f", " "), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise _unauthorized(f"The shared access signature's expiry, {text!r}, is no time.")


def _same(one: str, other: str) -> bool:
    return bool(other) and hmac.compare_digest(one.encode(), other.encode())


def _unauthorized(message: str) -> Exception:
    return azure_error(401, "Unauthorized", message)
