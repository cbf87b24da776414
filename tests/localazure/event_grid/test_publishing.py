"""Publishing with the real SDK: who may, what is refused and named, and that an array is taken whole or not at all."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import AzureKeyCredential, AzureSasCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import generate_sas

from tests.localazure.event_grid.conftest import admin, an_event, everything, publisher, topic


def sas(azure, key=None, at=None, name="busbar"):
    expires = at or datetime.now(UTC) + timedelta(hours=1)
    return generate_sas(topic(azure, name), key or azure.runtime.secrets["event_grid_key"], expires)


def test_a_topics_key_and_a_signature_are_as_good_as_a_token(start, receiver):
    azure = start()
    key = azure.runtime.secrets["event_grid_key"]
    publisher(azure).send(an_event(id="token"))
    publisher(azure, credential=AzureKeyCredential(key)).send(an_event(id="key"))
    publisher(azure, credential=AzureSasCredential(sas(azure))).send(an_event(id="signature"))
    received = {got.json[0]["id"] for got in receiver.wait_for(3)}
    assert received == {"token", "key", "signature"}


@pytest.mark.parametrize(
    ("credential", "named"),
    [
        (lambda azure: AzureKeyCredential("guessed"), "not authorized"),
        (lambda azure: AzureSasCredential(sas(azure, key="Z3Vlc3NlZA==")), "signature"),
        (lambda azure: AzureSasCredential(sas(azure, at=datetime.now(UTC) - timedelta(minutes=1))), "expired"),
        (lambda azure: AzureSasCredential(sas(azure, name="clouds")), "another resource"),
        (lambda azure: AzureSasCredential("r=x"), "signature"),
    ],
)  # fmt: skip
def test_whoever_may_not_publish_is_told_why(start, credential, named):
    azure = start()
    with pytest.raises(ClientAuthenticationError, match=named):
        publisher(azure, credential=credential(azure)).send(an_event())
    assert admin(azure)["counters"]["published"] == 0


def test_nobody_publishes_without_credentials(start):
    azure = start()
    assert azure.http.post("/topics/busbar/api/events", json=[]).status_code == 401


def test_a_signature_may_expire_in_the_form_that_dotnet_writes(start):
    azure = start()
    token = sas(azure, at="12/31/2099 11:59:59 PM")
    publisher(azure, credential=AzureSasCredential(token)).send(an_event())
    assert admin(azure)["counters"]["published"] == 1


def test_an_unknown_topic_is_not_found(start):
    with pytest.raises(HttpResponseError, match="not found"):
        publisher(start(), "nowhere").send(an_event())


def test_a_topic_takes_one_schema(start):
    azure = start()
    cloud = CloudEvent(source="/fleet", type="Pushed", data=1)
    with pytest.raises(HttpResponseError, match="EventGridEvent"):
        publisher(azure).send(cloud)
    with pytest.raises(HttpResponseError, match="CloudEventV10"):
        publisher(azure, "clouds").send(an_event())
    publisher(azure, "clouds").send(cloud)


def _good(**fields):
    event = {"id": "1", "subject": "s", "eventType": "t", "eventTime": "2026-11-20T10:00:00Z"}
    return event | {"dataVersion": "1", "data": 1} | fields


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"{", 400, "JSON"),
        (b"[]", 400, "array"),
        (_good(), 400, "array"),
        ([3], 400, "events[0]"),
        ([_good(), _good(id="")], 400, "events[1].id"),
        ([_good(subject=5)], 400, "events[0].subject"),
        ([_good(eventTime="yesterday")], 400, "events[0].eventTime"),
        ([_good(eventTime=None)], 400, "events[0].eventTime"),
        ([{k: v for k, v in _good().items() if k != "data"}], 400, "events[0].data"),
        ([_good(topic="mine")], 400, "events[0].topic"),
        ([_good(data="x" * 1024 * 1024)], 413, "limit"),
        ([_good(data="x" * 600 * 1024)] * 2, 413, "limit"),
    ],
)
def test_what_is_malformed_is_refused_whole_and_named(start, receiver, body, status, named):
    azure = start()
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    key = {"aeg-sas-key": azure.runtime.secrets["event_grid_key"]}
    answer = azure.http.post("/topics/busbar/api/events", headers=key, **content)
    assert answer.status_code == status
    assert named in answer.json()["error"]["message"]
    assert admin(azure)["counters"]["published"] == 0
    assert receiver.received == []


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"specversion": "0.3", "id": "1", "source": "s", "type": "t"}, "events[0].specversion"),
        ({"specversion": "1.0", "id": "1", "source": "", "type": "t"}, "events[0].source"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "now"}, "events[0].time"),
    ],
)
def test_a_malformed_cloud_event_is_refused(start, event, named):
    azure = start()
    key = {"aeg-sas-key": azure.runtime.secrets["event_grid_key"]}
    answer = azure.http.post("/topics/clouds/api/events", headers=key, json=event)
    assert (answer.status_code, named in answer.text) == (400, True)


def test_what_nobody_asked_for_is_counted_as_unmatched(start):
    azure = start([everything(event_types=["Other"])])
    publisher(azure).send([an_event(), an_event()])
    assert (
        admin(azure)["counters"] | {"published": 2, "unmatched": 2, "matched": 0} == admin(azure)["counters"]
    )
