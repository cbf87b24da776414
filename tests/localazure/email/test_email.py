"""Sending with the real SDK; the mailbox as a page and as an API."""

import base64
import uuid

import pytest
from azure.communication.email import EmailClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential

from localazure.config import Config
from localazure.email import Email
from localazure.email.quota import Quota
from localazure.identity import Identity

HTML = "<h1>Approve</h1><a href='https://example.com/x?a=1&b=2'>open</a><script>alert(1)</script>"


def emulators(runtime):
    identity = Identity(runtime)
    return [identity, Email(runtime, identity.tokens)]


@pytest.fixture
def start(make_runtime, serve):
    """Serve with these settings of the `email` section; whatever else the configuration says goes by name."""

    def start(email=None, **more):
        settings = {"retry_after_seconds": 0} | (email or {})
        runtime = make_runtime(Config.model_validate({"email": settings, **more}))
        return serve(runtime, emulators(runtime))

    return start


@pytest.fixture
def azure(start):
    return start()


def client_of(azure, credential=None, **options):
    return EmailClient(azure.runtime.addresses.azure, credential or DefaultAzureCredential(), **options)


@pytest.fixture
def client(azure):
    return client_of(azure)


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
        ({"recipients": {"to": [{"address": f"p{n}@example.com"} for n in range(51)]}}, "50 at most"),
        ({"attachments": [{"name": "a", "contentType": "text/plain", "contentInBase64": "?"}]}, "base64"),
        ({"replyTo": [{"address": "nobody"}]}, "replyTo.0.address"),
    ],
)
def test_what_is_wrong_is_refused_and_named(azure, client, change, named):
    with pytest.raises(HttpResponseError, match=named) as refused:
        client.begin_send(a_mail() | change)
    assert refused.value.status_code == 400
    assert refused.value.error.details
    assert mailbox(azure) == []


def test_no_token_no_mail_and_no_odd_operation(azure, client):
    assert azure.http.post("/emails:send", json=a_mail()).status_code == 401
    with pytest.raises(HttpResponseError, match="UUID"):
        client.begin_send(a_mail(), operation_id="approval/1")


def test_a_mail_of_more_than_ten_megabytes_is_too_large(azure, client):
    large = {"name": "a", "contentType": "text/plain", "contentInBase64": "A" * (10 * 1024 * 1024)}
    with pytest.raises(HttpResponseError) as refused:
        client.begin_send(a_mail() | {"attachments": [large]})
    assert refused.value.status_code == 413


def test_an_operation_runs_before_the_mail_is_there(start):
    azure = start({"operation_seconds": 1.0})
    sending = client_of(azure).begin_send(a_mail(), polling_interval=0.05)
    assert not sending.done()
    assert mailbox(azure) == []
    assert sending.result()["status"] == "Succeeded"
    assert len(mailbox(azure)) == 1


def test_clients_are_told_when_to_ask_again(start):
    azure = start({"retry_after_seconds": 7, "operation_seconds": 60})
    token = DefaultAzureCredential().get_token("https://communication.azure.com/.default").token
    own = {"authorization": f"Bearer {token}"}
    sent = azure.http.post("/emails:send?api-version=2023-03-31", json=a_mail(), headers=own)
    assert (sent.status_code, sent.headers["retry-after"]) == (202, "7")
    asked = azure.http.get(sent.headers["operation-location"], headers=own)
    assert (asked.json()["status"], asked.headers["retry-after"]) == ("Running", "7")
    for path in ("/emails:send", "/emails:send?api-version=latest"):
        assert azure.http.post(path, json=a_mail(), headers=own).status_code == 400
    unknown = azure.http.get(f"/emails/operations/{uuid.uuid4()}?api-version=2023-03-31", headers=own)
    assert unknown.status_code == 404


def test_a_sender_needs_a_linked_domain(start):
    azure = start({"domains": ["Example.com"]})
    client_of(azure).begin_send(a_mail()).result()
    with pytest.raises(HttpResponseError, match="has not been linked") as refused:
        client_of(azure).begin_send(a_mail() | {"senderAddress": "me@elsewhere.example"})
    assert (refused.value.status_code, refused.value.error.code) == (404, "DomainNotLinked")


def test_mail_to_suppressed_addresses_is_dropped(start):
    azure = start({"suppressed": ["Gone@example.com", "@closed.example"]})
    sender = client_of(azure)
    assert sender.begin_send(a_mail(to="gone@example.com")).result()["status"] == "Succeeded"
    [mail] = mailbox(azure)
    assert (mail["to"], mail["cc"]) == ([], ["copy@example.com"])
    nobody = a_mail() | {"recipients": {"to": [{"address": "a@closed.example"}]}}
    with pytest.raises(HttpResponseError, match="EmailDroppedAllRecipientsSuppressed"):
        sender.begin_send(nobody).result()
    assert len(mailbox(azure)) == 1


