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
    covered = _covered(files, path, document)
    name, version = document.get("name"), document.get("version")
    if not (isinstance(name, str) and isinstance(version, str)):
        raise ConfigurationError(f"{COMPONENTS}/{path}: name and version must be text (quote the version)")
    return Versioned(name, version, path, content_digest(covered))


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
    folder = PurePosixPath(path).parent
    roots = [folder / "src", *(_resolve(folder, item) for item in document.get("additional_includes", []))]
    named = [path, *(str(_resolve(folder, document[key])) for key in ("conda_file",) if key in document)]
    return {
        name: content
        for name, content in files.items()
        if name in named or any(PurePosixPath(name).is_relative_to(root) for root in roots)
    }


def _resolve(folder: PurePosixPath, item: str) -> PurePosixPath:
    parts: list[str] = []
    for part in (folder / item).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)
