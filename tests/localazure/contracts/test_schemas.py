"""The judge itself: right bodies pass, wrong ones are found, on either side."""

from typing import Any

import pytest

from tests.localazure.contracts import schemas
from tests.localazure.contracts.check import accepted_by, findings, sides
from tests.localazure.contracts.deviations import ACCEPTED
from tests.localazure.contracts.exchanges import Exchange

_WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
_SDK = "azure-ai-ml/1.35.2 azsdk-python-ai-ml/1.35.2"

needs_schemas = pytest.mark.skipif(
    not schemas.SPECS.is_dir(),
    reason=f"Azure's schemas are not at {schemas.SPECS}: nothing is checked by them",
)


def exchange(kind: str, body: Any, answer: Any, *, status: int = 200, agent: str = _SDK) -> Exchange:
    return Exchange("PUT", f"{_WORKSPACE}/{kind}", "", "2023-10-01", agent, body, status, answer)


def resource(kind: str, name: str, **properties: Any) -> dict[str, Any]:
    """As the service gives one."""
    return {
        "id": f"{_WORKSPACE}/{kind}/{name}",
        "name": name,
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind}",
        "systemData": {},
        "location": "eastus",
        "properties": properties,
    }


ENDPOINT = {"location": "eastus", "properties": {"authMode": "aadToken"}}


@needs_schemas
@pytest.mark.parametrize(
    ("body", "given", "wrong"),
    [
        (ENDPOINT, {"authMode": "AADToken", "scoringUri": "https://localhost/"}, []),
        (ENDPOINT, {"authMode": "AADToken", "description": None}, []),
        ({**ENDPOINT, "properties": {"authMode": "none"}}, {"authMode": "AADToken"}, ["request"]),
        ({**ENDPOINT, "properties": {}}, {"authMode": "AADToken"}, ["request"]),
        ({**ENDPOINT, "colour": "red"}, {"authMode": "AADToken"}, []),
        (ENDPOINT, {"authMode": "AADToken", "scoreUri": "https://localhost/"}, ["response"]),
        (ENDPOINT, {"authMode": 1}, ["response"]),
    ],
)
def test_a_batch_endpoint(body, given, wrong):
    put = exchange("batchEndpoints/plant1", body, resource("batchEndpoints", "plant1", **given))
    assert sides(put) == {"request", "response"}
    assert sorted({finding.side for finding in findings(put)}) == wrong


@needs_schemas
def test_a_union_is_judged_by_its_discriminator():
    job = {"properties": {"jobType": "command", "command": "run it", "environmentId": "e"}}
    pipeline = {"properties": {**job["properties"], "jobType": "Pipeline"}}
    given = resource("jobs", "j", **job["properties"], status="Completed")
    assert findings(exchange("jobs/j", job, given)) == []
    (found,) = findings(exchange("jobs/j", pipeline, given))
    assert "command" in found.message


@needs_schemas
def test_what_a_test_sends_by_hand_is_not_judged_but_its_answer_is():
    by_hand = exchange("batchEndpoints/p", {}, resource("batchEndpoints", "p"), agent="python-httpx/1")
    assert sides(by_hand) == {"response"}
    assert {finding.side for finding in findings(by_hand)} == {"response"}


@needs_schemas
def test_every_resource_of_a_list_is_judged():
    right, wrong = (resource("batchEndpoints", "p", authMode=mode) for mode in ("Key", "Secret"))
    path = f"{_WORKSPACE}/batchEndpoints"
    listed = Exchange("GET", path, "", "2023-10-01", _SDK, None, 200, {"value": [right, wrong]})
    assert len(findings(listed)) == 1


@pytest.mark.parametrize(
    ("answer", "count"),
    [({"error": {"code": "NotFound", "message": "no"}}, 0), ({"message": "no"}, 1), (None, 1)],
)
def test_a_refusal_has_arms_shape(answer, count):
    assert len(findings(exchange("jobs/j", {}, answer, status=404))) == count


@needs_schemas
def test_an_accepted_deviation_is_no_finding():
    properties = {"codeUri": "https://localhost/", "properties": {"hash_version": 2}}
    code = exchange(
        "codes/c/versions/1", {"properties": properties}, resource("codes/versions", "1", **properties)
    )
    assert findings(code) == []


def test_deviations_have_reasons_of_their_own():
    assert len({one.reason for one in ACCEPTED}) == len(ACCEPTED)
    assert accepted_by(findings(exchange("jobs/j", {}, None, status=500))[0]) is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"{_WORKSPACE}/jobs/j", "workspaces_jobs"),
        (f"{_WORKSPACE}/models/m/versions", "workspaces_models_versions"),
        (f"/mferp/managementfrontend{_WORKSPACE}/models/m/versions/1", "workspaces_models_versions"),
        (f"/mlflow/v1.0{_WORKSPACE}/api", None),
        ("/emails:send", None),
    ],
)
def test_resource_types(path, kind):
    assert schemas.resource_type(path) == kind
