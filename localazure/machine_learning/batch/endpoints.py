"""Batch endpoints, their deployments, and invoking them."""

import uuid
from collections.abc import Sequence
from typing import Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.assets.references import parse_asset
from localazure.machine_learning.assets.routes import read_asset
from localazure.machine_learning.batch.models import check_model_deployment, scoring_job
from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.endpoint_rules import (
    check_deployment_quota,
    check_endpoint_quota,
    check_name,
    check_unique_in_region,
    refused,
)
from localazure.machine_learning.operations import Operation, Operations
from localazure.machine_learning.routing import (
    WORKSPACE,
    Call,
    Json,
    Scope,
    conflict,
    missing_field,
    not_found,
    resource_routes,
)

ENDPOINTS, DEPLOYMENTS = "batchEndpoints", "batchDeployments"
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
        operations.listen(ENDPOINTS, self._endpoint_ended)
        operations.listen(DEPLOYMENTS, self._deployment_ended)

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
        return resource_routes(table, self._context.authorize)

    def list_endpoints(self, call: Call) -> Json:
        return {"value": [item for _, item in self._documents.list(ENDPOINTS, f"{self._scope(call).key}/")]}

    def get_endpoint(self, call: Call) -> Json:
        name = call.path["endpoint"]
        if found := self._documents.get(ENDPOINTS, f"{self._scope(call).key}/{name}"):
            return found
        raise not_found(f"The batch endpoint {name}")

    def put_endpoint(self, call: Call) -> Response:
        scope, name = self._scope(call), call.path["endpoint"]
        check_name(name)
        key = f"{scope.key}/{name}"
        with self._documents.transaction():
            old = self._documents.get(ENDPOINTS, key)
            if old is None:
                check_unique_in_region(self._context, "batch", key)
                check_endpoint_quota(self._context)
            self._check_default(scope, name, call.body)
            resource = _resource(scope.arm_id, f"batchEndpoints/{name}", call.body, old)
            scoring = f"{self._context.runtime.addresses.azure}{scope.arm_id}/batchEndpoints/{name}/jobs"
            resource["properties"] |= {"scoringUri": scoring}
            return self._operations.put(ENDPOINTS, key, resource, is_new=old is None)

    def delete_endpoint(self, call: Call) -> Response:
        """Deletes the endpoint's deployments with it."""
        key = f"{self._scope(call).key}/{call.path['endpoint']}"
        if found := self._documents.get(ENDPOINTS, key):
            return self._operations.remove(ENDPOINTS, key, found)
        return Response(status_code=204)

    def list_deployments(self, call: Call) -> Json:
        self.get_endpoint(call)
        return {"value": [item for _, item in self._deployments(self._scope(call), call.path["endpoint"])]}

    def get_deployment(self, call: Call) -> Json:
        self.get_endpoint(call)
        endpoint, name = call.path["endpoint"], call.path["deployment"]
        if found := self._documents.get(DEPLOYMENTS, f"{self._scope(call).key}/{endpoint}/{name}"):
            return found
        raise not_found(f"The deployment {name} of the batch endpoint {endpoint}")

    def put_deployment(self, call: Call) -> Response:
        scope, endpoint, name = self._scope(call), call.path["endpoint"], call.path["deployment"]
        self.get_endpoint(call)
        check_name(name)
        self._check_runnable(scope, call.body.get("properties") or {})
        key = f"{scope.key}/{endpoint}/{name}"
        with self._documents.transaction():
            old = self._documents.get(DEPLOYMENTS, key)
            if old is None:
                check_deployment_quota(self._context, scope, "batch", endpoint)
            path = f"batchEndpoints/{endpoint}/deployments/{name}"
            resource = _resource(scope.arm_id, path, call.body, old)
            return self._operations.put(DEPLOYMENTS, key, resource, is_new=old is None)

    def delete_deployment(self, call: Call) -> Response:
        scope, endpoint, name = self._scope(call), call.path["endpoint"], call.path["deployment"]
        defaults = self.get_endpoint(call)["properties"].get("defaults") or {}
        if defaults.get("deploymentName") == name:
            raise conflict(f"{name} is the default deployment of {endpoint}: name another default first.")
        key = f"{scope.key}/{endpoint}/{name}"
        if found := self._documents.get(DEPLOYMENTS, key):
            return self._operations.remove(DEPLOYMENTS, key, found)
        return Response(status_code=204)

    def invoke(self, call: Call) -> Response:
        """Starts a job on the deployment that the header names, else on the default one."""
        scope, endpoint = self._scope(call), call.path["endpoint"]
        defaults = self.get_endpoint(call)["properties"].get("defaults") or {}
        deployment = call.headers.get("azureml-model-deployment") or defaults.get("deploymentName")
        if not deployment:
            raise refused(f"{endpoint} has no default deployment: name a deployment.")
        found = self._documents.get(DEPLOYMENTS, f"{scope.key}/{endpoint}/{deployment}")
        if found is None:
            raise not_found(f"The deployment {deployment} of the batch endpoint {endpoint}")
        asked = call.body.get("properties") or {}
        name = asked.get("name") or f"batchjob-{uuid.uuid4()}"
        job = self._submit(scope, name, self._job(scope, found, endpoint, deployment, asked))
        return JSONResponse(_batch_job(job, job["properties"]["status"]), 201)

    def list_jobs(self, call: Call) -> Json:
        self.get_endpoint(call)
        endpoint = call.path["endpoint"]
        jobs = self._documents.list("jobs", f"{self._scope(call).key}/")
        mine = {key: job for key, job in jobs if _endpoint_of(job) == endpoint}
        statuses = {key: (self._documents.get("runs", key) or {}).get("status") for key in mine}
        return {"value": [_batch_job(job, statuses[key]) for key, job in mine.items()]}

    def _deployments(self, scope: Scope, endpoint: str) -> list[tuple[str, Json]]:
        return self._documents.list(DEPLOYMENTS, f"{scope.key}/{endpoint}/")

    def _check_default(self, scope: Scope, endpoint: str, body: Json) -> None:
        name = ((body.get("properties") or {}).get("defaults") or {}).get("deploymentName")
        if name and self._documents.get(DEPLOYMENTS, f"{scope.key}/{endpoint}/{name}") is None:
            raise refused(f"The default deployment {name} does not exist in {endpoint}.")

    def _check_runnable(self, scope: Scope, properties: Json) -> None:
        configuration = properties.get("deploymentConfiguration")
        if not configuration:
            check_model_deployment(self._context, scope, properties)
            return
        component = (configuration.get("componentId") or {}).get("assetId")
        if not component:
            raise missing_field("properties.deploymentConfiguration.componentId.assetId")
        found = parse_asset(component, scope, self._context.scopes)
        read_asset(self._context, found.scope, "components", found.name, found.version)

    def _job(self, scope: Scope, deployment: Json, endpoint: str, name: str, asked: Json) -> Json:
        """The ARM job of one invocation, of a pipeline component or of a model."""
        extra, properties = asked.get("properties") or {}, deployment["properties"]
        shared: Json = {
            "displayName": endpoint,
            "experimentName": extra.get("experimentName") or endpoint,
            "properties": {"azureml.endpointName": endpoint, "azureml.deploymentName": name},
            "tags": {},
            "isArchived": False,
        }
        if configuration := properties.get("deploymentConfiguration"):
            return shared | _component_job(configuration, asked)
        return shared | scoring_job(self._context, scope, properties, asked)

    def _endpoint_ended(self, operation: Operation, resource: Json) -> None:
        if operation.change == "Deleting" and operation.error is None:
            for key, _ in self._documents.list(DEPLOYMENTS, f"{operation.key}/"):
                self._documents.delete(DEPLOYMENTS, key)

    def _deployment_ended(self, operation: Operation, resource: Json) -> None:
        if operation.change == "Creating" and operation.error is None:
            workspace, endpoint, name = operation.key.rsplit("/", 2)
            self._context.events.model_deployed(self._context.scopes[workspace], endpoint, name, resource)

    def _scope(self, call: Call) -> Scope:
        return call.scope(self._context.scopes)


def _resource(workspace_id: str, path: str, body: Json, old: Json | None) -> Json:
    return {
        **body,
        "id": f"{workspace_id}/{path}",
        "name": path.rpartition("/")[2],
        "type": "Microsoft.MachineLearningServices/workspaces/"
        + ("batchEndpoints/deployments" if "/deployments/" in path else "batchEndpoints"),
        "systemData": system_data(old["systemData"]["createdAt"] if old else None),
        "properties": {**(body.get("properties") or {})},
    }


def _component_job(configuration: Json, asked: Json) -> Json:
    return {
        "jobType": "Pipeline",
        "componentId": configuration["componentId"]["assetId"],
        "settings": configuration.get("settings") or {},
        "tags": configuration.get("tags") or {},
        "inputs": asked.get("inputData") or {},
        "outputs": asked.get("outputData") or {},
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
