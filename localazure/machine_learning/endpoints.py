"""Batch endpoints, their deployments, and invoking them."""

import re
import uuid
from collections.abc import Sequence
from typing import Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.assets import read_asset
from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.operations import Operations
from localazure.machine_learning.references import parse_asset
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, not_found, route
from localazure.web import azure_error

MAX_DEPLOYMENTS = 20  # of one endpoint, Azure's quota
_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9]|-(?!-)){1,30}[a-zA-Z0-9]")
_ENDPOINT = f"{WORKSPACE}/batchEndpoints/{{endpoint}}"
_DEPLOYMENT = f"{_ENDPOINT}/deployments/{{deployment}}"


class Submit(Protocol):
    """Starts a job from the `properties` of an ARM job; gives its resource; refuses a taken name with 409."""

    def __call__(self, scope: Scope, name: str, properties: Json) -> Json: ...


class BatchEndpoints:
    def __init__(self, context: Context, operations: Operations, submit: Submit):
        self._context = context
        self._operations = operations
        self._submit = submit
        self._documents = context.documents

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{WORKSPACE}/batchEndpoints", self.list_endpoints),
            ("GET", _ENDPOINT, self.get_endpoint),
            ("PUT", _ENDPOINT, self.put_endpoint),
            ("DELETE", _ENDPOINT, self.delete_endpoint),
            ("GET", f"{_ENDPOINT}/deployments", self.list_deployments),
            ("GET", _DEPLOYMENT, self.get_deployment),
            ("PUT", _DEPLOYMENT, self.put_deployment),
            ("DELETE", _DEPLOYMENT, self.delete_deployment),
            ("POST", f"{_ENDPOINT}/jobs", self.invoke),
            ("GET", f"{_ENDPOINT}/jobs", self.list_jobs),
            ("GET", f"/mferp/managementfrontend{_ENDPOINT}/jobs", self.list_jobs),
        )
        return tuple(route(method, path, handler, self._context.authorize) for method, path, handler in table)

    def list_endpoints(self, call: Call) -> Json:
        return {
            "value": [item for _, item in self._documents.list("batchEndpoints", f"{self._scope(call).key}/")]
        }

    def get_endpoint(self, call: Call) -> Json:
        name = call.path["endpoint"]
        if found := self._documents.get("batchEndpoints", f"{self._scope(call).key}/{name}"):
            return found
        raise not_found(f"The batch endpoint {name}")

    def put_endpoint(self, call: Call) -> Response:
        scope, name = self._scope(call), call.path["endpoint"]
        _check_name(name)
        key = f"{scope.key}/{name}"
        with self._documents.transaction():
            old = self._documents.get("batchEndpoints", key)
            self._check_default(scope, name, call.body)
            resource = _resource(scope.arm_id, f"batchEndpoints/{name}", call.body, old)
            scoring = f"{self._context.runtime.addresses.azure}{scope.arm_id}/batchEndpoints/{name}/jobs"
            resource["properties"] |= {"scoringUri": scoring}
            self._documents.put("batchEndpoints", key, resource)
        return self._operations.accepted(resource, 200 if old else 201)

    def delete_endpoint(self, call: Call) -> Response:
        scope, name = self._scope(call), call.path["endpoint"]
        with self._documents.transaction():
            for key, _ in self._deployments(scope, name):
                self._documents.delete("batchDeployments", key)
            if not self._documents.delete("batchEndpoints", f"{scope.key}/{name}"):
                return Response(status_code=204)
        return self._operations.accepted_empty()

    def list_deployments(self, call: Call) -> Json:
        self.get_endpoint(call)
        return {"value": [item for _, item in self._deployments(self._scope(call), call.path["endpoint"])]}

    def get_deployment(self, call: Call) -> Json:
        self.get_endpoint(call)
        endpoint, name = call.path["endpoint"], call.path["deployment"]
        if found := self._documents.get("batchDeployments", f"{self._scope(call).key}/{endpoint}/{name}"):
            return found
        raise not_found(f"The deployment {name} of the batch endpoint {endpoint}")

    def put_deployment(self, call: Call) -> Response:
        scope, endpoint, name = self._scope(call), call.path["endpoint"], call.path["deployment"]
        self.get_endpoint(call)
        _check_name(name)
        self._check_component(scope, call.body)
        key = f"{scope.key}/{endpoint}/{name}"
        with self._documents.transaction():
            old = self._documents.get("batchDeployments", key)
            if old is None and len(self._deployments(scope, endpoint)) >= MAX_DEPLOYMENTS:
                raise azure_error(
                    400,
                    "QuotaExceeded",
                    f"The endpoint {endpoint} has {MAX_DEPLOYMENTS} deployments, the most an endpoint may have: "
                    "delete one that is no longer used.",
                )
            resource = _resource(
                scope.arm_id, f"batchEndpoints/{endpoint}/deployments/{name}", call.body, old
            )
            self._documents.put("batchDeployments", key, resource)
        if old is None:
            self._context.events.model_deployed(scope, endpoint, name, resource)
        return self._operations.accepted(resource, 200 if old else 201)

    def delete_deployment(self, call: Call) -> Response:
        scope, endpoint, name = self._scope(call), call.path["endpoint"], call.path["deployment"]
        defaults = self.get_endpoint(call)["properties"].get("defaults") or {}
        if defaults.get("deploymentName") == name:
            raise azure_error(
                400,
                "UserError",
                f"{name} is the default deployment of {endpoint}: name another default first.",
            )
        if not self._documents.delete("batchDeployments", f"{scope.key}/{endpoint}/{name}"):
            return Response(status_code=204)
        return self._operations.accepted_empty()

    def invoke(self, call: Call) -> Response:
        """Starts a job on the deployment that the header names, else on the default one."""
        scope, endpoint = self._scope(call), call.path["endpoint"]
        defaults = self.get_endpoint(call)["properties"].get("defaults") or {}
        deployment = call.headers.get("azureml-model-deployment") or defaults.get("deploymentName")
        if not deployment:
            raise azure_error(400, "UserError", f"{endpoint} has no default deployment: name a deployment.")
        found = self._documents.get("batchDeployments", f"{scope.key}/{endpoint}/{deployment}")
        if found is None:
            raise not_found(f"The deployment {deployment} of the batch endpoint {endpoint}")
        asked = call.body.get("properties") or {}
        name = asked.get("name") or f"batchjob-{uuid.uuid4()}"
        job = self._submit(scope, name, _job(found, endpoint, deployment, asked))
        return JSONResponse(_batch_job(job, job["properties"]["status"]), 201)

    def list_jobs(self, call: Call) -> Json:
        self.get_endpoint(call)
        endpoint = call.path["endpoint"]
        jobs = self._documents.list("jobs", f"{self._scope(call).key}/")
        mine = {key: job for key, job in jobs if _endpoint_of(job) == endpoint}
        statuses = {key: (self._documents.get("runs", key) or {}).get("status") for key in mine}
        return {"value": [_batch_job(job, statuses[key]) for key, job in mine.items()]}

    def _deployments(self, scope: Scope, endpoint: str) -> list[tuple[str, Json]]:
        return self._documents.list("batchDeployments", f"{scope.key}/{endpoint}/")

    def _check_default(self, scope: Scope, endpoint: str, body: Json) -> None:
        name = ((body.get("properties") or {}).get("defaults") or {}).get("deploymentName")
        if name and self._documents.get("batchDeployments", f"{scope.key}/{endpoint}/{name}") is None:
            raise azure_error(
                400, "UserError", f"The default deployment {name} does not exist in {endpoint}."
            )

    def _check_component(self, scope: Scope, body: Json) -> None:
        configuration = (body.get("properties") or {}).get("deploymentConfiguration")
        if not configuration:
            raise azure_error(
                400,
                "NotSupported",
                "localazure runs batch deployments of pipeline components only "
                "(properties.deploymentConfiguration of type PipelineComponent is missing).",
            )
        reference = parse_asset(configuration["componentId"]["assetId"], scope, self._context.scopes)
        read_asset(self._context, reference.scope, "components", reference.name, reference.version)

    def _scope(self, call: Call) -> Scope:
        return call.scope(self._context.scopes)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise azure_error(
            400,
            "UserError",
            f"{name!r}: 3 to 32 letters, digits and single dashes, a letter first, no dash at the end.",
        )


