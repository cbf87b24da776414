"""Endpoints of either kind, told by their names; batch endpoints with their deployments of pipeline components."""

import threading
from collections.abc import Mapping
from typing import Any

from busbar.clients.machine_learning.jobs import job_output
from busbar.clients.machine_learning.online import Online, state_of
from busbar.clients.machine_learning.workspaces import datastore_uri, found, require_same, split_version
from busbar.clients.session import translated
from busbar.domain import names
from busbar.domain.errors import Conflict, NotFound, Rejected, TemporarilyUnavailable
from busbar.domain.policies import Stage
from busbar.domain.steps import DeploymentState

Literal = str | int | float

# The SDK keeps the headers of an invocation (the deployment's name among them) in one dictionary for the process.
_invoking = threading.Lock()


class Endpoints(Online):
    def ensure_endpoint(self, stage: Stage, endpoint: str, tags: Mapping[str, str]) -> None:
        """Have an endpoint; raises `TemporarilyUnavailable` while Azure ML is still creating it.

        Who calls an online one needs a token of its own and the right to score: there is no key to be lost.
        """
        from azure.ai.ml.entities import BatchEndpoint, ManagedOnlineEndpoint

        known = self._endpoint(stage, endpoint)
        if known is None:
            wanted: Any = (
                ManagedOnlineEndpoint(name=endpoint, auth_mode="aad_token", tags=dict(tags))
                if names.is_online(endpoint)
                else BatchEndpoint(name=endpoint, tags=dict(tags))
            )
            with translated(f"create endpoint {endpoint}"):
                self._endpoints(stage, endpoint).begin_create_or_update(wanted)
            known = self._endpoint(stage, endpoint)
        state = state_of(known) if known else "creating"
        if state in ("failed", "canceled"):
            raise Rejected(
                f"endpoint {endpoint} is {state}: a platform engineer can delete it, it is then made anew"
            )
        if state != "succeeded":
            raise TemporarilyUnavailable(f"endpoint {endpoint} is {state}: look again later")
        require_same(f"endpoint {endpoint}", known.tags, tags)

    def endpoint_names(self, stage: Stage) -> list[str]:
        """The names of a workspace's endpoints, of both kinds."""
        client = self._client(stage)
        with translated(f"list endpoints of {stage}"):
            found_all: list[Any] = [*client.batch_endpoints.list(), *client.online_endpoints.list()]
        return sorted(str(one.name) for one in found_all)

    def deployment_names(self, stage: Stage, endpoint: str) -> list[str]:
        """The names of an endpoint's deployments; none where there is no such endpoint."""
        listed: list[str] | None = found(
            f"list deployments of {endpoint}",
            lambda: [str(one.name) for one in self._deployments(stage, endpoint).list(endpoint)],
        )
        return sorted(listed or [])

    def deployment(self, stage: Stage, endpoint: str, deployment: str) -> DeploymentState | None:
        """Where a deployment stands, `None` if there is none of that name."""
        known: Any = found(
            f"read deployment {deployment} of {endpoint}",
            lambda: self._deployments(stage, endpoint).get(deployment, endpoint),
        )
        if known is None:
            return None
        state = state_of(known)
        failed = state in ("failed", "canceled")
        error = (
            f"deployment {deployment} of {endpoint} is {state}: its log is in Azure ML studio"
            if failed
            else ""
        )
        return DeploymentState(
            ready=state == "succeeded", failed=failed, error=error, tags=dict(known.tags or {})
        )

    def create_deployment(
        self,
        stage: Stage,
        endpoint: str,
        deployment: str,
        component: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        """Start the creation of a batch deployment, unless it is there; a failed one is made again.

        `component` is `azureml:name:version` of the workspace, or the registry's `azureml://…`.
        """
        from azure.ai.ml.entities import PipelineComponentBatchDeployment

        known = self.deployment(stage, endpoint, deployment)
        if known is not None and not known.failed:
            require_same(f"deployment {deployment} of {endpoint}", known.tags, tags)
            return
        with translated(f"create deployment {deployment} of {endpoint}"):
            self._client(stage).batch_deployments.begin_create_or_update(
                PipelineComponentBatchDeployment(
                    name=deployment,
                    endpoint_name=endpoint,
                    component=component,
                    settings={"default_compute": compute},
                    tags=dict(tags),
                )
            )

    def delete_deployment(self, stage: Stage, endpoint: str, deployment: str) -> None:
        """Start the deletion of a deployment; no error where it is gone already.

        An online one is taken out of its endpoint's traffic first; the last takes its endpoint along, which would
        count against the quota for nothing.
        """
        if self.deployment(stage, endpoint, deployment) is None:
            return
        if names.is_online(endpoint):
            if self.deployment_names(stage, endpoint) == [deployment]:
                self._delete_online_endpoint(stage, endpoint)
                return
            self._drain(stage, endpoint, deployment)
        try:
            with translated(f"delete deployment {deployment} of {endpoint}"):
                self._deployments(stage, endpoint).begin_delete(deployment, endpoint)
        except NotFound:
            return

    def invoke(
        self,
        stage: Stage,
        endpoint: str,
        deployment: str,
        job: str,
        *,
        model: str,
        circuit_config: str,
        literals: Mapping[str, Literal],
    ) -> str:
        """Score through a deployment under a job name of our own, which is free; the job's name.

        `model` is `azureml:name:version` of the stage's workspace or the registry's `azureml://…`,
        `circuit_config` a path in the datastore. The output lands in `jobs/<job>/summary.json`.
        """
        from azure.ai.ml import Input

        inputs: dict[str, Any] = {
            # Written as on the wire: the SDK would take a model's name for a data asset's.
            "model": {"jobInputType": "MLFlowModel", "uri": self._model_id(stage, model)},
            "circuit_config": {"jobInputType": "UriFile", "uri": datastore_uri(circuit_config)},
        }
        inputs |= {name: Input(type=_literal_type(value), default=value) for name, value in literals.items()}
        summary = {"jobOutputType": "UriFile", "uri": datastore_uri(job_output(job, "summary.json"))}
        try:
            with _invoking, translated(f"invoke {deployment} of {endpoint}"):
                self._client(stage).batch_endpoints.invoke(
                    endpoint,
                    deployment_name=deployment,
                    job_name=job,
                    experiment_name="scoring",
                    inputs=inputs,
                    outputs={"summary": summary},
                )
        except Conflict:
            return job  # somebody else invoked it meanwhile
        return job

    def _endpoint(self, stage: Stage, endpoint: str) -> Any:
        return found(f"read endpoint {endpoint}", lambda: self._endpoints(stage, endpoint).get(endpoint))

    def _endpoints(self, stage: Stage, endpoint: str) -> Any:
        client = self._client(stage)
        return client.online_endpoints if names.is_online(endpoint) else client.batch_endpoints

    def _deployments(self, stage: Stage, endpoint: str) -> Any:
        client = self._client(stage)
        return client.online_deployments if names.is_online(endpoint) else client.batch_deployments

    def _model_id(self, stage: Stage, model: str) -> str:
        if model.startswith("azureml://"):
            return model
        name, version = split_version(model)
        return f"{self._settings.workspace_id(stage)}/models/{name}/versions/{version}"


def _literal_type(value: Literal) -> str:
    match value:
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
