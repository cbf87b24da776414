"""Pushes that git hosts announce: verified, read, and published as one event of our own."""

import logging
from collections.abc import Mapping

from busbar.domain.errors import BadRequest
from busbar.domain.events import EventType
from busbar.inbound.busbar_events import event_id, to_event_data
from busbar.inbound.github import read_push, verify_signature
from busbar.web.reply import Reply, header
from busbar.web.shapes import Publisher, WebhookSettings

log = logging.getLogger("busbar")


def github(headers: Mapping[str, str], body: bytes, *, settings: WebhookSettings, events: Publisher) -> Reply:
    """POST /api/webhooks/github: 401 wrongly signed, 400 malformed, 202 published, 503 where we cannot publish."""
    if not verify_signature(settings.webhook_secret, body, header(headers, "X-Hub-Signature-256")):
        return Reply.json(
            401, {"error": "X-Hub-Signature-256: missing, or not made with this webhook's secret"}
        )
    if header(headers, "X-GitHub-Event") == "ping":
        return Reply.json(200, {"ignored": "ping"})
    try:
        push = read_push(headers, body)
    except BadRequest as error:
        return Reply.json(400, {"error": str(error), "field": error.field})
    if push is None:
        return Reply.json(202, {"ignored": header(headers, "X-GitHub-Event")})
    published = event_id(push)
    try:
        events.publish(EventType.REPOSITORY_PUSHED, push.repository, to_event_data(push), id=published)
    except Exception:
        log.exception("a push to %s could not be published", push.branch)
        return Reply.json(
            503, {"error": "the push could not be published: send it again"}, {"Retry-After": "30"}
        )
    return Reply.json(202, {"event": published, "branch": push.branch, "commit": push.after})
