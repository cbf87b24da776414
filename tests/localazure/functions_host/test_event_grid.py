"""The Event Grid webhook."""

import pytest

PATH = "/runtime/webhooks/eventgrid"


def event(number, **data):
    return {
        "id": f"e{number}",
        "topic": "/subscriptions/s",
        "subject": "experiments/x/runs/r",
        "eventType": "Microsoft.MachineLearningServices.RunCompleted",
        "eventTime": "2026-01-01T00:00:00Z",
        "data": data,
        "dataVersion": "1.0",
    }


@pytest.fixture
def deliver(host, key):
    def delivered(body, function="on_event", kind="Notification", **headers):
        headers = {"aeg-event-type": kind, "x-functions-key": key} | headers
        return host.http.post(PATH, params={"functionName": function}, json=body, headers=headers)

    return delivered


def test_each_event_of_a_batch_is_an_invocation(host, deliver):
    assert deliver([event("a", n=1), event("b", n=2)]).status_code == 202
    noted = [note for note in host.notes("event") if note[0] in ("ea", "eb")]
    assert sorted(note[0] for note in noted) == ["ea", "eb"]
    assert noted[0][1:4] == [
        "Microsoft.MachineLearningServices.RunCompleted",
        "experiments/x/runs/r",
        "/subscriptions/s",
    ]


def test_an_event_reaches_a_waiting_orchestration(host, deliver):
    links = host.http.post("/runs/approval/for-event", json={"seconds": 60}).json()
    assert deliver([event("w", instance="for-event")]).status_code == 202
    assert host.finished(links["statusQueryGetUri"])["output"] == "ew"


def test_a_failing_invocation_asks_for_another_delivery(deliver):
    answer = deliver([event("ok"), event("bad", fail=True)])
    assert (answer.status_code, answer.text) == (500, "RuntimeError: event refused")


def test_handshakes(host, deliver, key):
    asked = event("v", validationCode="42", validationUrl="https://example.com")
    assert deliver([asked], kind="SubscriptionValidation").json() == {"validationResponse": "42"}
    assert deliver([event("v")], kind="SubscriptionValidation").status_code == 400
    headers = {"x-functions-key": key, "WebHook-Request-Origin": "eventgrid.azure.net"}
    options = host.http.options(PATH, params={"functionName": "on_cloud_event"}, headers=headers)
    assert options.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


def test_cloud_events(host, deliver):
    cloud = {"specversion": "1.0", "id": "c1", "type": "t", "source": "/s", "data": {"n": 1}}
    assert (
        deliver(cloud, "on_cloud_event", **{"content-type": "application/cloudevents+json"}).status_code
        == 202
    )
    assert ["c1", "t", "/s", {"n": 1}] in host.notes("cloud event")


def test_a_batch_of_cloud_events(host, deliver):
    cloud = [{"specversion": "1.0", "id": f"b{n}", "type": "t", "source": "/s", "data": n} for n in range(3)]
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert deliver(cloud, "ON_CLOUD_EVENT", **headers).status_code == 202
    noted = [note[0] for note in host.notes("cloud event")]
    assert sorted(one for one in noted if one.startswith("b")) == ["b0", "b1", "b2"]


@pytest.mark.parametrize(("kind", "status"), [("Unsubscribe", 200), ("Surprise", 400)])
def test_other_kinds_of_deliveries(deliver, kind, status):
    assert deliver([event("u")], kind=kind).status_code == status


@pytest.mark.parametrize(
    ("function", "body", "status", "says"),
    [
        (
            "nobody",
            "[]",
            404,
            "no Event Grid function named 'nobody'; its Event Grid functions: on_event, on_cloud",
        ),
        ("on_event", '"text"', 400, "every event is a JSON object"),
        ("on_event", '["text"]', 400, "every event is a JSON object"),
        ("on_event", '[{"id": 1}, {]', 400, "line 1 column 14"),
        ("on_event", "[" * 100_000, 400, "no event and no array of events"),
        ("on_event", "", 400, "line 1 column 1"),
    ],
)
def test_what_is_wrong_is_refused(host, key, function, body, status, says):
    headers = {"aeg-event-type": "Notification", "x-functions-key": key}
    answer = host.http.post(PATH, params={"functionName": function}, content=body, headers=headers)
    assert answer.status_code == status
    assert says in answer.text


def test_the_key_is_needed(host):
    assert host.http.post(PATH, params={"functionName": "on_event"}, json=[event("k")]).status_code == 401
