"""Azure ML's job events."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest
from busbar.domain.events import DriftAlert, JobChanged, JobStatus, job_status
from busbar.domain.policies import Stage
from busbar.inbound.azure_ml import read_breach, read_event
from localazure.config import Config
from localazure.event_grid.filters import matches
from localazure.event_grid_config import Subscription

LOCAL = Path(__file__).parents[2] / "infra" / "local.yaml"
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
            assert error.field  # noqa: PT017 - BadRequest is one of two right answers


# --- breaches of model monitors -----------------------------------------------------------------------------

BREACHED = {
    "azureml_modelmonitor_threshold_breached": "data_drift_1 has failed due to one or more features",
    "plant_id": "PLANT1",
    "circuit_id": "CIRC1",
}
BREACH = DriftAlert(CircuitKey("PLANT1", "CIRC1"), "Azure ML's monitor: train-1 breached")
OLD = {"DataDriftId": "1", "DataDriftName": "monitor", "RunId": "r", "DriftCoefficient": 0.8}


@pytest.mark.parametrize(
    ("given_event", "expected"),
    [
        (event(runTags=BREACHED), BREACH),
        (event(runTags={key.upper(): value for key, value in BREACHED.items()}), BREACH),
        (event(runTags={key: value for key, value in BREACHED.items() if key != "plant_id"}), None),
        (event(runTags={"plant_id": "PLANT1", "circuit_id": "CIRC1"}), None),
        (event(runTags=None), None),
        (event(), None),
        ({"eventType": PREFIX + "DatasetDriftDetected", "data": OLD}, None),
        (event("ModelRegistered"), None),
    ],
)
def test_breaches(given_event: dict[str, Any], expected: DriftAlert | None):
    assert read_breach(given_event) == expected


@pytest.mark.parametrize("plant", [7, "", "../PLANT1", None])
def test_a_breach_of_no_circuit_is_refused(plant: Any):
    with pytest.raises(BadRequest):
        read_breach(event(runTags=BREACHED | {"plant_id": plant}))


# --- what the subscriptions of infra/local.yaml let through ------------------------------------------------

WORKSPACES = [
    one for one in Config.read(LOCAL).event_grid.subscriptions if one.name.endswith("-workspace-events")
]
STATUSES = [
    *("NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Running", "Finalizing"),
    *("CancelRequested", "Paused", "Completed", "Failed", "Canceled"),
]


@pytest.mark.parametrize("subscription", WORKSPACES, ids=lambda one: one.name)
@pytest.mark.parametrize("status", STATUSES)
def test_only_a_jobs_end_is_delivered(subscription: Subscription, status: str):
    assert matches(event(runStatus=status), subscription) is job_status(status).finished


@pytest.mark.parametrize("subscription", WORKSPACES, ids=lambda one: one.name)
def test_a_status_that_nobody_knows_yet_is_delivered(subscription: Subscription):
    assert matches(event(runStatus="Evaporated"), subscription)


def test_every_workspace_has_its_subscription():
    assert len(WORKSPACES) == len(Stage)
