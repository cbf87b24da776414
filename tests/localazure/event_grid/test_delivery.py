"""Delivery: headers, schemas, batches, the schedule, faults on the way, and that a restart loses nothing."""

import socket
import time
import uuid

import pytest
from azure.core.messaging import CloudEvent

from localazure.event_grid import EventGrid
from localazure.event_grid.disorder import Shuffle
from localazure.event_grid_config import Disorder
from localazure.identity import Identity
from tests.localazure.event_grid.conftest import (
    WORKSPACE,
    admin,
    an_event,
    config,
    emulators,
    everything,
    metrics,
    publisher,
)


def test_an_event_arrives_with_the_services_headers(start, receiver):
    azure = start()
    publisher(azure).send(an_event(id="e1"))
    [got] = receiver.wait_for(1)
    assert got.path == "/runtime/webhooks/eventgrid?functionName=receive_event"
    expected = {
        "aeg-event-type": "Notification",
        "aeg-subscription-name": "ALL",
        "aeg-delivery-count": "0",
        "aeg-data-version": "1",
        "aeg-metadata-version": "1",
        "aeg-output-event-id": "e1",
        "content-type": "application/json; charset=utf-8",
        "x-functions-key": azure.runtime.secrets["functions_key"],
    }
    assert got.headers | expected == got.headers
    [body] = got.json
    assert (body["id"], body["data"], body["metadataVersion"]) == ("e1", {"n": 1}, "1")
    assert body["topic"].endswith("/Microsoft.EventGrid/topics/busbar")


def test_a_cloud_event_arrives_alone_and_bare(start, receiver):
    azure = start([everything(source="clouds")])
    publisher(azure, "clouds").send(CloudEvent(source="/fleet", type="Pushed", data={"n": 1}, id="c1"))
    [got] = receiver.wait_for(1)
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert (got.headers["aeg-metadata-version"], "aeg-data-version" in got.headers) == ("1.0", False)
    assert (got.json["specversion"], got.json["id"], got.json["data"]) == ("1.0", "c1", {"n": 1})


def test_an_event_is_converted_to_a_cloud_event_where_the_subscription_asks_for_it(start, receiver):
    azure = start([everything(delivery_schema="CloudEventSchemaV1_0", max_events_per_batch=2)])
    publisher(azure).send(an_event(id="e1", event_time="2026-11-20T10:00:00Z"))
    [got] = receiver.wait_for(1)
    assert got.headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    [body] = got.json
    assert body.pop("source").endswith("/Microsoft.EventGrid/topics/busbar")
    assert body == {
        "specversion": "1.0",
        "id": "e1",
        "type": "Pushed",
        "subject": "plants/fleet",
        "time": "2026-11-20T10:00:00.000Z",
        "dataschema": "#1",
        "data": {"n": 1},
    }


def test_a_failed_delivery_is_repeated_on_the_schedule_until_it_succeeds(start, receiver, wait):
    azure = start(time_scale=0.01)
    receiver.statuses = [500, 502]
    publisher(azure).send(an_event())
    first, second, third = receiver.wait_for(3)
    assert second.at - first.at >= 0.1  # 10 s
    assert third.at - second.at >= 0.3  # 30 s
    assert [got.headers["aeg-delivery-count"] for got in (first, second, third)] == ["0", "1", "2"]
    assert first.body == third.body
    wait(
        lambda: (
            metrics(azure) == {"matched": 1, "delivered": 1, "failed": 2, "dropped": 0, "dead_lettered": 0}
        )
    )


def test_an_answer_that_takes_too_long_is_no_answer(make_runtime, serve, elsewhere, wait):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = f"http://127.0.0.1:{silent.getsockname()[1]}"
        runtime = elsewhere(make_runtime(config(answer_within_seconds=0.2, time_scale=1)), nowhere)
        azure = serve(runtime, emulators(runtime))
        publisher(azure).send(an_event())
        wait(lambda: metrics(azure)["failed"] == 1)
    [one] = admin(azure)["waiting"]
    assert (one["last_outcome"], one["attempts"]) == ("TimedOut", 1)
    assert 10 <= one["due"] - one["last_attempt"] <= 11


