from typing import Any

import httpx
import pytest

from localazure.service import STORAGE_KEY
from tests.localazure.machine_learning.conftest import GROUP, REGISTRY, WORKSPACE, Cloud

pytestmark = pytest.mark.timeout(120)


def test_a_workspace_is_complete_as_far_as_the_sdk_reads(ml: Any, cloud: Cloud) -> None:
    found = ml.workspaces.get(WORKSPACE)
    azure = cloud.runtime.addresses.azure
    assert (found.name, found.location, found.resource_group) == (WORKSPACE, "eastus", GROUP)
    assert found.discovery_url.startswith(f"{azure}/discovery/workspaces/")
    assert found.mlflow_tracking_uri.startswith(f"{azure}/mlflow/v1.0/subscriptions/")
    assert found.storage_account.endswith("/storageAccounts/devstoreaccount1")
    assert found.key_vault
    assert found.application_insights
    assert found.public_network_access == "Enabled"


@pytest.mark.parametrize("scope", ["resource_group", "subscription"])
def test_workspaces_are_listed(ml: Any, scope: str) -> None:
    assert {one.name for one in ml.workspaces.list(scope=scope)} == {WORKSPACE, "mlops-test-workspace"}


def test_there_are_no_hubs(ml: Any) -> None:
    assert list(ml.workspaces.list(filtered_kinds="hub")) == []


def test_keys_of_a_workspace(ml: Any) -> None:
    assert ml.workspaces.get_keys(WORKSPACE).user_storage_key == STORAGE_KEY
    ml.workspaces.begin_sync_keys(WORKSPACE).result()


def test_registries_are_read_and_listed(ml: Any) -> None:
    found = ml.registries.get(REGISTRY)
    assert (found.name, found.location) == (REGISTRY, "eastus")
    assert [region.location for region in found.replication_locations] == ["eastus"]
    assert [one.name for one in ml.registries.list()] == [REGISTRY]


def test_the_same_workspace_has_the_same_etag(arm: httpx.Client) -> None:
    workspace = str(arm.base_url).rstrip("/")
    assert arm.get(workspace).headers["etag"] == arm.get(workspace).headers["etag"]


def test_an_unknown_workspace_is_not_found(ml: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError, match="was not found"):
        ml.workspaces.get("nowhere")
