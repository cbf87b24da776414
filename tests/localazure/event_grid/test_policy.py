"""The documented rules of retries, as a table."""

import httpx
import pytest

from localazure.event_grid import policy


@pytest.mark.parametrize(
    ("attempts", "status", "is_webhook", "seconds"),
    [
        (1, 500, True, 10), (2, 500, True, 30), (3, 500, True, 60), (4, None, True, 300), (5, None, True, 600),
        (6, 500, False, 1800), (7, 500, False, 3600), (8, 500, False, 10800), (9, 500, False, 21600),
        (10, 500, False, 43200), (29, 500, False, 43200),
        (1, 503, True, 30), (1, 408, True, 120), (5, 503, True, 600),
        (1, 404, False, 300), (1, 401, False, 300), (1, 404, True, 10),
    ],
)  # fmt: skip
def test_waits(attempts, status, is_webhook, seconds):
    assert seconds <= policy.retry_seconds(attempts, status, is_webhook) <= seconds * 1.1


@pytest.mark.parametrize(
    ("status", "at_webhooks", "at_azure"),
    [(400, True, True), (401, True, False), (403, True, True), (404, False, False), (408, False, False),
     (413, True, True), (429, False, False), (500, False, False), (503, False, False)],
)  # fmt: skip
def test_what_is_never_tried_again(status, at_webhooks, at_azure):
    assert policy.is_final(status, is_webhook=True) is at_webhooks
    assert policy.is_final(status, is_webhook=False) is at_azure


@pytest.mark.parametrize(
    ("result", "outcome"),
    [(400, "BadRequest"), (401, "Unauthorized"), (403, "Forbidden"), (404, "NotFound"), (413, "PayloadTooLarge"),
     (503, "Busy"), (500, "GenericError"), (302, "GenericError"), (httpx.ReadTimeout(""), "TimedOut"),
     (httpx.ConnectError(""), "SocketError"), (httpx.RemoteProtocolError(""), "SocketError")],
)  # fmt: skip
def test_outcomes(result, outcome):
    assert policy.outcome(result) == outcome


def test_no_other_answer_than_200_to_204_is_a_delivery():
    assert sorted(policy.DELIVERED) == [200, 201, 202, 203, 204]
