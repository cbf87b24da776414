"""The `api-version` of a request to ARM: required, and one of those that Azure ML has published."""

import re
from collections.abc import Mapping

from localazure.web import azure_error

# Microsoft.MachineLearningServices/workspaces, as its provider lists them.
MANAGEMENT = (
    "2021-03-01-preview", "2021-10-01", "2022-01-01-preview", "2022-02-01-preview", "2022-05-01", "2022-06-01-preview",
    "2022-10-01", "2022-10-01-preview", "2022-12-01-preview", "2023-02-01-preview", "2023-04-01", "2023-04-01-preview",
    "2023-06-01-preview", "2023-08-01-preview", "2023-10-01", "2024-01-01-preview", "2024-04-01", "2024-04-01-preview",
    "2024-07-01-preview", "2024-10-01", "2024-10-01-preview", "2025-01-01-preview", "2025-04-01", "2025-04-01-preview",
    "2025-06-01", "2025-07-01-preview", "2025-09-01", "2025-10-01-preview", "2025-12-01",
)  # fmt: skip
# What registries answer to in their region, behind the discovery address.
DATA_PLANE = (
    "2020-09-01-dataplanepreview",
    "2021-10-01-dataplanepreview",
    "2022-10-01-preview",
    "2023-10-01",
)
LATEST = MANAGEMENT[-1]


_FORM = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+)?")


def check_api_version(query: Mapping[str, str], known: tuple[str, ...], kind: str) -> None:
    """Refuses with 400 what ARM refuses; `kind` is the resource type in the message."""
    version, supported = query.get("api-version"), ", ".join(known)
    if not version:
        raise azure_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _FORM.fullmatch(version):
        raise azure_error(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{supported}'.",
        )
    if version not in known:
        raise azure_error(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' for type '{kind}'. "
            f"The supported api-versions are '{supported}'.",
        )
