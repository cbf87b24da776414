"""Webhooks of the configuration: validated before their first delivery, then delivered to and retried as such."""

import pytest
from pydantic import ValidationError

from tests.localazure.event_grid.conftest import (
    admin,
    an_event,
    config,
    emulators,
    everything,
    metrics,
    publisher,
)


def test_a_webhook_is_asked_once_and_then_gets_everything(start, webhook, wait):
    azure = start([everything(webhook=webhook.url, delivery_headers={"x-team": "fleet"})])
    publisher(azure).send([an_event(id="1"), an_event(id="2")])
    wait(lambda: metrics(azure)["delivered"] == 2)
    publisher(azure).send(an_event(id="3"))
    wait(lambda: metrics(azure)["delivered"] == 3)
    asked = webhook.asked[0]
    assert asked["headers"]["aeg-subscription-name"] == "ALL"
    [event] = asked["body"]
    assert event["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    assert event["topic"].endswith("/topics/busbar")
    assert set(event["data"]) == {"validationCode", "validationUrl"}
    assert {body[0]["id"] for body in webhook.received} == {"1", "2", "3"}
    assert webhook.headers[0]["x-team"] == "fleet"
    assert "x-functions-key" not in webhook.headers[0]


def test_a_webhook_for_cloud_events_is_asked_with_options(start, webhook, wait):
    azure = start([everything(webhook=webhook.url, delivery_schema="CloudEventSchemaV1_0")])
    publisher(azure).send(an_event(id="1"))
    wait(lambda: metrics(azure)["delivered"] == 1)
    assert webhook.asked[0]["headers"]["webhook-request-origin"] == "eventgrid.azure.net"
    assert webhook.received[0]["specversion"] == "1.0"


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
def test_a_webhook_may_agree_by_asking_for_the_validation_url(start, webhook, wait, schema):
    webhook.agrees = "silently"
    azure = start([everything(webhook=webhook.url, delivery_schema=schema)])
    publisher(azure).send(an_event())
    wait(lambda: webhook.asked != [])
    [one] = admin(azure)["subscriptions"]
    assert not one["validated"]
    asked = webhook.asked[0]
    url = asked["headers"].get("webhook-request-callback") or asked["body"][0]["data"]["validationUrl"]
    assert azure.http.get(url.replace("token=", "token=x")).status_code == 404
    assert webhook.received == []
    azure.http.get(url).raise_for_status()
    wait(lambda: metrics(azure)["delivered"] == 1)


def test_events_wait_for_a_webhook_that_refuses(start, webhook, wait):
    webhook.agrees = "no"
    azure = start([everything(webhook=webhook.url)])
    publisher(azure).send(an_event())
    wait(lambda: webhook.asked != [])
    wait(lambda: "403" in admin(azure)["waiting"][0]["last_outcome"])
    assert metrics(azure)["failed"] == 0
    webhook.agrees = "code"
    wait(lambda: metrics(azure)["delivered"] == 1)


def test_a_webhook_that_has_gone_costs_attempts(make_runtime, serving_again, serve, webhook, wait):
    settings = [everything(webhook=webhook.url)]
    runtime = make_runtime(config(settings))
    with serving_again(runtime, (first := emulators(runtime))):
        first[1].emit("busbar", {"eventType": "t"})
        wait(lambda: webhook.received != [])
    webhook.close()
    azure = serve(runtime, emulators(runtime))
    publisher(azure).send(an_event())
    wait(lambda: metrics(azure)["dropped"] == 1)
    [letter] = admin(azure)["dead_letters"]
    assert (letter["last_outcome"], letter["attempts"]) == ("SocketError", 3)


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ([everything(function=None)], "function"),
        ([everything(webhook="http://example.com/hook")], "webhook"),
        ([everything(webhook="http://localhost:1/", function="f")], "webhook"),
        ([everything(source="clouds", delivery_schema="EventGridSchema")], "EventGridSchema"),
        ([everything(max_delivery_attempts=31)], "max_delivery_attempts"),
        ([everything(event_time_to_live_in_minutes=0)], "event_time_to_live_in_minutes"),
    ],
)
def test_a_configuration_that_azure_would_refuse_is_refused(section, named):
    with pytest.raises(ValidationError, match=named):
        config(section)
