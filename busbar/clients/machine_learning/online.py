"""Managed online endpoints: a circuit's deployments, the traffic between them, and the jobs that ask them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from busbar.clients.machine_learning.jobs import Jobs, job_output
from busbar.clients.machine_learning.workspaces import (
    REGISTRY,
    datastore_uri,
    found,
    require_same,
    split_version,
)
from busbar.clients.session import translated
from busbar.domain.errors import Conflict, NotFound, Rejected, TemporarilyUnavailable
from busbar.domain.policies import Stage

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job

ENTRY_SCRIPT = "score.py"
_SETTLED = ("succeeded", "failed", "canceled")


class Online(Jobs):
    def create_online_deployment(
        self,
        stage: Stage,
        endpoint: str,
        deployment: str,
        *,
        component: str,
        model: str,
        instance_type: str,
        instances: int,
        tags: Mapping[str, str],
    ) -> None:
        """Start the creation of an online deployment, unless it is there; a failed one is made again.

        It runs the entry script of a registered `component`, in the component's environment. `component` and `model`
        are `azureml:name:version` of the workspace, or the registry's `azureml://…`.
        """
        from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment

        known: Any = self._online_deployment(stage, endpoint, deployment)
        if known is not None and state_of(known) not in ("failed", "canceled"):
            require_same(f"deployment {deployment} of {endpoint}", dict(known.tags or {}), tags)
            return
        script = self._component(stage, component)
        with translated(f"create deployment {deployment} of {endpoint}"):
            self._client(stage).online_deployments.begin_create_or_update(
                ManagedOnlineDeployment(
                    name=deployment,
                    endpoint_name=endpoint,
                    model=model,
                    environment=_reference(script.environment),
                    code_configuration=CodeConfiguration(
                        code=_reference(script.code), scoring_script=ENTRY_SCRIPT
                    ),
                    instance_type=instance_type,
                    instance_count=instances,
                    tags=dict(tags),
                )
            )

    def traffic(self, stage: Stage, endpoint: str) -> tuple[dict[str, int], dict[str, int]]:
        """Live and mirrored shares in percent, of the deployments that have any.

        Raises `TemporarilyUnavailable` while they are being changed.
        """
        known = self._online_endpoint(stage, endpoint)
        if (state := state_of(known)) not in _SETTLED:
            raise TemporarilyUnavailable(f"endpoint {endpoint} is {state}: look again later")
        return _shares(known.traffic), _shares(known.mirror_traffic)

    def set_traffic(
        self, stage: Stage, endpoint: str, live: Mapping[str, int], mirrored: Mapping[str, int]
    ) -> None:
        """Split an online endpoint's requests, in percent by deployment.

        Raises `TemporarilyUnavailable` until Azure ML has done so: what is told before that is not yet so.
        """
        wanted = _shares(live), _shares(mirrored)
        if self.traffic(stage, endpoint) == wanted:
            return
        known: Any = self._online_endpoint(stage, endpoint)
        known.traffic, known.mirror_traffic = dict(wanted[0]), dict(wanted[1])
        try:
            with translated(f"split the traffic of {endpoint}"):
                self._client(stage).online_endpoints.begin_create_or_update(known)
        except Conflict as busy:
            raise TemporarilyUnavailable(f"endpoint {endpoint} is being changed: look again later") from busy
        if self.traffic(stage, endpoint) != wanted:
            raise TemporarilyUnavailable(f"the traffic of {endpoint} is being split: look again later")

    def _delete_online_endpoint(self, stage: Stage, endpoint: str) -> None:
        """Start the deletion of an endpoint with all that stands behind it, unless that is under way."""
        known = found(f"read endpoint {endpoint}", lambda: self._client(stage).online_endpoints.get(endpoint))
        if known is None or state_of(known) == "deleting":
            return
        with translated(f"delete endpoint {endpoint}"):
            self._client(stage).online_endpoints.begin_delete(endpoint)

    def _drain(self, stage: Stage, endpoint: str, deployment: str) -> None:
        """Take a deployment out of an endpoint's traffic: one that has any cannot be deleted."""
        live, mirrored = self.traffic(stage, endpoint)
        if deployment not in (*live, *mirrored):
            return
        rest = {name: share for name, share in live.items() if name != deployment}
        if rest:
            heir = max(rest, key=rest.__getitem__)
            rest[heir] += 100 - sum(rest.values())
        self.set_traffic(stage, endpoint, rest, {k: v for k, v in mirrored.items() if k != deployment})

    def scoring_uri(self, stage: Stage, endpoint: str) -> str:
        """Where an online endpoint takes requests; raises `NotFound`."""
        return str(self._online_endpoint(stage, endpoint).scoring_uri)

    def submit_scoring(
        self,
        stage: Stage,
        name: str,
        *,
        component: str,
        compute: str,
        model: str,
        circuit_config: str,
        literals: Mapping[str, str | int | float],
        tags: Mapping[str, str],
    ) -> None:
        """Start a scoring pipeline as a plain job of the stage's workspace, unless a job of that name is there.

        `circuit_config` is a path in the datastore. The output lands in `jobs/<name>/summary.json`.
        """
        from azure.ai.ml import Input, Output
        from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

        def build() -> "Job":
            inputs: dict[str, Any] = {
                "model": Input(type="mlflow_model", path=model),
                "circuit_config": Input(type="uri_file", path=datastore_uri(circuit_config)),
            }
            summary = datastore_uri(job_output(name, "summary.json"))
            return PipelineJob(
                component=self._component(stage, component),
                name=name,
                display_name=name,
                experiment_name="scoring",
                tags=dict(tags),
                settings=PipelineJobSettings(default_compute=compute),
                inputs=inputs | dict(literals),
                outputs={"summary": Output(type="uri_file", path=summary)},
            )

        self._submit(name, tags, build, stage)

    def _component(self, stage: Stage, reference: str) -> Any:
        """A registered component, of the workspace or of the registry."""
        name, version = split_version(reference)
        place: str = stage
        if reference.startswith("azureml://registries/"):
            _, _, name, _, version = reference.removeprefix("azureml://registries/").split("/")
            place = REGISTRY
        with translated(f"read component {name}:{version} in {place}"):
            return self._client(place).components.get(name, version)

    def _online_endpoint(self, stage: Stage, endpoint: str) -> Any:
        known = found(f"read endpoint {endpoint}", lambda: self._client(stage).online_endpoints.get(endpoint))
        if known is None:
            raise NotFound(f"there is no endpoint {endpoint} in {stage}")
        return known

    def _online_deployment(self, stage: Stage, endpoint: str, deployment: str) -> Any:
        return found(
            f"read deployment {deployment} of {endpoint}",
            lambda: self._client(stage).online_deployments.get(deployment, endpoint),
        )


def state_of(resource: Any) -> str:
    """A resource's provisioning state in lower case; the SDK gives text or an enum."""
    state = resource.provisioning_state
    return str(getattr(state, "value", state) or "creating").lower()


def _shares(traffic: Mapping[str, int] | None) -> dict[str, int]:
    """Without the deployments that have nothing."""
    return {name: int(share) for name, share in (traffic or {}).items() if share}


def _reference(asset: object) -> str:
    if not isinstance(asset, str) or not asset:
        raise Rejected(f"the online component names no registered code or environment but {asset!r}")
    return asset
