from typing import Any

import httpx
import pytest

from tests.localazure.machine_learning.conftest import Cloud, finish
from tests.localazure.machine_learning.sdk import DATASTORE

pytestmark = pytest.mark.timeout(180)


def deployment(endpoint: str, name: str, **changes: Any) -> Any:
    from azure.ai.ml.entities import PipelineComponentBatchDeployment

    asked: dict[str, Any] = {
        "component": "azureml:chain:1.0.0",
        "settings": {"default_compute": "cpu-cluster"},
    }
    return PipelineComponentBatchDeployment(name=name, endpoint_name=endpoint, **{**asked, **changes})


@pytest.fixture(scope="module")
def endpoint(published: Any) -> str:
    from azure.ai.ml.entities import BatchEndpoint

    published.batch_endpoints.begin_create_or_update(
        BatchEndpoint(name="plant1", tags={"plant": "PLANT1"})
    ).result()
    published.batch_deployments.begin_create_or_update(
        deployment("plant1", "circ1-v1", tags={"model": "m:1"})
    ).result()
    return "plant1"


def inputs() -> dict[str, Any]:
    from azure.ai.ml import Input

    return {"text": Input(type="uri_file", path=f"{DATASTORE}/texts/hello.txt")}


def test_an_endpoint_and_its_deployment_are_read_back(published: Any, endpoint: str, cloud: Cloud) -> None:
    found = published.batch_endpoints.get(endpoint)
    assert found.tags == {"plant": "PLANT1"}
    assert found.provisioning_state == "Succeeded"
    assert published.batch_deployments.get("circ1-v1", endpoint).tags == {"model": "m:1"}
    assert "circ1-v1" in [item.name for item in published.batch_deployments.list(endpoint)]
    deployed = [event["data"] for _, event in cloud.events if event["subject"] == f"endpoints/{endpoint}"]
    assert deployed[0]["ServiceTags"] == {"model": "m:1"}


def test_an_invocation_is_a_job_of_the_name_asked_for(published: Any, endpoint: str) -> None:
    from azure.core.exceptions import ResourceExistsError

    asked: dict[str, Any] = {"endpoint_name": endpoint, "deployment_name": "circ1-v1", "job_name": "score-1"}
    published.batch_endpoints.invoke(**asked, experiment_name="scoring", inputs=inputs())
    with pytest.raises(ResourceExistsError):
        published.batch_endpoints.invoke(**asked, inputs=inputs())
    job = finish(published, "score-1")
    assert (job.status, job.experiment_name) == ("Completed", "scoring")
    assert job.properties["azureml.deploymentName"] == "circ1-v1"
    assert [item.name for item in published.batch_endpoints.list_jobs(endpoint)] == ["score-1"]


def test_a_missing_input_is_refused(published: Any, endpoint: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="needs the input text"):
        published.batch_endpoints.invoke(
            endpoint_name=endpoint, deployment_name="circ1-v1", job_name="score-2", inputs={}
        )


def test_the_default_deployment_is_invoked_and_cannot_be_deleted(
    published: Any, endpoint: str, arm: httpx.Client
) -> None:
    from azure.core.exceptions import HttpResponseError

    # Not through the SDK: it sends the deployment that the process named last.
    text = {"jobInputType": "UriFile", "uri": f"{DATASTORE}/texts/hello.txt"}
    asked = {"properties": {"name": "score-3", "inputData": {"text": text}}}
    refused = arm.post(f"/batchEndpoints/{endpoint}/jobs", json=asked)
    assert (refused.status_code, "no default deployment" in refused.json()["error"]["message"]) == (400, True)

    found = published.batch_endpoints.get(endpoint)
    found.defaults = {"deployment_name": "circ1-v1"}
    published.batch_endpoints.begin_create_or_update(found).result()
    assert arm.post(f"/batchEndpoints/{endpoint}/jobs", json=asked).status_code == 201
    with pytest.raises(HttpResponseError, match="default deployment") as caught:
        published.batch_deployments.begin_delete("circ1-v1", endpoint).result()
    assert caught.value.status_code == 409
    assert finish(published, "score-3").status == "Completed"


def test_an_endpoint_holds_twenty_deployments(published: Any) -> None:
    from azure.ai.ml.entities import BatchEndpoint
    from azure.core.exceptions import HttpResponseError

    published.batch_endpoints.begin_create_or_update(BatchEndpoint(name="plant2", tags={})).result()
    for number in range(20):
        published.batch_deployments.begin_create_or_update(deployment("plant2", f"c-{number}"))
    with pytest.raises(HttpResponseError, match="QuotaExceeded"):
        published.batch_deployments.begin_create_or_update(deployment("plant2", "c-20"))
    published.batch_deployments.begin_delete("c-7", "plant2").result()
    published.batch_deployments.begin_create_or_update(deployment("plant2", "c-20")).result()
    names = {item.name for item in published.batch_deployments.list("plant2")}
    assert len(names) == 20
    assert "c-7" not in names


@pytest.mark.parametrize("name", ["ab", "plant_1", "1plant", "plant-", "p" * 33])
def test_names_follow_azures_rule(published: Any, name: str) -> None:
    from azure.ai.ml.entities import BatchEndpoint
    from azure.core.exceptions import HttpResponseError

    with pytest.raises((HttpResponseError, ValueError, Exception), match=r"3 to 32|letters|name"):
        published.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name, tags={})).result()
