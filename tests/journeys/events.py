"""What arrives from outside: webhooks and events, sent again, sent wrongly, counted."""

import hashlib
import hmac
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from busbar.domain.events import EventType, RepositoryPushed
from busbar.inbound.busbar_events import event_id
from tests.journeys.stack import REPOSITORY, Stack

DEVELOP = "refs/heads/develop"
AZURE_ML = "Microsoft.MachineLearningServices"


def deliveries(stack: Stack) -> list[dict[str, Any]]:
    """Every webhook that the git host has sent, or would have."""
    return stack.pages.get("/admin/git/deliveries").raise_for_status().json()["deliveries"]


def delivery_of(stack: Stack, commit: str) -> dict[str, Any] | None:
    """The webhook of the push of `commit` to develop."""
    return next((one for one in deliveries(stack) if (one["ref"], one["after"]) == (DEVELOP, commit)), None)


def redeliver(stack: Stack, delivery: dict[str, Any]) -> None:
    stack.pages.post(f"/admin/git/deliveries/{delivery['guid']}/redeliver").raise_for_status()


def push_of(stack: Stack, commit: str) -> RepositoryPushed:
    """The push of `commit` to develop as the app has published it."""
    delivery = delivery_of(stack, commit)
    assert delivery is not None
    return RepositoryPushed(REPOSITORY, "develop", delivery["before"], commit, "data-scientist")


def push_event(push: RepositoryPushed) -> dict[str, Any]:
    return _event(EventType.REPOSITORY_PUSHED, event_id(push), asdict(push))


def job_events(job: str, tags: dict[str, str]) -> list[dict[str, Any]]:
    """The two events by which Azure ML says that a job is done."""
    data: dict[str, Any] = {"runId": job, "runType": "azureml.PipelineRun", "runTags": tags}
    data |= {"experimentName": "training", "experimentId": "training", "runProperties": {}}
    return [
        _event(f"{AZURE_ML}.RunCompleted", f"again-{job}", data),
        _event(f"{AZURE_ML}.RunStatusChanged", f"once-more-{job}", data | {"runStatus": "Completed"}),
    ]


def _event(kind: str, identifier: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": identifier,
        "eventType": kind,
        "subject": REPOSITORY,
        "eventTime": (datetime.now(UTC) - timedelta(seconds=1)).isoformat(),
        "data": data,
        "dataVersion": "1",
        "metadataVersion": "1",
        "topic": "busbar",
    }


def publish(stack: Stack, push: RepositoryPushed) -> None:
    """The push's event once more, by way of the topic."""
    from azure.eventgrid import EventGridEvent, EventGridPublisherClient

    event = EventGridEvent(REPOSITORY, EventType.REPOSITORY_PUSHED, asdict(push), "1", id=event_id(push))
    topic = stack.environment["BUSBAR_EVENT_GRID_ENDPOINT"]
    with EventGridPublisherClient(topic, stack.credential) as client:
        client.send(event)


def deliver(stack: Stack, events: list[dict[str, Any]]) -> None:
    """The events once more, straight to the function; again while another delivery is being handled."""
    path, params = "/runtime/webhooks/eventgrid", {"functionName": "receive_event"}
    headers = {"aeg-event-type": "Notification"}

    def taken() -> bool:
        return stack.functions.post(path, params=params, json=events, headers=headers).status_code == 202

    stack.until("the events to be taken", taken, 60)


def published(stack: Stack) -> int:
    """How many events were ever published."""
    return stack.pages.get("/admin/event_grid").raise_for_status().json()["counters"]["published"]


def webhook(stack: Stack, body: bytes, signature: str | None) -> httpx.Response:
    headers = {"x-github-event": "push", "x-github-delivery": "d", "content-type": "application/json"}
    signed = headers | ({"x-hub-signature-256": signature} if signature else {})
    url = f"{stack.environment['BUSBAR_PUBLIC_URL']}/api/webhooks/github"
    return httpx.post(url, content=body, headers=signed, timeout=30, trust_env=False)


def signed(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
