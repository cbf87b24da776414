"""Event Grid's control plane over ARM: topics, system topics, event subscriptions, and the handshake at creation."""

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError

from tests.localazure.event_grid.conftest import (
    GROUP,
    WORKSPACE,
    admin,
    an_event,
    everything,
    metrics,
    publisher,
    resource,
)

PROVIDER = "providers/Microsoft.EventGrid"
WORKSPACES = "providers/Microsoft.MachineLearningServices/workspaces"
FUNCTION = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/app/functions/receive_event"
TO_FUNCTION = {"endpointType": "AzureFunction", "properties": {"resourceId": FUNCTION}}


def topic_path(azure, name="busbar", group="local-rg"):
    return resource(azure, f"{group}/{PROVIDER}/topics/{name}")


def to_webhook(webhook, **properties):
    return {"endpointType": "WebHook", "properties": {"endpointUrl": webhook.url, **properties}}


def test_a_topic_is_made_used_listed_and_deleted(start, arm, receiver):
    azure = start([])
    path = topic_path(azure, "orders", "shop-rg")
    assert arm(azure, "GET", path).json()["error"]["code"] == "ResourceNotFound"
    body = {"location": "eastus", "tags": {"team": "shop"}, "properties": {"inputSchema": "EventGridSchema"}}
    made = arm(azure, "PUT", path, body)
    assert made.status_code == 201
    assert made.json() == arm(azure, "GET", path).json()
    assert made.json()["properties"]["endpoint"].endswith("/topics/orders/api/events")
    listed = arm(azure, "GET", resource(azure, f"shop-rg/{PROVIDER}/topics")).json()["value"]
    assert [one["name"] for one in listed] == ["orders"]
    everywhere = path.partition("/resourceGroups")[0] + f"/{PROVIDER}/topics"
    assert len(arm(azure, "GET", everywhere).json()["value"]) == 3
    keys = arm(azure, "POST", f"{path}/listKeys").json()
    publisher(azure, "orders", AzureKeyCredential(keys["key2"])).send(an_event())
    arm(azure, "POST", f"{path}/regenerateKey", {"keyName": "key2"}).raise_for_status()
    with pytest.raises(ClientAuthenticationError):
        publisher(azure, "orders", AzureKeyCredential(keys["key2"])).send(an_event())
    publisher(azure, "orders", AzureKeyCredential(keys["key1"])).send(an_event())
    deleted = arm(azure, "DELETE", path)
    assert deleted.status_code == 202
    assert arm(azure, "GET", deleted.headers["location"].partition("?")[0]).status_code == 200
    assert arm(azure, "DELETE", path).status_code == 204


def test_a_system_topic_of_a_workspace_delivers_its_events(start, arm, receiver, wait):
    azure = start([])
    source = resource(azure, f"{GROUP}/{WORKSPACES}/{WORKSPACE}")
    path = resource(azure, f"{GROUP}/{PROVIDER}/systemTopics/aml-events")
    properties = {"source": source, "topicType": "Microsoft.MachineLearningServices.Workspaces"}
    made = arm(azure, "PUT", path, {"location": "eastus", "properties": properties})
    assert (made.status_code, made.json()["properties"]["source"]) == (201, source)
    second = arm(azure, "PUT", f"{path}2", {"location": "eastus", "properties": properties})
    assert second.status_code == 409
    subscription = f"{path}/eventSubscriptions/runs"
    put = arm(azure, "PUT", subscription, {"properties": {"destination": TO_FUNCTION}})
    assert (put.status_code, put.json()["properties"]["provisioningState"]) == (201, "Succeeded")
    assert put.json()["properties"]["topic"] == source
    assert put.json()["type"] == "Microsoft.EventGrid/systemTopics/eventSubscriptions"
    extension = f"{source}/{PROVIDER}/eventSubscriptions"
    listed = arm(azure, "GET", extension).json()["value"]
    assert [(one["name"], one["id"], one["type"]) for one in listed] == [
        ("runs", f"{extension}/runs", "Microsoft.EventGrid/eventSubscriptions")
    ]
    assert receiver.received[-1].headers["aeg-event-type"] == "SubscriptionValidation"
    arm(azure, "DELETE", path).raise_for_status()
    assert arm(azure, "GET", extension).json()["value"] == []


