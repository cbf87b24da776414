"""What an asset reference in a job or component means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from localazure.machine_learning.routing import Scope
from localazure.web import azure_error

_ARM = re.compile(
    r"/workspaces/(?P<workspace>[^/]+)/(?P<kind>\w+)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)/?$", re.I
)
_REGISTRY = re.compile(
    r"azureml://registries/(?P<registry>[^/]+)/(?P<kind>\w+)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)/?$"
)
_SHORT = re.compile(r"(?P<name>[^:/@]+):(?P<version>[^:/@]+)$")


@dataclass(frozen=True)
class AssetReference:
    """`kind` is the plural of the route, empty when the reference does not say."""

    scope: Scope
    kind: str
    name: str
    version: str


def parse_asset(text: str, home: Scope, scopes: Mapping[str, Scope]) -> AssetReference:
    """`text`: an ARM id, `azureml:<ARM id>`, `azureml://registries/…` or `azureml:<name>:<version>` of `home`.

    Refuses with 400 what is none of these, with 404 an unknown workspace or registry.
    """
    if match := _REGISTRY.match(text):
        return AssetReference(
            _known(scopes, "registries", match["registry"]), match["kind"], match["name"], match["version"]
        )
    rest = text.removeprefix("azureml:")
    if match := _ARM.search(rest):
        scope = _known(scopes, "workspaces", match["workspace"])
        return AssetReference(scope, match["kind"], match["name"], match["version"])
    if match := _SHORT.match(rest):
        return AssetReference(home, "", match["name"], match["version"])
    raise azure_error(
        400, "UserError", f"{text!r} names no asset: an id or azureml:<name>:<version> is expected."
    )


def is_asset(text: str) -> bool:
    """Whether `text` references a registered asset rather than a place in storage or a literal."""
    return bool(
        _REGISTRY.match(text) or _ARM.search(text) or (text.startswith("azureml:") and "//" not in text)
    )


def _known(scopes: Mapping[str, Scope], kind: str, name: str) -> Scope:
    if scope := scopes.get(f"{kind}/{name}"):
        return scope
    raise azure_error(404, "ResourceNotFound", f"{kind} has no {name!r}.")
