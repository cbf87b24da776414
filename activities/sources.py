"""What activities read from the fleet's repository, at the commit being handled."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from busbar.clients.repositories import Repository
from busbar.domain.changes import content_digest
from busbar.domain.circuits import Circuit, CircuitKey
from busbar.domain.errors import ConfigurationError, NotFound
from busbar.fleet.repository import below, fleet_at

COMPONENTS = "ml_components"
ENVIRONMENT = "environments/sensor-forecasting-env.yaml"
MERGE = "data/etl_merge/component.yaml"
COMPARISON = "scoring/compare_environments/component.yaml"
PREDICTION_PURGE = "data/purge_predictions/component.yaml"
EVIDENCE = "evidence/evidence_notebook/component.yaml"
MONITOR = "monitoring/monitor_circuits/component.yaml"


def circuit_at(repository: Repository, commit: str, key: CircuitKey) -> Circuit:
    """One circuit as configured at a commit; raises `NotFound`."""
    circuit = fleet_at(repository, commit).circuit(key)
    if circuit is None:
        raise NotFound(f"{key} is not in config/circuits.yaml at {commit}")
    return circuit


@dataclass(frozen=True)
class Versioned:
    """A component or environment at a commit: `path` of its YAML below ml_components, and its files' digest."""

    name: str
    version: str
    path: str
    digest: str


def component_files(repository: Repository, commit: str) -> dict[str, bytes]:
    """Everything below `ml_components`, by path relative to it."""
    found = repository.files(COMPONENTS, commit)
    return {below(COMPONENTS, path): content for path, content in found.items()}


def read_versioned(files: dict[str, bytes], path: str) -> Versioned:
    """Read name and version of the YAML at `path`; the digest covers all that Azure ML would be given.

    A component's digest covers its folder (less its tests) and what `additional_includes` brings along.
    """
    document = read_yaml(files, path)
    name, version = (required_text(document, path, key) for key in ("name", "version"))
    return Versioned(name, version, path, content_digest(_covered(files, path, document)))


def required_text(document: dict[str, Any], path: str, key: str) -> str:
    """What the YAML at `path` says under `key`; raises `ConfigurationError`."""
    value = document.get(key)
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{COMPONENTS}/{path}: {key} must be text (in quotes if it looks like a number)"
        )
    return value


def named_file(files: dict[str, bytes], path: str, key: str) -> bytes:
    """The file that the YAML at `path` names under `key`; raises `ConfigurationError`."""
    return files[_named(files, path, required_text(read_yaml(files, path), path, key))]


def read_yaml(files: dict[str, bytes], path: str) -> dict[str, Any]:
    """A YAML file of `ml_components`; raises `ConfigurationError` naming it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if path not in files:
        raise ConfigurationError(f"{COMPONENTS}/{path} is missing at this commit")
    try:
        document: object = YAML(typ="safe").load(files[path])
    except YAMLError as error:
        raise ConfigurationError(f"{COMPONENTS}/{path}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{COMPONENTS}/{path}: not a mapping")
    return document


@contextmanager
def materialised(files: dict[str, bytes]) -> Generator[Path]:
    """The files in a temporary folder, as the Azure ML SDK wants them, while the context lasts."""
    with TemporaryDirectory(prefix="components-") as folder:
        for path, content in files.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(folder)


def _covered(files: dict[str, bytes], path: str, document: dict[str, Any]) -> dict[str, bytes]:
    includes: object = document.get("additional_includes") or []
    if not isinstance(includes, list):
        raise ConfigurationError(f"{COMPONENTS}/{path}: additional_includes must be a list of folders")
    roots = [_resolve(path, str(item)) for item in ("src", *includes)]
    named = [path]
    if "conda_file" in document:
        named.append(_named(files, path, required_text(document, path, "conda_file")))
    return {
        name: content
        for name, content in files.items()
        if name in named or any(PurePosixPath(name).is_relative_to(root) for root in roots)
    }


def _named(files: dict[str, bytes], path: str, item: str) -> str:
    name = str(_resolve(path, item))
    if name not in files:
        raise ConfigurationError(
            f"{COMPONENTS}/{name} is missing at this commit: {COMPONENTS}/{path} names it"
        )
    return name


def _resolve(path: str, item: str) -> PurePosixPath:
    """`item` as the YAML at `path` means it, relative to its own folder."""
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / item).parts:
        if part == ".." and not parts:
            raise ConfigurationError(f"{COMPONENTS}/{path}: {item} lies outside {COMPONENTS}")
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)
