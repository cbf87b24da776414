"""Models: registered in dev, shared to the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from busbar.clients.machine_learning.workspaces import REGISTRY, Workspaces, found, require_same
from busbar.clients.session import translated
from busbar.domain.errors import Conflict, NotFound
from busbar.domain.policies import Stage


@dataclass(frozen=True)
class ModelState:
    """One version of a model."""

    name: str
    version: str
    tags: dict[str, str] = field(default_factory=dict[str, str])


class Models(Workspaces):
    def models(self, place: str, name: str) -> list[ModelState]:
        """Every version of a model, archived ones too: their versions stay taken."""
        from azure.ai.ml.constants import ListViewType

        def listed() -> list[Any]:
            return list(self._client(place).models.list(name, list_view_type=ListViewType.ALL))

        versions = found(f"list models {name} in {place}", listed) or []
        return [ModelState(name, str(model.version), dict(model.tags or {})) for model in versions]

    def create_model(self, name: str, version: str, job: str, tags: Mapping[str, str]) -> None:
        """Register a training job's `trained_model` in dev; the version is ours, never the service's next."""
        from azure.ai.ml.constants import AssetTypes
        from azure.ai.ml.entities import Model

        path = f"azureml://jobs/{job}/outputs/trained_model"
        model = Model(name=name, version=version, path=path, type=AssetTypes.MLFLOW_MODEL, tags=dict(tags))
        known = self._model(Stage.DEV, name, version)
        if known is None:
            try:
                with translated(f"register model {name}:{version}"):
                    self._client(Stage.DEV).models.create_or_update(model)
                return
            except Conflict:
                known = self._model(Stage.DEV, name, version)  # somebody else registered it meanwhile
        require_same(f"model {name}:{version}", known.tags if known else None, tags)

    def share_model(self, name: str, version: str) -> None:
        """Copy a model of dev to the registry, under the same name and version, unless it is there.

        Returns when Azure ML has taken the copy; `model_in_registry` says when it shows. Raises `NotFound` for a
        model that dev does not have.
        """
        from azure.ai.ml.entities import WorkspaceModelReference

        if self.model_in_registry(name, version):
            return
        if self._model(Stage.DEV, name, version) is None:
            raise NotFound(f"model {name}:{version} is not in the dev workspace: train it first")
        there = f"{self._assets_of_dev}/models/{name}/versions/{version}"
        reference = WorkspaceModelReference(name=name, version=version, asset_id=there)
        try:  # what `models.share` does, which makes clients and TLS contexts of its own for every model
            with translated(f"share model {name}:{version}"):
                self._client(REGISTRY).models.create_or_update(reference)
        except (Conflict, NotFound):
            return  # it is there already, or taken and not shown yet: the SDK reads it back at once

    def model_in_registry(self, name: str, version: str) -> bool:
        return self._model(REGISTRY, name, version) is not None

    @cached_property
    def _assets_of_dev(self) -> str:
        """Where a registry looks for dev's assets: by the workspace's own id, which its entity keeps to itself."""
        with translated("read the dev workspace"):
            workspace: Any = self._client(Stage.DEV).workspaces.get(self._settings.workspaces[Stage.DEV].name)
        return f"azureml://locations/{workspace.location}/workspaces/{workspace._workspace_id}"

    def _model(self, place: str, name: str, version: str) -> ModelState | None:
        model: Any = found(
            f"read model {name}:{version} in {place}", lambda: self._client(place).models.get(name, version)
        )
        return None if model is None else ModelState(name, version, dict(model.tags or {}))