def test_a_subscription_is_read_back_as_it_was_put_and_filters(start, arm, webhook, wait):
    azure = start([])
    path = f"{topic_path(azure)}/{PROVIDER}/eventSubscriptions/failures"
    properties = {
        "destination": to_webhook(webhook, maxEventsPerBatch=5),
        "eventDeliverySchema": "CloudEventSchemaV1_0",
        "filter": {
            "includedEventTypes": ["Pushed"],
            "subjectBeginsWith": "plants/",
            "advancedFilters": [{"operatorType": "NumberIn", "key": "data.n", "values": [1, 2]}],
        },
        "retryPolicy": {"maxDeliveryAttempts": 5, "eventTimeToLiveInMinutes": 60},
        "labels": ["night"],
    }
    arm(azure, "PUT", path, {"properties": properties}).raise_for_status()
    got = arm(azure, "GET", path).json()["properties"]
    base = webhook.url.partition("?")[0]
    assert got == properties | {
        "destination": {
            "endpointType": "WebHook",
            "properties": {"maxEventsPerBatch": 5, "endpointBaseUrl": base},
        },
        "topic": topic_path(azure),
        "provisioningState": "Succeeded",
    }
    assert arm(azure, "POST", f"{path}/getFullUrl").json() == {"endpointUrl": webhook.url}
    publisher(azure).send([an_event(data={"n": 2}), an_event(data={"n": 3}), an_event(subject="x")])
    wait(lambda: metrics(azure, "failures")["delivered"] == 1)
    assert [event["data"] for batch in webhook.received for event in batch] == [{"n": 2}]
    patched = arm(azure, "PATCH", path, {"filter": {"includedEventTypes": ["Other"]}}).json()["properties"]
    assert (patched["filter"], patched["retryPolicy"]) == (
        {"includedEventTypes": ["Other"]},
        properties["retryPolicy"],
    )


def test_what_was_deployed_outlives_the_server_and_the_configuration_is_deployed_again(
    make_runtime, serve, serving_again, arm, start, webhook
):
    azure = start()
    nested = f"{topic_path(azure)}/eventSubscriptions"
    body = {"properties": {"destination": to_webhook(webhook)}}
    arm(azure, "PUT", f"{nested}/mine", body).raise_for_status()
    arm(azure, "DELETE", f"{nested}/all").raise_for_status()
    assert [one["name"] for one in admin(azure)["subscriptions"]] == ["mine"]
    from tests.localazure.event_grid.conftest import config, emulators

    runtime = make_runtime(config())
    again = serve(runtime, emulators(runtime))
    assert {one["name"] for one in admin(again)["subscriptions"]} == {"mine", "all"}
    path = f"{topic_path(again)}/eventSubscriptions/all"
    shown = arm(again, "GET", path).json()["properties"]
    assert shown["destination"]["properties"]["resourceId"].endswith("/functions/receive_event")
    assert arm(again, "PUT", path, {"properties": shown}).status_code == 201


