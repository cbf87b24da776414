"""A component's build: its code with one environment, registered under a version that names both.

In a `component.yaml`, `environment:` names the oldest version that the component works with. What it runs in is the
environment of the commit, so that a new one needs no change of the components, and no training.
"""

import re

from activities.sources import COMPONENTS, Versioned
from busbar.domain import names
from busbar.domain.errors import ConfigurationError
from busbar.domain.versions import Version

_REFERENCE = re.compile(
    r"(?P<key>environment|component): azureml:(?P<name>[\w-]+):(?P<version>\d+\.\d+\.\d+)(?![\w.-])"
)
_VERSION = re.compile(r"""^version: ["']?(?P<version>[\w.-]+)["']?""", re.MULTILINE)


def built_for(document: bytes, environment: Versioned, registry: str | None = None) -> bytes:
    """A `component.yaml` with the versions of its build, referring to a workspace's assets or a registry's."""

    def refer(match: re.Match[str]) -> str:
        kind, name, version = match.group("key", "name", "version")
        built = environment.version if kind == "environment" else names.build(version, environment.version)
        place = f"//registries/{registry}/{kind}s/{name}/versions/" if registry else f"{name}:"
        return f"{kind}: azureml:{place}{built}"

    def version(match: re.Match[str]) -> str:
        return f'version: "{names.build(match.group("version"), environment.version)}"'

    return _VERSION.sub(version, _REFERENCE.sub(refer, document.decode()), count=1).encode()


def require_environment(path: str, document: bytes, environment: Versioned) -> None:
    """Raise `ConfigurationError` for a component that asks for another environment, or a newer one, than there is."""
    for match in _REFERENCE.finditer(document.decode()):
        kind, name, oldest = match.group("key", "name", "version")
        if kind == "environment" and (
            name != environment.name or Version.parse(oldest) > Version.parse(environment.version)
        ):
            raise ConfigurationError(
                f"{COMPONENTS}/{path}: asks for environment {name} {oldest} or newer, the commit has "
                f"{environment.name} {environment.version} ({COMPONENTS}/{environment.path})"
            )
