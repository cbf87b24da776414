"""Event Grid's rules of delivery, as documented: what is tried again, when, and when it is given up."""

import random

import httpx

RETRY_SECONDS = (
    10,
    30,
    60,
    300,
    600,
    1800,
    3600,
    10800,
    21600,
    43200,
)  # after the last: 12 h, until it expires
DEAD_LETTER_SECONDS = 300.0  # between the last attempt and the blob
DEAD_LETTER_PATIENCE_SECONDS = 4 * 3600.0  # with a container that cannot be written to
DELIVERED = frozenset({200, 201, 202, 203, 204})

_NEVER_RETRIED = frozenset({400, 403, 413})
_NEVER_RETRIED_AT_WEBHOOKS = _NEVER_RETRIED | {401}
_AT_LEAST_SECONDS = {408: 120, 503: 30}
_AT_LEAST_SECONDS_AT_AZURE = _AT_LEAST_SECONDS | {401: 300, 404: 300}
_RANDOMIZED = 0.1

_OUTCOMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    429: "Busy",
    503: "Busy",
}


def is_final(status: int, is_webhook: bool) -> bool:
    """Whether an answer with `status` ends the delivery; webhooks and Azure's own resources differ."""
    return status in (_NEVER_RETRIED_AT_WEBHOOKS if is_webhook else _NEVER_RETRIED)


def retry_seconds(attempts: int, status: int | None, is_webhook: bool) -> float:
    """How long to wait after the failed attempt number `attempts` (from 1); a little random, never less."""
    scheduled = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
    at_least = (_AT_LEAST_SECONDS if is_webhook else _AT_LEAST_SECONDS_AT_AZURE).get(status or 0, 0)
    return max(scheduled, at_least) * (1 + random.random() * _RANDOMIZED)  # noqa: S311 - spreads load


def outcome(result: int | httpx.HTTPError) -> str:
    """`lastDeliveryOutcome` for a status or for what kept the answer away."""
    if isinstance(result, int):
        return _OUTCOMES.get(result, "GenericError")
    return "TimedOut" if isinstance(result, httpx.TimeoutException) else "SocketError"


def dead_letter_reason(status: int) -> str:
    """`deadLetterReason` for a status that ended a delivery."""
    return f"UndeliverableDueToHttp{ {413: 'RequestEntityTooLarge'}.get(status) or _OUTCOMES[status] }"