def test_more_mails_than_the_quota_are_refused_until_later(start):
    azure = start({"per_minute": 2})
    sender = client_of(azure, retry_total=0)
    operation = str(uuid.uuid4())
    for name in (None, operation):
        sender.begin_send(a_mail(), operation_id=name).result()
    sender.begin_send(a_mail(), operation_id=operation).result()
    with pytest.raises(HttpResponseError) as refused:
        sender.begin_send(a_mail())
    assert (refused.value.status_code, refused.value.error.code) == (429, "TooManyRequests")
    assert 50 <= int(refused.value.response.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("sent", "now", "wait"),
    [
        ([], 0, 0),
        ([0], 10, 0),
        ([0, 1], 10, 50),
        ([0, 1], 60, 0),
        ([0, 1, 100, 101], 3000, 600),
        ([0, 1, 100, 101], 3600, 0),
    ],
)
def test_quotas_are_sliding_windows(sent, now, wait):
    quota = Quota(per_minute=2, per_hour=4)
    for time in sent:
        quota.count(time)
    assert quota.wait(now) == wait


def test_the_access_key_signs_requests(start):
    azure = start()
    address, key = azure.runtime.addresses.azure, azure.runtime.secrets["email_key"]
    keyed = EmailClient.from_connection_string(f"endpoint={address}/;accesskey={key}")
    assert keyed.begin_send(a_mail()).result()["status"] == "Succeeded"
    guessed = AzureKeyCredential(base64.b64encode(b"guessed").decode())
    with pytest.raises(ClientAuthenticationError, match="access key"):
        client_of(azure, guessed).begin_send(a_mail())
    assert len(mailbox(azure)) == 1


@pytest.mark.parametrize(
    ("role", "scope", "may_send"),
    [
        ("Communication and Email Service Owner", "post", True),
        ("Contributor", "subscription", True),
        ("Reader", "post", False),
        ("Contributor", "/subscriptions/other", False),
    ],
)
def test_sending_takes_a_role_at_the_service(start, role, scope, may_send):
    assignment = {"identity": "app", "role": role, "scope": scope}
    azure = start({"name": "post"}, role_assignments=[assignment])
    if may_send:
        client_of(azure).begin_send(a_mail()).result()
        return
    with pytest.raises(ClientAuthenticationError, match="Denied by the resource provider"):
        client_of(azure).begin_send(a_mail())


def test_the_mailbox_remembers_what_was_read(azure, client):
    for subject in ("One", "Two"):
        client.begin_send(a_mail(subject=subject)).result()
    two, one = mailbox(azure)
    assert "Unread 2" in azure.http.get("/mailbox").text
    azure.http.get(f"/mailbox/{one['id']}")
    assert [mail["subject"] for mail in mailbox(azure, unread="true")] == ["Two"]
    azure.http.patch(f"/mailbox/api/messages/{two['id']}", json={"read": True})
    azure.http.post(f"/mailbox/{one['id']}/unread")
    assert [mail["subject"] for mail in mailbox(azure, unread="true")] == ["One"]
    assert [mail["subject"] for mail in mailbox(azure, text="tw")] == ["Two"]
    assert azure.http.patch(f"/mailbox/api/messages/{two['id']}", json=[]).status_code == 400


def test_mails_can_be_deleted_and_do_not_come_back(azure, client):
    operations = [str(uuid.uuid4()) for _ in range(3)]
    for operation in operations:
        client.begin_send(a_mail(), operation_id=operation).result()
    assert azure.http.delete(f"/mailbox/api/messages/{operations[0]}").status_code == 204
    assert azure.http.post(f"/mailbox/{operations[1]}/delete").headers["location"] == "/mailbox"
    assert [mail["id"] for mail in mailbox(azure)] == operations[2:]
    client.begin_send(a_mail(), operation_id=operations[0]).result()
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert azure.http.post("/mailbox/clear", headers=elsewhere).status_code == 403
    assert azure.http.delete("/mailbox/api/messages").json() == {"deleted": 1}
    assert mailbox(azure) == []
    assert azure.http.delete(f"/mailbox/api/messages/{operations[0]}").status_code == 404


def test_attachments_headers_and_links_can_be_used(azure, client):
    picture = {
        "name": "plot ä.png",
        "contentType": "image/png",
        "contentInBase64": "cGl4ZWxz",
        "contentId": "plot",
    }
    text = "See <https://example.com/a?b=1&c=2>. <script>"
    client.begin_send(
        a_mail(html='<img src="cid:plot">', plainText=text)
        | {"attachments": [picture], "headers": {"x-circuit": "c1"}}
    ).result()
    [mail] = mailbox(azure)
    shown = azure.http.get(f"/mailbox/{mail['id']}", params={"show": "text"}).text
    assert '<a href="https://example.com/a?b=1&amp;c=2" target="_blank" rel="noopener">' in shown
    assert "&lt;script&gt;" in shown
    assert "x-circuit" in shown
    got = azure.http.get(f"/mailbox/{mail['id']}/attachments/0")
    assert got.content == b"pixels"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''plot%20%C3%A4.png"
    assert "data:image/png;base64,cGl4ZWxz" in azure.http.get(f"/mailbox/{mail['id']}/html").text
    assert azure.http.get(f"/mailbox/{mail['id']}/attachments/1").status_code == 404


def test_mails_survive_a_restart(make_runtime, serving_again, serve):
    runtime = make_runtime(Config())
    first = serve(runtime, emulators(runtime))
    EmailClient(first.runtime.addresses.azure, DefaultAzureCredential()).begin_send(a_mail()).result()
    again = emulators(runtime)[1]
    assert [mail["subject"] for mail in again.mailbox.messages()] == ["Approval"]
