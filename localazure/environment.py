"""What a program must find in its environment to meet the local Azure: nothing else tells it where it runs."""

import os
import re
import shlex
from pathlib import Path

from localazure.machine_learning.arm import CLOUD
from localazure.service import Runtime

_PLACEHOLDER = re.compile(r"\{([a-z_]+(?::[a-z_]+)?)\}")  # JSON in a value has quotes after its braces


class UnknownPlaceholderError(ValueError):
    """A setting names a placeholder that does not exist; for whoever writes the configuration."""


def environment(runtime: Runtime) -> dict[str, str]:
    """The variables of the Azure SDKs, of localazure itself, and the app's settings with placeholders filled in."""
    azure, bundle = runtime.addresses.azure, str(runtime.ca_bundle)
    # azure-ai-ml asks for the cloud's metadata before every operation: without TLS that costs next to nothing.
    metadata = f"{runtime.addresses.pages or azure}/metadata/endpoints?api-version=2019-05-01"
    return {
        "ARM_CLOUD_METADATA_URL": metadata,
        "AZUREML_CURRENT_CLOUD": CLOUD,
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{azure}/",
        "IDENTITY_ENDPOINT": f"{azure}/msi/token",
        "IDENTITY_HEADER": runtime.secrets["identity_header"],
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",  # a developer's own login stays out of it
        "AZURE_SUBSCRIPTION_ID": runtime.config.subscription_id,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "LOCALAZURE_URL": azure,
        "LOCALAZURE_PAGES_URL": runtime.addresses.pages,
        "LOCALAZURE_STORAGE_IP": runtime.addresses.storage_ip,
        "LOCALAZURE_FUNCTIONS_KEY": runtime.secrets["functions_key"],
        **_git_remotes(runtime),
        **settings(runtime),
    }


def settings(runtime: Runtime) -> dict[str, str]:
    """The configuration's `settings`. Raises `UnknownPlaceholderError`."""
    values = _placeholders(runtime)

    def fill(name: str, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] not in values:
                known = ", ".join(f"{{{known}}}" for known in values)
                raise UnknownPlaceholderError(f"settings.{name}: there is no {found[0]}; known are {known}")
            return values[found[1]]

        return _PLACEHOLDER.sub(value, text)

    return {name: fill(name, text) for name, text in runtime.config.settings.items()}


def _placeholders(runtime: Runtime) -> dict[str, str]:
    addresses = runtime.addresses
    return {
        "azure": addresses.azure,
        "pages": addresses.pages,
        "functions": addresses.functions,
        "blob": addresses.blob,
        "table": addresses.table,
        "storage_ip": addresses.storage_ip,
        "subscription_id": runtime.config.subscription_id,
        "tenant_id": runtime.config.tenant_id,
        "location": runtime.config.location,
        "state": str(runtime.state),
        **{f"secret:{name}": secret for name, secret in runtime.secrets.items()},
    }


def _git_remotes(runtime: Runtime) -> dict[str, str]:
    """`LOCALAZURE_GIT_<OWNER>_<NAME>`: what to push to."""
    return {
        f"LOCALAZURE_GIT_{re.sub(r'\W', '_', repository.name).upper()}": str(
            runtime.state / "git" / f"{repository.name}.git"
        )
        for repository in runtime.config.repositories
    }


def read_environment(state: Path) -> dict[str, str]:
    """What `write_environment` wrote."""
    assignments = shlex.split((state / "environment").read_text())
    return dict(assignment.split("=", 1) for assignment in assignments)


def write_environment(runtime: Runtime) -> Path:
    """Write `state/environment` (dotenv; a shell reads it with `set -a; . file`), for its owner alone."""
    path = runtime.state / "environment"
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment(runtime).items()]
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(lines)
    draft.replace(path)
    return path
