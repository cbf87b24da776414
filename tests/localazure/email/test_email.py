"""Sending with the real SDK; the mailbox as a page and as an API."""

import uuid

import pytest
from azure.communication.email import EmailClient
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential

from localazure.config import Config
from localazure.email import Email
from localazure.identity import Identity

HTML = "<h1>Approve</h1><a href='https://example.com/x?a=1&b=2'>open</a><script>alert(1)</script>"


def emulators(runtime):
    identity = Identity(runtime)
    return [identity, Email(runtime, identity.tokens)]


@pytest.fixture
def azure(make_runtime, serve):
    runtime = make_runtime(Config())
    return serve(runtime, emulators(runtime))


@pytest.fixture
def client(azure):
    return EmailClient(azure.runtime.addresses.azure, DefaultAzureCredential())


def a_mail(to="ml-lead@example.com", subject="Approval", **content):
    return {
        "senderAddress": "DoNotReply@example.com",
        "recipients": {
            "to": [{"address": to, "displayName": "Lead"}],
            "cc": [{"address": "copy@example.com"}],
        },
        "content": {"subject": subject, "html": HTML, "plainText": "plain"} | content,
    }


def mailbox(azure, **query):
    return azure.http.get("/mailbox/api/messages", params=query).json()["messages"]


def test_a_mail_arrives_exactly_as_it_was_sent(azure, client):
    result = client.begin_send(a_mail()).result()
    assert result["status"] == "Succeeded"
    [mail] = mailbox(azure)
    assert mail["id"] == result["id"]
    assert mail["subject"] == "Approval"
    assert mail["to"] == ["ml-lead@example.com"]
    assert mail["cc"] == ["copy@example.com"]
    assert mail["from"] == "DoNotReply@example.com"
    full = azure.http.get(f"/mailbox/api/messages/{mail['id']}").json()
    assert full["html"] == HTML
    assert full["text"] == "plain"


def test_a_repeated_operation_lands_once(azure, client):
    operation = str(uuid.uuid5(uuid.NAMESPACE_URL, "approval/1"))
    for _ in range(2):
        assert client.begin_send(a_mail(), operation_id=operation).result()["id"] == operation
    client.begin_send(a_mail()).result()
    assert len(mailbox(azure)) == 2


def test_the_mailbox_is_newest_first_and_can_be_narrowed(azure, client):
    for number in range(3):
        client.begin_send(a_mail(to=f"p{number % 2}@example.com", subject=f"mail {number}")).result()
    newest, middle, oldest = mailbox(azure)
    assert [newest["subject"], middle["subject"], oldest["subject"]] == ["mail 2", "mail 1", "mail 0"]
    assert [mail["subject"] for mail in mailbox(azure, to="P0@example.com")] == ["mail 2", "mail 0"]
    assert mailbox(azure, to="copy@example.com") == [newest, middle, oldest]
    assert mailbox(azure, since=oldest["received"]) == [newest, middle]
    assert azure.http.get("/mailbox/api/messages", params={"since": "2026-01-01"}).status_code == 400


def test_pages_show_mails_and_keep_their_scripts_locked_in(azure, client):
    client.begin_send(a_mail(subject="<b>bold</b>")).result()
    [mail] = mailbox(azure)
    listing = azure.http.get("/mailbox").text
    assert "&lt;b&gt;bold&lt;/b&gt;" in listing
    assert f'href="/mailbox/{mail["id"]}"' in listing
    shown = azure.http.get(f"/mailbox/{mail['id']}").text
    assert "sandbox=" in shown
    assert "ml-lead@example.com" in shown
    assert "alert" not in shown
    html = azure.http.get(f"/mailbox/{mail['id']}/html")
    assert html.text.endswith(HTML)
    policy = html.headers["content-security-policy"]
    assert policy.startswith("sandbox")
    assert "allow-scripts" not in policy
    assert azure.http.get("/mailbox/unknown").status_code == 404


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"senderAddress": "nobody"}, "senderAddress"),
        ({"recipients": {"to": []}}, "recipient"),
        ({"recipients": {"to": [{"address": "nobody"}]}}, "recipients.to.0.address"),
        ({"content": {"subject": "s"}}, "plainText"),
        ({"content": {"html": "x"}}, "content.subject"),
    ],
)
def test_what_is_wrong_is_refused_and_named(azure, client, change, named):
    with pytest.raises(HttpResponseError, match=named) as refused:
        client.begin_send(a_mail() | change)
    assert refused.value.status_code == 400
    assert mailbox(azure) == []


def test_no_token_no_mail_and_no_odd_operation(azure, client):
    assert azure.http.post("/emails:send", json=a_mail()).status_code == 401
    with pytest.raises(HttpResponseError, match="UUID"):
        client.begin_send(a_mail(), operation_id="approval/1")


def test_mails_survive_a_restart(make_runtime, serving_again, serve):
    runtime = make_runtime(Config())
    first = serve(runtime, emulators(runtime))
    EmailClient(first.runtime.addresses.azure, DefaultAzureCredential()).begin_send(a_mail()).result()
    again = emulators(runtime)[1]
    assert [mail["subject"] for mail in again.mailbox.messages()] == ["Approval"]
