"""The environment that the fleet's repository has at one commit."""

from typing import Protocol

from busbar.domain.errors import BadRequest, ConfigurationError, NotFound
from busbar.domain.versions import Version

ENVIRONMENT = "ml_components/environments/sensor-forecasting-env.yaml"


class Files(Protocol):
    """Whatever can read a file at a commit."""

    def file(self, path: str, ref: str) -> bytes: ...


def environment_version(repository: Files, commit: str) -> str:
    """Its version; raises `ConfigurationError` where the file is missing or says none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document: object = YAML(typ="safe").load(repository.file(ENVIRONMENT, commit))
        return str(Version.parse(str(document["version"]) if isinstance(document, dict) else ""))
    except NotFound as error:
        raise ConfigurationError(f"{ENVIRONMENT} is missing at commit {commit[:8]}") from error
    except (YAMLError, KeyError, BadRequest) as error:
        raise ConfigurationError(f"{ENVIRONMENT} says no version at commit {commit[:8]}: {error}") from error
