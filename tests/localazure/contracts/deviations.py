"""Where the schemas and the service differ, or we differ from both: all of it, with reasons."""

import re
from dataclasses import dataclass
from typing import Literal

_CONTAINER = ("properties.latestVersion", "properties.nextVersion")
_ENDPOINT = ("properties.scoringUri", "properties.swaggerUri")

# What only answers have, by resource type ("": all): the schemas are of what is sent. The reference documents each.
READ_ONLY: dict[str, tuple[str, ...]] = {
    "": ("id", "systemData", "properties.provisioningState", "identity.principalId", "identity.tenantId"),
    "workspaces": (
        "properties.mlFlowTrackingUri", "properties.notebookInfo",
        "properties.privateLinkCount", "properties.serviceProvisionedResourceGroup", "properties.storageHnsEnabled",
        "properties.tenantId", "properties.workspaceId",
    ),
    "workspaces_batchEndpoints": _ENDPOINT,
    "workspaces_computes": (
        "properties.createdOn", "properties.isAttachedCompute", "properties.modifiedOn",
        "properties.provisioningErrors", "properties.properties.allocationState",
        "properties.properties.allocationStateTransitionTime", "properties.properties.currentNodeCount",
        "properties.properties.errors", "properties.properties.nodeStateCounts",
        "properties.properties.targetNodeCount",
    ),
    "workspaces_datastores": ("properties.isDefault",),
    "workspaces_environments_versions": ("properties.environmentType",),
    "workspaces_jobs": ("properties.status",),
    "workspaces_onlineEndpoints": (*_ENDPOINT, "identity.principalId", "identity.tenantId"),
    "registries_environments_versions": ("properties.environmentType",),
    **{
        f"{scope}_{kind}": _CONTAINER
        for scope in ("workspaces", "registries")
        for kind in ("codes", "components", "data", "environments", "models")
    },
}  # fmt: skip


@dataclass(frozen=True)
class Deviation:
    """Findings of one `side` whose resource type and message match these expressions."""

    side: Literal["request", "response"]
    kind: str
    message: str
    reason: str

    def covers(self, side: str, kind: str, message: str) -> bool:
        return side == self.side and bool(re.search(self.kind, kind) and re.search(self.message, message))


_HASH_VERSION = r"^properties/properties/hash_version: \d+ is not of type 'string'$"

_SIGNALS = "properties/action/monitorDefinition/signals/"
_THRESHOLD = (
    rf"^{_SIGNALS}[^/]+/metricThresholds/\d+/threshold/value: [\d.e-]+ is not of type 'integer'$"
    rf"|^{_SIGNALS}[^/]+/metricThresholds/\d+: Unevaluated .*'threshold' was unexpected"
    rf"|^{_SIGNALS}[^/]+: Unevaluated .*'metricThresholds'"
    r"|^properties/action: Unevaluated .*'monitorDefinition' was unexpected"
)
_FRACTIONS = "The template's schema wants integers where the service has fractions: thresholds of metrics."

ACCEPTED = (
    Deviation("request", "^workspaces_schedules$", _THRESHOLD, _FRACTIONS),
    Deviation("response", "^workspaces_schedules$", _THRESHOLD, f"{_FRACTIONS} They are given back."),
    Deviation(
        "request",
        "codes_versions$",
        _HASH_VERSION,
        "The SDK writes a code's hash_version as a number where the schema wants a text; the service takes it.",
    ),
    Deviation(
        "response", "codes_versions$", _HASH_VERSION, "A code's hash_version is given back as it was sent."
    ),
    Deviation(
        "response",
        "^workspaces_batchEndpoints_deployments$",
        r"^properties: Additional properties are not allowed \('deploymentConfiguration' was unexpected\)$",
        "Answers are not trimmed to the api-version asked with: the deployment was made with a newer one.",
    ),
    Deviation(
        "response",
        "^workspaces_jobs$",
        r"^properties(/jobs/\w+)?/inputs/\w+(/value)?: ('\W+' does not match|Unevaluated .*'value' was unexpected)"
        r"|^properties: Unevaluated properties are not allowed \('inputs', ",
        "A component's default may hold no letter at all; the schema's pattern for literal inputs wants one.",
    ),
    Deviation(
        "response",
        "^workspaces_jobs$",
        r"^the body: '(type|properties)' is a required property$",
        "A pipeline's steps are known to Azure's jobs by name alone; the SDK then asks the run history.",
    ),
)
