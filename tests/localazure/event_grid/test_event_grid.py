"""Publishing with the real SDK; delivery at least once, in both schemas, across failures and restarts."""

import time
import uuid

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.identity import DefaultAzureCredential

from localazure.config import Config
from localazure.event_grid import EventGrid
from localazure.identity import Identity

WORKSPACE = "ws"


def config(retry_seconds=(0.05, 0.05), max_attempts=3, **subscription):
    everything = {"name": "all", "source": "busbar", "function": "receive_event"}
    return Config.model_validate(
        {
            "workspaces": [{"name": WORKSPACE, "resource_group": "rg"}],
            "event_grid": {
                "topics": ["busbar", "lonely"],
                "retry_seconds": retry_seconds,
                "max_attempts": max_attempts,
                "subscriptions": [
                    everything | subscription,
                    {"name": "runs", "source": WORKSPACE, "function": "receive_event"},
                ],
            },
        }
    )


def emulators(runtime):
    identity = Identity(runtime)
    return [identity, EventGrid(runtime, identity.tokens)]


@pytest.fixture
def start(make_runtime, serve):
    def start(**settings):
        runtime = make_runtime(config(**settings))
        return serve(runtime, emulators(runtime))

    return start


def topic(azure, name="busbar"):
    return f"{azure.runtime.addresses.azure}/topics/{name}/api/events"


def publisher(azure, credential=None):
    return EventGridPublisherClient(topic(azure), credential or DefaultAzureCredential())


def an_event(**fields):
    settings = {"subject": "plants/fleet", "event_type": "Pushed", "data": {"n": 1}, "data_version": "1"}
    return EventGridEvent(**(settings | fields))


def admin(azure):
    return azure.http.get("/admin/event_grid").json()


def test_an_event_is_delivered_promptly_with_the_services_headers(start, receiver):
    azure = start()
    event = an_event(id="e1")
    publisher(azure).send(event)
    published = time.monotonic()
    [got] = receiver.wait_for(1)
    assert got.at - published < 0.5
    assert got.path == "/runtime/webhooks/eventgrid?functionName=receive_event"
    assert got.headers["aeg-event-type"] == "Notification"
    assert got.headers["aeg-subscription-name"] == "ALL"
    assert got.headers["x-functions-key"] == azure.runtime.secrets["functions_key"]
    [body] = got.json
    assert body["id"] == "e1"
    assert body["data"] == {"n": 1}
    assert body["metadataVersion"] == "1"
    assert body["topic"].endswith("/Microsoft.EventGrid/topics/busbar")


def test_cloud_events_arrive_as_cloud_events(start, receiver):
    azure = start()
    publisher(azure).send([CloudEvent(source="/fleet", type="Pushed", data={"n": 1})])
    [got] = receiver.wait_for(1)
    assert got.headers["content-type"].startswith("application/cloudevents+json")
    assert got.json["specversion"] == "1.0"
    assert got.json["data"] == {"n": 1}


def test_the_topics_key_is_as_good_as_a_token(start, receiver):
    azure = start()
    publisher(azure, AzureKeyCredential(azure.runtime.secrets["event_grid_key"])).send(an_event())
    receiver.wait_for(1)
    with pytest.raises(ClientAuthenticationError):
        publisher(azure, AzureKeyCredential("guessed")).send(an_event())
    assert azure.http.post("/topics/busbar/api/events", json=[]).status_code == 401


@pytest.mark.parametrize(
    ("filters", "event", "delivered"),
    [
        ({"event_types": ["Pushed"]}, {}, True),
        ({"event_types": ["pushed"]}, {}, True),
        ({"event_types": ["Other"]}, {}, False),
        ({"subject_begins_with": "PLANTS/"}, {}, True),
        ({"subject_begins_with": "fleet"}, {}, False),
        ({"subject_ends_with": "/fleet"}, {}, True),
        ({"subject_ends_with": "plants"}, {}, False),
    ],
)
def test_filters(start, receiver, filters, event, delivered):
    azure = start(**filters)
    publisher(azure).send(an_event(**event))
    if delivered:
        receiver.wait_for(1)
    assert admin(azure)["counters"]["dropped"] == (0 if delivered else 1)


