"""What is not signed, not JSON or not a valid fleet starts nothing, and is told what is wrong."""

import json

import pytest

from tests.journeys import events
from tests.journeys.fleet import CIRCUITS
from tests.journeys.mistakes import MISTAKES, STALE_COMPONENT, TRAIN_LSTM
from tests.journeys.stack import Stack
from tests.journeys.steps import Refused


def test_a_webhook_that_is_not_the_hosts_starts_nothing(stack: Stack) -> None:
    before = stack.instances(), events.published(stack)
    body = json.dumps({"ref": "refs/heads/develop", "after": "a" * 40, "before": "b" * 40}).encode()
    assert events.webhook(stack, body, None).status_code == 401
    assert events.webhook(stack, body, "sha256=" + "0" * 64).status_code == 401
    assert events.webhook(stack, body, events.signed("not the secret", body)).status_code == 401
    assert (stack.instances(), events.published(stack)) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"ref": 7}', "ref"),
        (b'{"ref": "refs/heads/develop"}', "repository.full_name"),
        (
            b'{"ref": "refs/heads/develop", "repository": {"full_name": "plants/fleet"}, "before": "x"}',
            "before",
        ),
    ],
)
def test_a_malformed_webhook_is_told_its_field(stack: Stack, body: bytes, field: str) -> None:
    before = stack.instances(), events.published(stack)
    answer = events.webhook(stack, body, events.signed(stack.environment["BUSBAR_WEBHOOK_SECRET"], body))
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert field in answer.json()["error"]
    assert (stack.instances(), events.published(stack)) == before


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(refused: Refused, name: str) -> None:
    state, text = refused.statuses[name]
    assert state == "failure"
    lines = refused.files[name][CIRCUITS].decode().splitlines()
    wrong = MISTAKES[name]
    last = max(number for number, line in enumerate(lines, 1) if line.startswith(wrong.line))
    assert f"{CIRCUITS}:{last}: {wrong.key}:" in text


def test_changed_content_under_an_old_version_is_refused(refused: Refused) -> None:
    state, text = refused.statuses[STALE_COMPONENT]
    assert state == "failure"
    assert f"{TRAIN_LSTM}/component.yaml" in text
    assert "train_lstm" in text
    assert "1.0.0" in text


def test_mistakes_train_nothing(refused: Refused) -> None:
    assert refused.after == refused.before