def _resource(workspace_id: str, path: str, body: Json, old: Json | None) -> Json:
    return {
        **body,
        "id": f"{workspace_id}/{path}",
        "name": path.rpartition("/")[2],
        "type": "Microsoft.MachineLearningServices/workspaces/"
        + ("batchEndpoints/deployments" if "/deployments/" in path else "batchEndpoints"),
        "systemData": system_data(old["systemData"]["createdAt"] if old else None),
        "properties": {**(body.get("properties") or {}), "provisioningState": "Succeeded"},
    }


def _job(deployment: Json, endpoint: str, name: str, asked: Json) -> Json:
    """The ARM job of one invocation: the deployment's component with the inputs and outputs asked for."""
    configuration = deployment["properties"]["deploymentConfiguration"]
    extra = asked.get("properties") or {}
    return {
        "jobType": "Pipeline",
        "displayName": endpoint,
        "experimentName": extra.get("experimentName") or endpoint,
        "componentId": configuration["componentId"]["assetId"],
        "settings": configuration.get("settings") or {},
        "tags": configuration.get("tags") or {},
        "properties": {"azureml.endpointName": endpoint, "azureml.deploymentName": name},
        "inputs": asked.get("inputData") or {},
        "outputs": asked.get("outputData") or {},
        "isArchived": False,
    }


def _endpoint_of(job: Json) -> str | None:
    return job["properties"]["properties"].get("azureml.endpointName")


def _batch_job(job: Json, status: str | None) -> Json:
    return {
        "id": job["id"],
        "name": job["name"],
        "type": "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs",
        "systemData": job["systemData"],
        "properties": {"name": job["name"], "status": status, "tags": job["properties"]["tags"]},
    }