def _good():
    return {
        "id": "1",
        "subject": "s",
        "eventType": "t",
        "eventTime": "2026-11-20T10:00:00Z",
        "dataVersion": "1",
        "data": 1,
    }


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"{", 400, "JSON"),
        (b"[]", 400, "array"),
        ([3], 400, "events[0]"),
        ([_good(), _good() | {"id": ""}], 400, "events[1].id"),
        ([_good() | {"subject": 5}], 400, "events[0].subject"),
        ([_good() | {"eventTime": "yesterday"}], 400, "events[0].eventTime"),
        ([_good() | {"eventTime": None}], 400, "events[0].eventTime"),
        ([{k: v for k, v in _good().items() if k != "data"}], 400, "events[0].data"),
        ([_good() | {"topic": "mine"}], 400, "events[0].topic"),
        ([{"specversion": "0.3", "id": "1", "source": "s", "type": "t"}], 400, "events[0].specversion"),
        ([_good() | {"data": "x" * 1024 * 1024}], 413, "limit"),
    ],
)
def test_what_is_malformed_is_refused_and_named(start, receiver, body, status, named):
    azure = start()
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    key = {"aeg-sas-key": azure.runtime.secrets["event_grid_key"]}
    answer = azure.http.post("/topics/busbar/api/events", headers=key, **content)
    assert answer.status_code == status
    assert named in answer.json()["error"]["message"]
    assert admin(azure)["counters"]["published"] == 0


def test_an_unknown_topic_is_not_found(start):
    azure = start()
    client = EventGridPublisherClient(topic(azure, "nowhere"), DefaultAzureCredential())
    with pytest.raises(HttpResponseError, match="not found"):
        client.send(an_event())


def test_a_failed_delivery_is_repeated_on_the_schedule_until_it_succeeds(start, receiver):
    azure = start(retry_seconds=(0.1, 0.3))
    receiver.statuses = [500, 503]
    publisher(azure).send(an_event())
    first, second, third = receiver.wait_for(3)
    assert second.at - first.at >= 0.09
    assert third.at - second.at >= 0.29
    assert [got.headers["aeg-delivery-count"] for got in (first, second, third)] == ["0", "1", "2"]
    assert first.body == third.body


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [([400], "ClientError"), ([401], "ClientError"), ([403], "ClientError"), ([413], "ClientError"),
     ([500, 500, 500], "MaxDeliveryAttempts")],
)  # fmt: skip
def test_dead_letters_are_kept_listed_and_can_be_redelivered(start, receiver, wait, statuses, reason):
    azure = start()
    receiver.statuses = list(statuses)
    publisher(azure).send(an_event(id="doomed"))
    wait(lambda: admin(azure)["dead_letters"] != [])
    [letter] = admin(azure)["dead_letters"]
    assert letter["event"]["id"] == "doomed"
    assert reason in letter["reason"]
    assert letter["attempts"] == len(statuses) == len(receiver.received)
    assert reason in azure.http.get("/admin/event_grid", headers={"accept": "text/html"}).text
    azure.http.post(f"/admin/event_grid/dead_letters/{letter['key']}/redeliver").raise_for_status()
    assert receiver.wait_for(len(statuses) + 1)[-1].json[0]["id"] == "doomed"
    wait(lambda: admin(azure)["counters"]["delivered"] == 1)
    assert admin(azure)["dead_letters"] == []


def test_batches(start, receiver):
    azure = start(max_events_per_batch=10, retry_seconds=(0.05,))
    publisher(azure).send([an_event(id=str(n)) for n in range(25)])

    def arrived():
        return sorted(int(event["id"]) for got in receiver.received for event in got.json)

    while len(arrived()) < 25:
        receiver.wait_for(len(receiver.received))
    assert arrived() == list(range(25))
    assert max(len(got.json) for got in receiver.received) <= 10


def test_a_system_source_is_completed_and_delivered(make_runtime, serve, receiver):
    runtime = make_runtime(config())
    identity = Identity(runtime)
    grid = EventGrid(runtime, identity.tokens)
    grid.emit(WORKSPACE, {"eventType": "Early", "subject": "s", "data": {}})
    serve(runtime, [identity, grid])
    grid.emit(WORKSPACE, {"eventType": "RunCompleted", "subject": "s", "data": {"runId": "r"}})
    received = {got.json[0]["eventType"]: got.json[0] for got in receiver.wait_for(2)}
    assert set(received) == {"Early", "RunCompleted"}
    run = received["RunCompleted"]
    assert run["topic"].endswith(
        "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
    )
    assert uuid.UUID(run["id"])
    assert run["eventTime"].endswith("Z")
    assert run["data"] == {"runId": "r"}


def test_what_was_accepted_outlives_the_server_and_waits_for_the_host(
    make_runtime, serving_again, elsewhere, receiver, wait
):
    runtime = make_runtime(config())
    deaf = elsewhere(runtime, "http://127.0.0.1:1")
    identity = Identity(deaf)
    grid = EventGrid(deaf, identity.tokens)
    with serving_again(deaf, [identity, grid]):
        grid.emit(WORKSPACE, {"id": "kept", "eventType": "RunCompleted", "subject": "s"})
        time.sleep(0.1)
    with serving_again(runtime, emulators(runtime)):
        [got] = receiver.wait_for(1)
        assert got.json[0]["id"] == "kept"
        assert got.headers["aeg-delivery-count"] == "0"
