"""Azure ML's events in both schemas, from what happened in a workspace to a subscriber, beside recorded payloads."""

import json
import re
from pathlib import Path

import pytest

from localazure.event_grid import EventGrid
from localazure.identity import Identity
from localazure.machine_learning.events import Events
from localazure.machine_learning.routing import Scope
from tests.localazure.event_grid.conftest import GROUP, WORKSPACE, config, everything

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads"
PREFIX = "Microsoft.MachineLearningServices."
RUN = {
    "scope": f"workspaces/{WORKSPACE}",
    "name": "train-1",
    "experiment": "PLANT001",
    "type": "azureml.PipelineRun",
    "tags": {"orchestration_id": "train-c0ffee"},
    "properties": {"iteration": "5"},
}
MODEL = "azureml://registries/central/models/lstm/versions/7"
DEPLOYMENT = {"tags": {"area": "north"}, "properties": {"model": {"assetId": MODEL}}}


@pytest.fixture
def happen(make_runtime, serve, receiver):
    """Let `action(events, scope)` happen; what a subscriber to each schema got: (Event Grid's, CloudEvents')."""

    def happen(action):
        cloud = everything(name="cloud", source=WORKSPACE, delivery_schema="CloudEventSchemaV1_0")
        runtime = make_runtime(config([everything(source=WORKSPACE), cloud]))
        identity = Identity(runtime)
        grid = EventGrid(runtime, identity.tokens)
        serve(runtime, [identity, grid])
        scope = Scope("workspaces", WORKSPACE, runtime.config.subscription_id, GROUP)
        action(Events(grid.emit), scope)
        bodies = [got.json for got in receiver.wait_for(2)]
        return tuple(sorted((body[0] if isinstance(body, list) else body for body in bodies), key=is_cloud))

    return happen


def is_cloud(event):
    return "specversion" in event


CASES = [
    (
        "RunStatusChanged",
        lambda events, scope: events.run_status_changed(scope, RUN, "Failed"),
        r"experiments/[0-9a-f-]{36}/runs/train-1",
        {
            "experimentName": "PLANT001",
            "runId": "train-1",
            "runType": "azureml.PipelineRun",
            "runTags": {"orchestration_id": "train-c0ffee"},
            "runProperties": {"iteration": "5"},
            "runStatus": "Failed",
        },
    ),
    (
        "RunCompleted",
        lambda events, scope: events.run_completed(scope, RUN),
        r"experiments/[0-9a-f-]{36}/runs/train-1",
        {"runId": "train-1"},
    ),
    (
        "ModelRegistered",
        lambda events, scope: events.model_registered(
            scope, "lstm", "20", {"tags": {"area": "north"}, "properties": {"type": "test"}}
        ),
        r"models/lstm:20",
        {
            "ModelName": "lstm",
            "ModelVersion": 20,
            "ModelTags": {"area": "north"},
            "ModelProperties": {"type": "test"},
        },
    ),
    (
        "ModelDeployed",
        lambda events, scope: events.model_deployed(scope, "scoring", "blue", DEPLOYMENT),
        r"endpoints/scoring",
        {"ServiceName": "scoring", "ModelIds": "lstm:7", "ServiceTags": {"area": "north"}},
    ),
]


@pytest.mark.parametrize(("kind", "action", "subject", "data"), CASES, ids=[case[0] for case in CASES])
def test_an_event_says_what_the_documentation_says(happen, kind, action, subject, data):
    plain, cloud = happen(action)
    assert (plain["eventType"], cloud["type"]) == (f"{PREFIX}{kind}", f"{PREFIX}{kind}")
    assert re.fullmatch(subject, plain["subject"])
    assert plain["data"] | data == plain["data"]
    workspace = f"/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
    assert plain["topic"].endswith(workspace)
    assert (cloud["source"], cloud["subject"], cloud["id"], cloud["time"], cloud["data"]) == (
        plain["topic"], plain["subject"], plain["id"], plain["eventTime"], plain["data"],
    )  # fmt: skip


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the folder of recorded payloads is not here")
@pytest.mark.parametrize(("kind", "action"), [case[:2] for case in CASES], ids=[case[0] for case in CASES])
def test_an_event_has_the_fields_of_the_recorded_payload(happen, kind, action):
    for ours, schema in zip(happen(action), ("eventgrid", "cloudevents"), strict=True):
        [recorded] = json.loads((PAYLOADS / f"{schema}_{kind}.json").read_text())
        assert set(ours) == set(recorded)
        assert set(ours["data"]) == set(recorded["data"])
        assert ours.get("dataVersion") == recorded.get("dataVersion")
        assert ours.get("metadataVersion") == recorded.get("metadataVersion")
        for name, value in recorded["data"].items():
            assert value is None or type(ours["data"][name]) is type(value), name


@pytest.mark.parametrize(
    ("version", "written"), [("3", 3), ("2026-11-20", "2026-11-20"), ("007", 7)], ids=str
)
def test_a_models_version_is_a_number_where_it_is_one(version, written):
    emitted = []
    events = Events(lambda source, event: emitted.append(event))
    events.model_registered(Scope("workspaces", WORKSPACE, "s", GROUP), "lstm", version, {})
    assert emitted[0]["data"]["ModelVersion"] == written
    assert emitted[0]["subject"] == f"models/lstm:{version}"
