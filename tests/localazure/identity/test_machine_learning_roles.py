"""Azure ML's SDK with less than it needs: what a missing role assignment looks like."""

import uuid
from dataclasses import replace

import pytest
from azure.core.exceptions import HttpResponseError

from localazure import resolver
from localazure.azurite import start_azurite
from localazure.config import Config, Ports
from localazure.identity import Identity
from localazure.identity.directory import Directory
from localazure.machine_learning import MachineLearning
from localazure.tls import ensure_certificates

WORKSPACE = {"name": "ws", "resource_group": "rg", "computes": [{"name": "cpu"}]}
CONFIG = Config.model_validate(
    {
        "workspaces": [WORKSPACE, WORKSPACE | {"name": "closed"}],
        "identities": [
            {"name": "app", "kind": "system-assigned"},
            {"name": "scientist"},
            {"name": "developer", "kind": "user", "upn": "developer@example.com"},
        ],
        "role_assignments": [
            {"identity": "app", "role": "Reader", "scope": "ws"},
            {"identity": "scientist", "role": "AzureML Data Scientist", "scope": "ws"},
        ],
    }
)


@pytest.fixture
def client(make_runtime, serve, monkeypatch):
    """(identity, workspace) → an `MLClient` that signs in as that identity."""
    runtime = make_runtime(CONFIG)
    azurite = start_azurite(
        runtime.state, Ports(blob=0, queue=0, table=0), ensure_certificates(runtime.state)
    )
    addresses = replace(
        runtime.addresses, blob=azurite.blob, table=azurite.table, storage_ip=azurite.storage_ip
    )
    runtime = replace(runtime, addresses=addresses)
    resolver.install()
    azure = runtime.addresses.azure
    monkeypatch.setenv("ARM_CLOUD_METADATA_URL", f"{azure}/metadata/endpoints?api-version=2019-05-01")

    def client(identity, workspace="ws"):
        from azure.ai.ml import MLClient
        from azure.identity import ManagedIdentityCredential

        credential = ManagedIdentityCredential(client_id=Directory(CONFIG).named(identity).client_id)
        return MLClient(credential, CONFIG.subscription_id, "rg", workspace)

    try:
        serve(runtime, [Identity(runtime), MachineLearning(runtime, lambda source, event: None)])
        yield client
    finally:
        azurite.stop()


def tagged_data(name="numbers"):
    from azure.ai.ml.entities import Data

    return Data(name=name, version="1", path="https://example.com/numbers.csv", type="uri_file")


def test_a_reader_sees_and_changes_nothing(client):
    reader, app = client("app"), Directory(CONFIG).named("app")
    assert [compute.name for compute in reader.compute.list()] == ["cpu"]
    assert list(reader.jobs.list()) == []
    with pytest.raises(HttpResponseError) as refused:
        reader.data.create_or_update(tagged_data())
    assert refused.value.status_code == 403
    assert refused.value.error.code == "AuthorizationFailed"
    scope = f"/subscriptions/{CONFIG.subscription_id}/resourceGroups/rg/providers/Microsoft.MachineLearningServices"
    assert refused.value.error.message == (
        f"The client '{app.client_id}' with object id '{app.object_id}' does not have authorization to perform "
        f"action 'Microsoft.MachineLearningServices/workspaces/data/versions/write' over scope "
        f"'{scope}/workspaces/ws/data/numbers/versions/1' or the scope is invalid. If access was recently granted, "
        "please refresh your credentials."
    )


def test_a_data_scientist_works_in_the_own_workspace_and_makes_no_compute(client):
    from azure.ai.ml.entities import AmlCompute

    scientist = client("scientist")
    name = f"numbers-{uuid.uuid4().hex[:6]}"
    assert scientist.data.create_or_update(tagged_data(name)).version == "1"
    with pytest.raises(HttpResponseError, match="workspaces/computes/write"):
        scientist.compute.begin_create_or_update(AmlCompute(name="more", size="Standard_DS3_v2")).result()
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        list(client("scientist", "closed").models.list())
    with pytest.raises(HttpResponseError, match=r"The client 'developer@example\.com'"):
        list(client("developer").models.list())
