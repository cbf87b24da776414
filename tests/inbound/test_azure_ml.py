"""Azure ML's job events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.errors import BadRequest
from busbar.domain.events import JobChanged, JobStatus
from busbar.inbound.azure_ml import read_event

PREFIX = "Microsoft.MachineLearningServices."
DATA = {"runId": "train-1", "runStatus": "Completed", "runTags": {"orchestration_id": "train-c0ffee"}}


def event(kind: str = "RunStatusChanged", **changes: Any) -> dict[str, Any]:
    return {"id": "1", "eventType": PREFIX + kind, "data": DATA | changes}


@pytest.mark.parametrize(
    ("given_event", "expected"),
    [
        (event(), JobChanged("train-1", JobStatus.COMPLETED, "train-c0ffee")),
        (event(runStatus="FAILED"), JobChanged("train-1", JobStatus.FAILED, "train-c0ffee")),
        (event(runStatus="Cancelled"), JobChanged("train-1", JobStatus.CANCELED, "train-c0ffee")),
        (event(runStatus="Canceled"), JobChanged("train-1", JobStatus.CANCELED, "train-c0ffee")),
        (event(runStatus="not_started"), JobChanged("train-1", JobStatus.QUEUED, "train-c0ffee")),
        (event(runStatus="SomethingNew"), JobChanged("train-1", JobStatus.RUNNING, "train-c0ffee")),
        (event("RunCompleted", runStatus=None), JobChanged("train-1", JobStatus.COMPLETED, "train-c0ffee")),
        (event("RunCompleted", runStatus="Failed"), JobChanged("train-1", JobStatus.FAILED, "train-c0ffee")),
        (event(runTags=None), JobChanged("train-1", JobStatus.COMPLETED, None)),
        (event(runTags={}), JobChanged("train-1", JobStatus.COMPLETED, None)),
        (event(runTags={"orchestration_id": 7}), JobChanged("train-1", JobStatus.COMPLETED, None)),
        (event(runTags={"orchestration_id": ""}), JobChanged("train-1", JobStatus.COMPLETED, None)),
        (event(runType=None), JobChanged("train-1", JobStatus.COMPLETED, "train-c0ffee")),
        (event("ModelRegistered"), None),
        ({"eventType": "Busbar.RepositoryPushed"}, None),
        (
            {
                "eventType": PREFIX.lower() + "RUNSTATUSCHANGED",
                "data": {"RunId": "j", "RunStatus": "running", "RunTags": {"Orchestration_Id": "o"}},
            },
            JobChanged("j", JobStatus.RUNNING, "o"),
        ),
        (
            {"specversion": "1.0", "type": PREFIX + "RunStatusChanged", "data": DATA},
            JobChanged("train-1", JobStatus.COMPLETED, "train-c0ffee"),
        ),
    ],
)
def test_events(given_event: dict[str, Any], expected: JobChanged | None):
    assert read_event(given_event) == expected


@pytest.mark.parametrize(
    ("given_event", "field"),
    [
        ({}, "eventType"),
        ({"eventType": 7}, "eventType"),
        ({"specversion": "1.0", "eventType": PREFIX + "RunCompleted"}, "type"),
        ({"eventType": PREFIX + "RunCompleted"}, "data"),
        ({"eventType": PREFIX + "RunCompleted", "data": []}, "data"),
        (event(runId=None), "data.runId"),
        (event(runId=""), "data.runId"),
        (event(runStatus=None), "data.runStatus"),
        (event(runStatus=7), "data.runStatus"),
        (event(runTags=[]), "data.runTags"),
    ],
)
def test_what_is_wrong_is_named(given_event: dict[str, Any], field: str):
    with pytest.raises(BadRequest) as caught:
        read_event(given_event)
    assert caught.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    JSON,
    st.dictionaries(st.sampled_from([*DATA, "RUNID"]), JSON),
    st.sampled_from(["RunCompleted", "RunStatusChanged"]),
)
def test_arbitrary_json_raises_nothing_but_bad_request(anything: Any, data: dict[str, Any], kind: str):
    for candidate in (anything, event(kind, **data)):
        try:
            assert isinstance(read_event(candidate), JobChanged | None)
        except BadRequest as error:
            assert error.field  # noqa: PT017  # BadRequest is one of two right answers
