"""Environments, components and data assets: registered once under their version."""

import re
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from busbar.clients.machine_learning.workspaces import Workspaces, datastore_uri, found, require_same
from busbar.clients.session import translated
from busbar.domain.errors import ConfigurationError, Conflict
from busbar.domain.policies import Stage

DIGEST = "content_digest"
DELTA_VERSION = "delta_version"
_LISTED_AT_ONCE = 8  # a fleet has a data asset a circuit, each listed by a request of its own


class Assets(Workspaces):
    def environment_digest(self, place: str, name: str, version: str) -> str | None:
        """The digest of the content that an environment was registered with, `None` if it is not registered."""
        tags = self._environment_tags(place, name, version)
        return None if tags is None else tags.get(DIGEST, "")

    def create_environment(
        self, place: str, name: str, version: str, image: str, conda: bytes, digest: str
    ) -> None:
        """Register an environment: a base image and a conda file."""
        from azure.ai.ml.entities import Environment

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "conda.yaml"
            file.write_bytes(conda)
            environment = Environment(
                name=name, version=version, image=image, conda_file=file, tags={DIGEST: digest}
            )
            _register(
                f"environment {name}:{version} in {place}",
                {DIGEST: digest},
                lambda: self._environment_tags(place, name, version),
                lambda: self._client(place).environments.create_or_update(environment),
            )

    def component_digests(self, place: str, name: str) -> dict[str, str]:
        """By version, the digest of the files that a component was registered with; archived ones count, too."""
        from azure.ai.ml.constants import ListViewType

        def listed() -> list[Any]:
            return list(self._client(place).components.list(name, list_view_type=ListViewType.ALL))

        versions = found(f"list components {name} in {place}", listed) or []
        return {str(version.version): (version.tags or {}).get(DIGEST, "") for version in versions}

    def create_component(self, place: str, path: Path, digest: str) -> None:
        """Register the component of a `component.yaml` (or of the folder that holds one), its code uploaded.

        What it includes must lie beside it as in the repository. Raises `ConfigurationError` for a wrong file.
        """
        component = _load_component(path)
        component.tags = {**(component.tags or {}), DIGEST: digest}
        _register(
            f"component {component.name}:{component.version} in {place}",
            {DIGEST: digest},
            lambda: self._component_tags(place, component.name, component.version),
            lambda: self._client(place).components.create_or_update(component),
        )

    def pinned(self, name: str, version: str) -> int | None:
        """The Delta version that a data asset of the dev workspace pins, `None` if it is not registered."""
        tags = self._data_tags(name, version)
        return int(tags[DELTA_VERSION]) if tags and DELTA_VERSION in tags else None

    def pinned_versions(self) -> set[int]:
        """The Delta versions that any data asset of the dev workspace pins."""
        with translated("list data assets"):
            names = [str(asset.name) for asset in self._client(Stage.DEV).data.list()]
            with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
                tags = [tags for found in pool.map(self._all_data_tags, names) for tags in found]
        return {int(one[DELTA_VERSION]) for one in tags if DELTA_VERSION in one}

    def create_data(self, name: str, version: str, folder: str, tags: Mapping[str, str]) -> None:
        """Register a folder of the dev workspace's datastore that holds an `MLTable` file."""
        from azure.ai.ml.constants import AssetTypes
        from azure.ai.ml.entities import Data

        path = datastore_uri(f"{folder.strip('/')}/")
        data = Data(name=name, version=version, type=AssetTypes.MLTABLE, path=path, tags=dict(tags))
        _register(
            f"data asset {name}:{version}",
            tags,
            lambda: self._data_tags(name, version),
            lambda: self._client(Stage.DEV).data.create_or_update(data),
        )

    def _environment_tags(self, place: str, name: str, version: str) -> dict[str, str] | None:
        doing = f"read environment {name}:{version} in {place}"
        return _tags(found(doing, lambda: self._client(place).environments.get(name, version)))

    def _component_tags(self, place: str, name: str, version: str) -> dict[str, str] | None:
        doing = f"read component {name}:{version} in {place}"
        return _tags(found(doing, lambda: self._client(place).components.get(name, version)))

    def _all_data_tags(self, name: str) -> list[dict[str, str]]:
        listed = self._client(Stage.DEV).data.list(name)
        return [dict(asset.tags or {}) for asset in listed]

    def _data_tags(self, name: str, version: str) -> dict[str, str] | None:
        doing = f"read data asset {name}:{version}"
        return _tags(found(doing, lambda: self._client(Stage.DEV).data.get(name, version)))


def _register(
    what: str,
    tags: Mapping[str, str],
    look: Callable[[], Mapping[str, str] | None],
    create: Callable[[], object],
) -> None:
    """Create unless it is there; raises `VersionConflict` where it is there with other content."""
    known = look()
    if known is None:
        try:
            with translated(f"register {what}"):
                create()
            return
        except Conflict:
            known = look()  # somebody else registered it meanwhile
    require_same(what, known, tags)


def _tags(asset: Any) -> dict[str, str] | None:
    return None if asset is None else dict(asset.tags or {})


def _load_component(path: Path) -> Any:
    from azure.ai.ml import load_component
    from azure.core.exceptions import AzureError
    from marshmallow import ValidationError  # the SDK's, for YAML that breaks its schema

    file = path / "component.yaml" if path.is_dir() else path
    try:
        return load_component(file)
    except (AzureError, ValidationError, ValueError, OSError) as error:
        raise ConfigurationError(f"{file.parent.name}/{file.name}: {_problem(str(error))}") from error


def _problem(text: str) -> str:
    """The SDK's report in one line: `line 3, command: Missing data for required field.`, else its first line."""
    pattern = r'"message": "(.*?)",\s+"path": "(.*?)",.*?#line (\d+)"'
    problems = [f"line {line}, {path}: {text}" for text, path, line in re.findall(pattern, text, re.DOTALL)]
    return "; ".join(problems) or next(iter(text.strip().splitlines()), "not a component")
