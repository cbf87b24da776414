"""Every refusal of Azure ML's management API: request, status, code, and a part of the message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest

from tests.localazure.machine_learning.conftest import GROUP, REGISTRY, WORKSPACE, Cloud, finish

pytestmark = pytest.mark.timeout(180)
NOWHERE = "00000000-0000-0000-0000-00000000dead"


@dataclass(frozen=True)
class Asked:
    """A request; `path` is inside the workspace unless it starts with /subscriptions."""

    method: str
    path: str
    body: Any = None
    raw: bytes | None = None
    version: str | None = "2025-12-01"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def _put(path: str, **properties: Any) -> Asked:
    return Asked("PUT", path, {"properties": properties})


def _component(name: str = "c", **spec: Any) -> Asked:
    whole = {"name": name, "version": "1", "type": "command", "command": "true", **spec}
    return _put(f"/components/{name}/versions/1", componentSpec=whole)


def _command(**changes: Any) -> Asked:
    environment, compute = "azureml:plain-env:1.0.0", "cpu-cluster"
    asked = {
        "jobType": "Command",
        "command": "true",
        "environmentId": environment,
        "computeId": compute,
        **changes,
    }
    return _put("/jobs/refused", **{key: value for key, value in asked.items() if value is not None})


def _step(component: str = "azureml:shout:1.0.0", outputs: Any = None, **inputs: Any) -> Asked:
    step = {"type": "command", "componentId": component, "inputs": inputs, "outputs": outputs or {}}
    settings = {"default_compute": "cpu-cluster"}
    return _put("/jobs/refused", jobType="Pipeline", settings=settings, jobs={"only": step})


def _text(value: object) -> Any:
    return {"job_input_type": "literal", "value": value}


def _file(uri: str, kind: str = "uri_file") -> Any:
    return {"job_input_type": kind, "uri": uri}


HI = _file("azureml://datastores/workspaceblobstore/paths/texts/hello.txt")
PROVIDER = "providers/Microsoft.MachineLearningServices"
OPERATIONS = f"/subscriptions/{{subscription}}/{PROVIDER}/locations/eastus"
PATH = f"/subscriptions/{{subscription}}/resourceGroups/{GROUP}/{PROVIDER}"

REFUSALS: dict[str, tuple[Asked, int, str, str]] = {
    "no api-version": (
        Asked("GET", "/jobs", version=None), 400, "MissingApiVersionParameter", "query parameter (?api-version=)",
    ),
    "a malformed api-version": (
        Asked("GET", "/jobs", version="v2"), 400, "InvalidApiVersionParameter", "The api-version 'v2' is invalid",
    ),
    "an unknown api-version": (
        Asked("GET", "/jobs", version="2019-01-01"), 400, "NoRegisteredProviderFound", "for type 'workspaces/jobs'",
    ),
    "a malformed subscription": (
        Asked("GET", f"/subscriptions/abc/resourceGroups/{GROUP}/{PROVIDER}/workspaces/x"),
        400, "InvalidSubscriptionId", "'abc' is malformed or invalid",
    ),
    "an unknown subscription": (
        Asked("GET", f"{PATH.format(subscription=NOWHERE)}/workspaces/{WORKSPACE}"),
        404, "SubscriptionNotFound", f"The subscription '{NOWHERE}' could not be found",
    ),
    "an unknown resource group": (
        Asked("GET", f"{PATH.replace(GROUP, 'no-rg')}/workspaces/{WORKSPACE}"),
        404, "ResourceGroupNotFound", "Resource group 'no-rg' could not be found",
    ),
    "an unknown workspace": (
        Asked("GET", f"{PATH}/workspaces/x"), 404, "ResourceNotFound",
        f"The Resource 'Microsoft.MachineLearningServices/workspaces/x' under resource group '{GROUP}' was not found.",
    ),
    "an unknown registry": (
        Asked("GET", f"/mferp/managementfrontend{PATH}/registries/x/models"), 404, "ResourceNotFound",
        "'Microsoft.MachineLearningServices/registries/x'",
    ),
    "a body that is not JSON": (
        Asked("PUT", "/jobs/refused", raw=b"{"), 400, "InvalidRequestContent", "could not be deserialized",
    ),
    "a body that is a list": (
        Asked("PUT", "/jobs/refused", []), 400, "InvalidRequestContent", "a JSON object is expected",
    ),
    "a body without properties": (
        Asked("PUT", "/models/m/versions/1", {}), 400, "UserError", "The properties field is required",
    ),
    "a model without a path": (
        _put("/models/m/versions/1", modelType="custom_model"), 400, "UserError", "The properties.modelUri field",
    ),
    "data without a type": (
        _put("/data/d/versions/1", dataUri="azureml://datastores/workspaceblobstore/paths/a/"),
        400, "UserError", "The properties.dataType field",
    ),
    "data of an unknown type": (
        _put("/data/d/versions/1", dataUri="azureml://x", dataType="table"), 400, "UserError", "'table' is none of",
    ),
    "an asset's name with a space": (
        _put("/data/a%20b/versions/1", dataUri="x", dataType="mltable"), 400, "UserError", "The name 'a b' is not",
    ),
    "a version with a space": (
        _put("/data/d/versions/1%202", dataUri="x", dataType="mltable"), 400, "UserError", "The version '1 2' is not",
    ),
    "an unquoted version": (
        _component(version=1.0), 400, "UserError", "componentSpec.version is 1.0, which is no text: put it in quotes",
    ),
    "a command that uses an undeclared input": (
        _component(command="echo ${{inputs.absent}}"), 400, "UserError", "uses inputs.absent",
    ),
    "changed data": (
        _put("/data/kept/versions/1", dataUri="azureml://other", dataType="mltable"),
        409, "UserError", "its dataUri cannot be changed",
    ),
    "a changed environment": (
        _put("/environments/plain-env/versions/1.0.0", image="debian:13"), 409, "UserError", "is immutable",
    ),
    "a model of nothing": (
        _put("/models/m/versions/1", modelUri="azureml://datastores/workspaceblobstore/paths/nothing/"),
        400, "UserError", "holds no files",
    ),
    "a model of an unknown job": (
        _put("/models/m/versions/1", modelUri="azureml://jobs/none/outputs/model"), 400, "UserError", "The job none",
    ),
    "an unknown environment": (Asked("GET", "/environments/e/versions/1"), 404, "ResourceNotFound", "e:1"),
    "an unknown component": (Asked("GET", "/components/c/versions/1"), 404, "ResourceNotFound", "c:1"),
    "an unknown model": (Asked("GET", "/models/m/versions/1"), 404, "ResourceNotFound", "m:1"),
    "an unknown container": (Asked("GET", "/data/d"), 404, "ResourceNotFound", "data d"),
    "an unknown job": (Asked("GET", "/jobs/none"), 404, "ResourceNotFound", "none"),
    "cancelling an unknown job": (Asked("POST", "/jobs/none/cancel"), 404, "ResourceNotFound", "none"),
    "an unknown compute": (Asked("GET", "/computes/none"), 404, "ResourceNotFound", "none"),
    "an unknown operation": (
        Asked("GET", f"{OPERATIONS}/mfeOperationsStatus/{NOWHERE}"), 404, "ResourceNotFound", "The operation",
    ),
    "an endpoint of 33 characters": (
        Asked("PUT", f"/batchEndpoints/{'a' * 33}", {"location": "eastus", "properties": {"authMode": "AADToken"}}),
        400, "UserError", "32",
    ),
    "a job's name with a dot": (
        Asked("PUT", "/jobs/a.b", _command().body), 400, "UserError", "The job name 'a.b' is not valid",
    ),
    "a job without a type": (_put("/jobs/refused", command="true"), 400, "UserError", "The properties.jobType field"),
    "a command job without a command": (_command(command=None), 400, "UserError", "The properties.command field"),
    "a job on an unknown compute": (_command(computeId="nowhere"), 400, "UserError", "compute target 'nowhere'"),
    "a job without a compute": (_command(computeId=None), 400, "UserError", "compute"),
    "a job in an unknown environment": (
        _command(environmentId="azureml:no-env:1"), 404, "ResourceNotFound", "environments no-env:1",
    ),
    "a job in an unknown environment of a registry": (
        _command(environmentId=f"azureml://registries/{REGISTRY}/environments/no-env/versions/1"),
        404, "ResourceNotFound", f"no-env:1 of {REGISTRY}",
    ),
    "a job in an environment of an unknown registry": (
        _command(environmentId="azureml://registries/none/environments/e/versions/1"),
        404, "ResourceNotFound", "'none'",
    ),
    "a job of unknown code": (_command(codeId="azureml:no-code:1"), 404, "ResourceNotFound", "codes no-code:1"),
    "a job of unknown data": (
        _command(inputs={"text": _file("azureml:no-data:1")}), 404, "ResourceNotFound", "data no-data:1",
    ),
    "a job of an unknown model": (
        _command(inputs={"model": _file("azureml:no-model:1", "mlflow_model")}),
        404, "ResourceNotFound", "models no-model:1",
    ),
    "a job of an unknown component": (_step("azureml:no-part:1"), 404, "ResourceNotFound", "components no-part:1"),
    "a component without an input that it needs": (_step(), 400, "UserError", "The step only needs the input text"),
    "a component with an input that it lacks": (
        _step(text=HI, colour=_text("red")), 400, "UserError", "The step only has no input colour",
    ),
    "a text where a file is needed": (
        _step(text=_text("hello")), 400, "UserError", "of type uri_file; it was given the text 'hello'",
    ),
    "a folder where a file is needed": (
        _step(text={**HI, "job_input_type": "uri_folder"}), 400, "UserError", "it was given uri_folder",
    ),
    "a word where a number is needed": (
        _step(text=HI, times=_text("often")), 400, "UserError", "of type integer; it was given 'often'",
    ),
    "an output that the component lacks": (
        _step(outputs={"quiet": {"job_output_type": "uri_file"}}, text=HI),
        400, "UserError", "The step only has no output quiet",
    ),
    "a job with other content under a taken name": (
        Asked("PUT", "/jobs/taken", _command(command="false").body),
        400, "UserError", "A job with this name already exists. If you are trying to create a new job",
    ),
    "a condition on what has changed": (
        Asked("PUT", "/data/kept/versions/1", _put("", dataUri="azureml://datastores/workspaceblobstore/paths/a/",
              dataType="mltable").body, headers={"If-Match": '"old"'}), 412, "PreconditionFailed", "If-Match",
    ),
    "a condition that there is nothing": (
        Asked("PUT", "/data/kept/versions/1", {}, headers={"If-None-Match": "*"}), 412, "PreconditionFailed", "If-None",
    ),
    "a page that is no number": (Asked("GET", "/jobs?$skip=x"), 400, "UserError", "$skip is 'x'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def taken(published: Any, arm_of_module: httpx.Client) -> None:
    """What some of the refusals need to be there: data, a job that ended."""
    kept = _put("", dataUri="azureml://datastores/workspaceblobstore/paths/a/", dataType="mltable").body
    arm_of_module.put("/data/kept/versions/1", json=kept).raise_for_status()
    arm_of_module.put("/jobs/taken", json=_command().body).raise_for_status()
    finish(published, "taken")


@pytest.fixture(scope="module")
def arm_of_module(cloud: Cloud) -> Any:
    from tests.localazure.machine_learning.conftest import workspace_client

    with workspace_client(cloud.runtime) as session:
        yield session


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_refused(
    refusal: tuple[Asked, int, str, str], cloud: Cloud, taken: None, arm_of_module: httpx.Client
) -> None:
    asked, status, code, message = refusal
    answer = _send(cloud, arm_of_module, asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert message.lower() in error["message"].lower()


def _send(cloud: Cloud, session: httpx.Client, asked: Asked) -> httpx.Response:
    base, path = str(session.base_url).rstrip("/"), asked.path
    if path.startswith(("/subscriptions", "/mferp")):
        base = cloud.runtime.addresses.azure
        path = path.replace("{subscription}", cloud.runtime.config.subscription_id)
    separator = "&" if "?" in path else "?"
    version = f"{separator}api-version={asked.version}" if asked.version else ""
    content: dict[str, Any] = {"content": asked.raw} if asked.raw else {"json": asked.body}
    request = httpx.Request(
        asked.method,
        f"{base}{path}{version}",
        headers={**session.headers, "content-type": "application/json", **asked.headers},
        **(content if asked.method != "GET" else {}),
    )
    return session.send(request)


def test_an_etag_follows_the_content(cloud: Cloud, taken: None, arm_of_module: httpx.Client) -> None:
    path = "/data/kept/versions/1"
    first = arm_of_module.get(path)
    again = arm_of_module.get(path)
    assert first.headers["etag"] == again.headers["etag"]
    body = {"properties": {**first.json()["properties"], "tags": {"seen": "yes"}}}
    changed = arm_of_module.put(path, json=body, headers={"If-Match": first.headers["etag"]})
    assert changed.status_code == 200
    lost = arm_of_module.put(path, json=body, headers={"If-Match": first.headers["etag"]})
    assert (lost.status_code, lost.json()["error"]["code"]) == (412, "PreconditionFailed")
    new = arm_of_module.put("/data/other/versions/1", json=body, headers={"If-None-Match": "*"})
    assert new.status_code == 201


def test_who_did_it_is_in_the_system_data(taken: None, arm_of_module: httpx.Client) -> None:
    token = arm_of_module.headers["authorization"].partition(" ")[2]
    claims = jwt.decode(token, options={"verify_signature": False})
    shown = arm_of_module.get("/data/kept/versions/1").json()["systemData"]
    assert shown["createdBy"] in (claims.get("appid"), claims.get("oid"))
    assert shown["createdByType"] in ("Application", "ManagedIdentity")
    assert shown["createdAt"] <= shown["lastModifiedAt"]
