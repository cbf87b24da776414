"""Tokens that expire early, a clock that is off, mails that bounce."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.localazure.faults_on_demand.conftest import Stack, client

STORAGE = "https://storage.azure.com/.default"


def test_tokens_that_live_longer_are_refused_and_new_ones_are_short(stack: Stack, ml: Any) -> None:
    from azure.core.exceptions import HttpResponseError

    other = client(stack)
    assert other.environments.get("plain-env", "1.0.0")
    fault = stack.fault("token-expiry", parameters={"seconds": 30}, for_seconds=60)
    with pytest.raises(HttpResponseError, match="expired"):
        other.environments.get("plain-env", "1.0.0")
    fresh = client(stack)
    assert fresh.environments.get("plain-env", "1.0.0")
    token = fresh._credential.get_token(STORAGE)  # a client's credential is the only place of its cache
    assert token.expires_on - time.time() <= 30
    effects = stack.injected(fault)
    assert any("refused" in one for one in effects)
    assert any("resource" in one for one in effects)
    stack.clear()
    assert other.environments.get("plain-env", "1.0.0")


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_a_clock_that_is_off_shows_in_dates_and_tokens(stack: Stack, seconds: int) -> None:
    from azure.identity import DefaultAzureCredential

    stack.fault("clock-skew", parameters={"seconds": seconds})
    date = parsedate_to_datetime(stack.ask("GET", "/api/v3/rate_limit").headers["date"]).timestamp()
    assert date - time.time() == pytest.approx(seconds, abs=60)
    usual = 24 * 3600
    expires = DefaultAzureCredential().get_token(STORAGE).expires_on
    assert expires - time.time() == pytest.approx(usual + seconds, abs=60)
    assert client(stack).environments.get("plain-env", "1.0.0")
    stack.clear()
    date = parsedate_to_datetime(stack.ask("GET", "/api/v3/rate_limit").headers["date"]).timestamp()
    assert date == pytest.approx(time.time(), abs=60)


def test_storage_refuses_a_token_from_the_future(stack: Stack) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    def exists() -> bool:
        with ContainerClient(
            stack.runtime.addresses.storage_ip, "raw", credential=DefaultAzureCredential()
        ) as container:
            return container.exists()

    stack.fault("clock-skew", parameters={"seconds": 7200})
    with pytest.raises(HttpResponseError, match="authent"):
        exists()
    stack.clear()
    assert exists()


def test_a_mail_that_bounces_was_sent_all_the_same(stack: Stack) -> None:
    from azure.communication.email import EmailClient
    from azure.identity import DefaultAzureCredential

    def send(*recipients: str) -> str:
        message = {
            "senderAddress": "DoNotReply@example.com",
            "recipients": {"to": [{"address": one} for one in recipients]},
            "content": {"subject": "Forecast", "plainText": "Forecast"},
        }
        with EmailClient(stack.runtime.addresses.azure, DefaultAzureCredential()) as mail:
            return mail.begin_send(message).result()["status"]

    def arrived(address: str) -> int:
        found = stack.ask("GET", "/mailbox/api/messages", params={"to": address}).json()
        return len(found["messages"])

    fault = stack.fault("bounce", where={"recipient": "gone@*"}, times=2)
    assert send("gone@example.com") == "Succeeded"
    assert arrived("gone@example.com") == 0
    assert send("gone@example.com", "here@example.com") == "Succeeded"
    assert arrived("here@example.com") == 1
    assert [one["recipient"] for one in stack.injected(fault)] == ["gone@example.com"] * 2
    assert send("gone@example.com") == "Succeeded"
    assert arrived("gone@example.com") >= 1