def test_batches_keep_to_the_number_and_the_size(start, receiver, wait):
    azure = start([everything(max_events_per_batch=10, preferred_batch_size_in_kilobytes=4)])
    events = [an_event(id=str(n), data="x" * 1000) for n in range(25)] + [an_event(id="25", data="x" * 9000)]
    publisher(azure).send(events)

    def arrived():
        return sorted(int(event["id"]) for got in receiver.received for event in got.json)

    wait(lambda: len(arrived()) == 26)
    assert arrived() == list(range(26))
    assert all(len(got.body) < 5 * 1024 for got in receiver.received if len(got.json) > 1)
    assert [len(got.json) for got in receiver.received if len(got.body) > 9000] == [1]


def test_system_events_are_completed_and_delivered(make_runtime, serve, receiver):
    runtime = make_runtime(config([everything(source=WORKSPACE)]))
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


@pytest.mark.parametrize(
    ("delays", "arrivals"), [((), 0), ((0, 0), 2), ((0.3,), 1)], ids=["lost", "duplicated", "late"]
)
def test_what_happens_to_an_event_on_its_way_can_be_decided(
    make_runtime, serve, receiver, wait, delays, arrivals
):
    runtime = make_runtime(config())
    identity = Identity(runtime)
    grid = EventGrid(runtime, identity.tokens)
    grid.disturb = lambda subscription, event: delays if event["id"] == "odd" else (0,)
    azure = serve(runtime, [identity, grid])
    publisher(azure).send([an_event(id="odd"), an_event(id="even")])
    sent = time.monotonic()
    wait(lambda: metrics(azure)["delivered"] == arrivals + 1)
    odd = [got.at - sent for got in receiver.received if got.json[0]["id"] == "odd"]
    assert len(odd) == arrivals
    assert all(at >= max(delays) - 0.1 for at in odd)
    assert metrics(azure)["matched"] == 2


def test_disorder_shuffles_and_repeats_by_its_seed(start, receiver, wait):
    azure = start(disorder={"seed": 3, "within_seconds": 0.5, "duplicates": 0.3})
    publisher(azure).send([an_event(id=str(n)) for n in range(20)])
    wait(lambda: {got.json[0]["id"] for got in receiver.received} == {str(n) for n in range(20)})
    wait(lambda: admin(azure)["waiting"] == [])
    order = [got.json[0]["id"] for got in receiver.received]
    assert order != sorted(order, key=int)
    assert len(order) > 20

    def decided(seed):
        shuffle = Shuffle(Disorder(seed=seed))
        return [shuffle("all", {}) for _ in range(20)]

    assert decided(3) == decided(3) != decided(4)


def test_what_was_accepted_outlives_the_server_and_waits_for_the_host(
    make_runtime, serving_again, elsewhere, receiver
):
    runtime = make_runtime(config([everything(source=WORKSPACE)]))
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


def test_attempts_and_counters_outlive_the_server(make_runtime, serve, serving_again, receiver, wait):
    runtime = make_runtime(config(time_scale=0.05))
    receiver.statuses = [500]
    identity = Identity(runtime)
    grid = EventGrid(runtime, identity.tokens)
    with serving_again(runtime, [identity, grid]):
        grid.emit("busbar", {"eventType": "t", "id": "kept"})
        receiver.wait_for(1)
        wait(lambda: grid._outbox.counters["failed"] == 1)
    azure = serve(runtime, emulators(runtime))
    assert receiver.wait_for(2)[1].headers["aeg-delivery-count"] == "1"
    wait(
        lambda: (
            metrics(azure) == {"matched": 1, "delivered": 1, "failed": 1, "dropped": 0, "dead_lettered": 0}
        )
    )


def test_events_of_a_subscription_that_is_gone_are_dropped(make_runtime, serve, receiver, wait):
    runtime = make_runtime(config())
    grid = EventGrid(runtime, Identity(runtime).tokens)
    grid.emit("busbar", {"eventType": "t"})
    azure = serve(make_runtime(config([])), emulators(make_runtime(config([]))))
    wait(lambda: admin(azure)["counters"]["dropped"] == 1)
    assert admin(azure)["dead_letters"][0]["reason"] == "SubscriptionDeleted"
    assert receiver.received == []
