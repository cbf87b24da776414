"""What the SDK sends, against Azure's own JSON Schemas."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.localazure.machine_learning.conftest import Cloud, Recorded
from tests.localazure.machine_learning.sdk import DATASTORE, chain_job

SPECS = Path(__file__).parents[4] / "shared" / "specs"
BASE = "https://schema.management.azure.com/schemas/"
TYPES = (
    (r"/environments/[^/]+/versions/", "environments_versions"),
    (r"/components/[^/]+/versions/", "components_versions"),
    (r"/codes/[^/]+/versions/", "codes_versions"),
    (r"/data/[^/]+/versions/", "data_versions"),
    (r"/models/[^/]+/versions/", "models_versions"),
    (r"/jobs/[^/]+$", "jobs"),
    (r"/batchEndpoints/[^/]+/deployments/", "batchEndpoints_deployments"),
    (r"/batchEndpoints/[^/]+$", "batchEndpoints"),
)
pytestmark = [
    pytest.mark.skipif(not SPECS.is_dir(), reason=f"Azure's schemas are not at {SPECS}"),
    pytest.mark.timeout(120),
]


@cache
def _schema(api_version: str) -> tuple[dict[str, Any], Any] | None:
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4

    path = SPECS / f"{api_version}.json"
    if not path.exists():
        return None
    document = _as_instances(json.loads(path.read_text()))
    common = json.loads((SPECS / "definitions.json").read_text())
    resources = [
        (f"{BASE}common/definitions.json", Resource(common, DRAFT4)),
        (document["id"].rstrip("#"), Resource(document, DRAFT4)),
    ]
    return document, Registry().with_resources(resources)


def _as_instances(node: Any) -> Any:
    """Template schemas, loosened where they describe templates: expressions, bases that forbid derived fields, case."""
    if isinstance(node, list):
        return [_as_instances(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _as_instances(value) for key, value in node.items()}
    if any("anyOf" in item for item in found.get("allOf", [])):
        for item in found["allOf"]:
            item.pop("additionalProperties", None)
    if "oneOf" in found:
        plain = [item for item in found["oneOf"] if "expression" not in str(item.get("$ref", ""))]
        found["anyOf"] = plain or found["oneOf"]
        del found["oneOf"]
    if all(isinstance(item, str) for item in found.get("enum", [0])):
        found["pattern"] = (
            "(?i)^(" + "|".join(re.escape(item).replace("_", "_?") for item in found.pop("enum")) + ")$"
        )
    return found


def _errors(request: Recorded) -> list[str]:
    from jsonschema import Draft4Validator

    kind = next((name for pattern, name in TYPES if re.search(pattern, request.path)), None)
    schema = _schema(request.api_version)
    if kind is None or schema is None or f"workspaces_{kind}" not in schema[0]["resourceDefinitions"]:
        return []
    document, registry = schema
    wrapped = {"$ref": f"{document['id'].rstrip('#')}#/resourceDefinitions/workspaces_{kind}"}
    body: dict[str, Any] = {
        **_sent(request),
        "name": request.path.rpartition("/")[2],
        "apiVersion": request.api_version,
        "type": "Microsoft.MachineLearningServices/workspaces/" + kind.replace("_", "/"),
    }
    found = Draft4Validator(wrapped, registry=registry).iter_errors(body)
    return [f"{request.path}: {error.message}" for error in found]


def _sent(request: Recorded) -> Any:
    """The body, without the SDK's one known slip: a number in `hash_version`, where the schema wants a text."""
    return json.loads(re.sub(r'("hash_version": )(\d+)', r'\1"\2"', json.dumps(request.body)))


def test_every_put_of_the_sdk_is_valid(cloud: Cloud, published: Any) -> None:
    from azure.ai.ml.entities import BatchEndpoint, Data, PipelineComponentBatchDeployment

    path = f"{DATASTORE}/mltable/schema/"
    published.data.create_or_update(
        Data(name="schema", version="1", type="mltable", path=path, skip_validation=True)
    )
    published.jobs.create_or_update(chain_job(published, "schema"))
    published.batch_endpoints.begin_create_or_update(BatchEndpoint(name="schema", tags={})).result()
    published.batch_deployments.begin_create_or_update(
        PipelineComponentBatchDeployment(
            name="schema",
            endpoint_name="schema",
            component="azureml:chain:1.0.0",
            settings={"default_compute": "cpu-cluster"},
        )
    ).result()
    sent = [
        request for request in cloud.requests if request.method == "PUT" and isinstance(request.body, dict)
    ]
    checked = [request for request in sent if "/workspaces/" in request.path and request.api_version]
    kinds = {name for request in checked for pattern, name in TYPES if re.search(pattern, request.path)}
    assert len(kinds) >= 7
    assert [error for request in checked for error in _errors(request)] == []


def test_a_wrong_body_would_be_found(cloud: Cloud) -> None:
    path = "/subscriptions/s/resourceGroups/g/providers/x/workspaces/w/batchEndpoints/plant1"
    right = {"location": "eastus", "properties": {"authMode": "aadToken"}}
    assert _errors(Recorded("PUT", path, "2023-10-01", right)) == []
    assert _errors(Recorded("PUT", path, "2023-10-01", {**right, "properties": {"authMode": "none"}})) != []