def test_a_webhook_that_does_not_agree_is_no_subscription(start, arm, webhook):
    azure = start([])
    path = f"{topic_path(azure)}/eventSubscriptions/hook"
    webhook.agrees = "no"
    refused = arm(azure, "PUT", path, {"properties": {"destination": to_webhook(webhook)}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "Url validation")
    assert arm(azure, "GET", path).status_code == 404


def test_a_webhook_may_agree_later(start, arm, webhook, wait):
    azure = start([])
    path = f"{topic_path(azure)}/eventSubscriptions/hook"
    webhook.agrees = "silently"
    made = arm(azure, "PUT", path, {"properties": {"destination": to_webhook(webhook)}})
    assert made.json()["properties"]["provisioningState"] == "AwaitingManualAction"
    publisher(azure).send(an_event(id="early"))
    azure.http.get(webhook.asked[0]["body"][0]["data"]["validationUrl"]).raise_for_status()
    assert arm(azure, "GET", path).json()["properties"]["provisioningState"] == "Succeeded"
    publisher(azure).send(an_event(id="later"))
    wait(lambda: metrics(azure, "hook")["delivered"] == 1)
    assert [body[0]["id"] for body in webhook.received] == ["later"]


def test_a_function_that_is_not_there_is_no_destination(start, arm, receiver):
    azure = start([])
    receiver.statuses = [404]
    path = f"{topic_path(azure)}/eventSubscriptions/lost"
    refused = arm(azure, "PUT", path, {"properties": {"destination": TO_FUNCTION}})
    assert (refused.status_code, "404" in refused.json()["error"]["message"]) == (400, True)


HUB = {"endpointType": "EventHub", "properties": {"resourceId": "/x"}}
PUBLIC = {"endpointType": "WebHook", "properties": {"endpointUrl": "https://example.com/hook"}}


@pytest.mark.parametrize(
    ("path", "properties", "status", "named"),
    [
        ("topics/busbar/eventSubscriptions/hub", {"destination": HUB}, 400, "EventHub"),
        ("topics/busbar/eventSubscriptions/far", {"destination": PUBLIC}, 400, "webhook"),
        ("topics/busbar/eventSubscriptions/no", {"destination": TO_FUNCTION}, 400, "3-64"),
        ("topics/nowhere/eventSubscriptions/one", {"destination": TO_FUNCTION}, 404, "topics/nowhere"),
        ("systemTopics/nowhere/eventSubscriptions/one", {"destination": TO_FUNCTION}, 404, "nowhere"),
        ("topics/clouds/eventSubscriptions/one",
         {"destination": TO_FUNCTION, "eventDeliverySchema": "EventGridSchema"}, 400, "EventGridSchema"),
        ("topics/busbar/eventSubscriptions/one",
         {"destination": TO_FUNCTION, "retryPolicy": {"maxDeliveryAttempts": 31}}, 400, "max_delivery_attempts"),
        ("topics/busbar/eventSubscriptions/one",
         {"destination": TO_FUNCTION, "filter": {"advancedFilters": [
             {"operatorType": "StringLike", "key": "id", "values": ["a"]}]}}, 400, "StringLike"),
        ("topics/busbar", {"inputSchema": "CloudEventSchemaV1_0"}, 400, "inputSchema"),
        ("topics/b", {}, 400, "name"),
        ("systemTopics/one", {"topicType": "Microsoft.Storage.StorageAccounts"}, 400, "Workspaces"),
        ("systemTopics/one", {"topicType": "Microsoft.MachineLearningServices.Workspaces", "source": "/x"},
         400, "/x"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(start, arm, path, properties, status, named):
    azure = start([])
    answer = arm(azure, "PUT", resource(azure, f"local-rg/{PROVIDER}/{path}"), {"properties": properties})
    assert (answer.status_code, named in answer.json()["error"]["message"]) == (status, True), answer.text


def test_arm_wants_a_token_and_a_version(start, arm):
    azure = start([everything()])
    path = topic_path(azure)
    assert azure.http.get(path, params={"api-version": "2022-06-15"}).status_code == 401
    assert arm(azure, "GET", path, version="").json()["error"]["code"] == "MissingApiVersionParameter"
    assert (
        arm(azure, "GET", path, version="1999-01-01").json()["error"]["code"] == "NoRegisteredProviderFound"
    )
    other = path.replace(azure.runtime.config.subscription_id, "11111111-1111-1111-1111-111111111111")
    assert arm(azure, "GET", other).json()["error"]["code"] == "SubscriptionNotFound"
