"""How a webhook proves that it wants events: the validation event of Event Grid's schema, OPTIONS of CloudEvents'."""

import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

ORIGIN = "eventgrid.azure.net"


class HandshakeError(Exception):
    """The webhook refused or did not answer; the message says how."""


@dataclass(frozen=True)
class Invitation:
    """What a webhook is asked to confirm: a subscription's name, its topic's id, and the URL that a GET of which also
    confirms it."""

    subscription: str
    topic_id: str
    validation_url: str


async def validate(http: httpx.AsyncClient, url: str, invitation: Invitation, is_cloud: bool) -> bool:
    """Whether `url` agreed at once; False: it took the question and may still answer by the validation URL.

    Raises `HandshakeError`.
    """
    try:
        return await (_options if is_cloud else _event)(http, url, invitation)
    except httpx.HTTPError as error:
        raise HandshakeError(f"{url} did not answer: {type(error).__name__}") from error


async def _event(http: httpx.AsyncClient, url: str, invitation: Invitation) -> bool:
    code = str(uuid.uuid4())
    event = {
        "id": str(uuid.uuid4()),
        "topic": invitation.topic_id,
        "subject": "",
        "data": {"validationCode": code, "validationUrl": invitation.validation_url},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    headers = {
        "aeg-event-type": "SubscriptionValidation",
        "aeg-subscription-name": invitation.subscription.upper(),
    }
    answer = await http.post(url, json=[event], headers=headers)
    if answer.status_code != 200:
        raise HandshakeError(f"{url} answered {answer.status_code}, not 200")
    return secrets.compare_digest(_said(answer).encode(), code.encode())


def _said(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    return str(body.get("validationResponse", "")) if isinstance(body, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # JSON


async def _options(http: httpx.AsyncClient, url: str, invitation: Invitation) -> bool:
    headers = {"webhook-request-origin": ORIGIN, "webhook-request-callback": invitation.validation_url}
    answer = await http.options(url, headers=headers)
    if not answer.is_success:
        raise HandshakeError(f"{url} answered {answer.status_code} to OPTIONS")
    return answer.headers.get("webhook-allowed-origin") in ("*", ORIGIN)
