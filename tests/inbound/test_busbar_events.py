"""The app's own events, there and back."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.errors import BadRequest
from busbar.domain.events import ZERO_COMMIT, DriftDetected, RepositoryPushed
from busbar.domain.policies import Stage
from busbar.inbound.busbar_events import event_id, read_drift_event, read_push_event, to_event_data

PUSH = RepositoryPushed("plants/fleet", "develop", ZERO_COMMIT, "c" * 40, "data-scientist", forced=True)


def event(data: Any) -> dict[str, Any]:
    return {"eventType": "Busbar.RepositoryPushed", "data": data}


def test_there_and_back():
    assert read_push_event(event(json.loads(json.dumps(to_event_data(PUSH))))) == PUSH


def test_the_same_push_has_the_same_id_whoever_noticed_it():
    assert event_id(PUSH) == event_id(replace(PUSH, requester="reconciler", forced=False))
    assert event_id(PUSH) == "push-060e6e46fec1c41a7818be44dae6d7c3"


@pytest.mark.parametrize(
    "changes",
    [{"repository": "a/b"}, {"branch": "main"}, {"before": "d" * 40}, {"after": "d" * 40}],
)
def test_another_push_has_another_id(changes: dict[str, str]):
    assert event_id(replace(PUSH, **changes)) != event_id(PUSH)


@pytest.mark.parametrize(
    ("given_event", "field"),
    [
        ({"eventType": "Busbar.Else", "data": {}}, "eventType"),
        ({}, "eventType"),
        (event(None), "data"),
        (event(to_event_data(PUSH) | {"branch": ""}), "data.branch"),
        (event(to_event_data(PUSH) | {"after": "abc"}), "data.after"),
        (event(to_event_data(PUSH) | {"forced": 1}), "data.forced"),
    ],
)
def test_what_is_wrong_is_named(given_event: dict[str, Any], field: str):
    with pytest.raises(BadRequest) as caught:
        read_push_event(given_event)
    assert caught.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON, st.dictionaries(st.sampled_from([*to_event_data(PUSH)]), JSON))
def test_arbitrary_json_raises_nothing_but_bad_request(anything: Any, changes: dict[str, Any]):
    for candidate in (anything, event(anything), event(to_event_data(PUSH) | changes)):
        try:
            assert isinstance(read_push_event(candidate), RepositoryPushed)
        except BadRequest as error:
            assert error.field  # noqa: PT017 - BadRequest is one of two right answers


# --- drift --------------------------------------------------------------------------------------------------

DRIFT = DriftDetected("drift-prod-2025-12-09-1a2b3c4d", Stage.PROD, "PLANT1/CIRC1: data drift")


def drift_event(**changes: Any) -> dict[str, Any]:
    return {
        "eventType": "Busbar.DriftDetected",
        "data": json.loads(json.dumps(to_event_data(DRIFT))) | changes,
    }


def test_drift_there_and_back():
    assert read_drift_event(drift_event()) == DRIFT


@pytest.mark.parametrize(
    ("given_event", "field"),
    [
        (event({}), "eventType"),
        ({"eventType": "Busbar.DriftDetected"}, "data"),
        (drift_event(incident=""), "data.incident"),
        (drift_event(incident=7), "data.incident"),
        (drift_event(stage="production"), "data.stage"),
        (drift_event(sentence=None), "data.sentence"),
    ],
)
def test_a_wrong_drift_event_names_the_field(given_event: dict[str, Any], field: str):
    with pytest.raises(BadRequest) as error:
        read_drift_event(given_event)
    assert error.value.field == field
