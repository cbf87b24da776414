"""Mail, through the real SDK into a mailbox."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from busbar.clients.email import Mail
from busbar.domain.errors import BusbarError, Rejected
from tests.azure import LocalAzure


def mailbox(azure: LocalAzure, address: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{azure.url}/mailbox/api/messages", params={"to": address}).raise_for_status()
    return found.json()["messages"]


def test_a_mail_arrives_once_however_often_it_is_sent(local_azure: LocalAzure):
    mail, address = Mail(local_azure.settings), f"{uuid4().hex}@example.com"
    operation = f"approval/train-abc/{address}"
    for _ in range(3):
        mail.send(address, "Please décide", "<p>one link</p>", "one link", operation_id=operation)
    (arrived,) = mailbox(local_azure, address)
    whole = httpx.get(f"{local_azure.url}/mailbox/api/messages/{arrived['id']}").json()
    assert (whole["subject"], whole["text"]) == ("Please décide", "one link")
    assert "one link" in whole["html"]
    mail.send(address, "Another", "<p>x</p>", "x", operation_id=f"{operation}/2")
    assert len(mailbox(local_azure, address)) == 2


def test_a_refused_mail_is_an_error_of_the_domain(local_azure: LocalAzure):
    with pytest.raises((Rejected, BusbarError), match="cannot send mail 'x'"):
        Mail(local_azure.settings).send("not an address", "x", "x", "x", operation_id=str(uuid4()))
