"""GitHub's webhook: a table of requests and replies."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from busbar.web import webhooks
from tests.fakes import FakeEvents

AFTER = "c7fd1fc8a5e7e7a6b1c6b1a0f3e1d2c3b4a59687"
PUSH: dict[str, Any] = {
    "ref": "refs/heads/develop",
    "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "after": AFTER,
    "created": False,
    "deleted": False,
    "forced": False,
    "repository": {"full_name": "plants/fleet", "name": "fleet"},
    "pusher": {"name": "scientist"},
    "sender": {"login": "scientist"},
}


@dataclass(frozen=True)
class Secret:
    webhook_secret: str = "It's a Secret to Everybody"


def signed(
    body: bytes, event: str = "push", delivery: str = "1", secret: str = Secret.webhook_secret
) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={signature}",
    }


def post(headers: Mapping[str, str], body: bytes, events: FakeEvents) -> tuple[int, dict[str, Any]]:
    reply = webhooks.github(headers, body, settings=Secret(), events=events)
    return reply.status, json.loads(reply.body)


def test_a_push_is_published_once_an_event_whoever_delivers_it():
    events, body = FakeEvents(), json.dumps(PUSH).encode()
    status, said = post(signed(body), body, events)
    again = post(signed(body, delivery="2"), body, events)
    assert (status, said["branch"], said["commit"]) == (202, "develop", AFTER)
    assert again == (status, said)
    assert {one.id for one in events.published} == {said["event"]}
    assert events.published[0].event_type == "Busbar.RepositoryPushed"
    assert events.published[0].data["after"] == AFTER


def test_another_commit_is_another_event():
    events = FakeEvents()
    for after in (AFTER, "f" * 40):
        body = json.dumps(PUSH | {"after": after}).encode()
        post(signed(body), body, events)
    assert len({one.id for one in events.published}) == 2


@pytest.mark.parametrize("headers", [{}, {"x-hub-signature-256": "sha256=00"}, signed(b"{}", secret="other")])
def test_unsigned_or_wrongly_signed_is_401_and_nothing_happens(headers: dict[str, str]):
    events = FakeEvents()
    status, _ = post({"x-github-event": "push"} | headers, b"{}", events)
    assert (status, events.published) == (401, [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"\xff", "body"),
        (json.dumps(PUSH | {"ref": 3}).encode(), "ref"),
        (json.dumps({key: value for key, value in PUSH.items() if key != "after"}).encode(), "after"),
    ],
)
def test_malformed_is_400_and_names_the_field(body: bytes, field: str):
    events = FakeEvents()
    status, said = post(signed(body), body, events)
    assert (status, said["field"], events.published) == (400, field, [])


@pytest.mark.parametrize(
    ("event", "payload", "status"),
    [("ping", {"zen": "x"}, 200), ("issues", {}, 202), ("push", PUSH | {"ref": "refs/tags/v1"}, 202)],
)
def test_what_is_no_branch_push_is_accepted_and_ignored(event: str, payload: dict[str, Any], status: int):
    events, body = FakeEvents(), json.dumps(payload).encode()
    answered, said = post(signed(body, event), body, events)
    assert (answered, list(said), events.published) == (status, ["ignored"], [])


def test_our_own_outage_is_503_so_that_the_sender_tries_again():
    body = json.dumps(PUSH).encode()
    reply = webhooks.github(signed(body), body, settings=Secret(), events=FakeEvents(outage=True))
    assert (reply.status, reply.headers["Retry-After"]) == (503, "30")
