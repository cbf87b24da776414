from typing import Any

import pytest

from localazure.machine_learning.storage import Location, Storage
from localazure.service import STORAGE_ACCOUNT, STORAGE_KEY
from tests.localazure.machine_learning.conftest import client, finish
from tests.localazure.machine_learning.sdk import chain_job

pytestmark = pytest.mark.timeout(180)
SIGNATURE = "sv=2021-08-06&sig=abc%3D"


@pytest.fixture(scope="module")
def plants(published: Any, storage: Storage) -> Any:
    """A datastore of a container of its own, with a text in it."""
    from azure.ai.ml.entities import AccountKeyConfiguration, AzureBlobDatastore

    storage.ensure_containers(["plants"])
    storage.write(Location("plants", "texts/hello.txt"), b"hi")
    key = AccountKeyConfiguration(account_key=STORAGE_KEY)
    return published.datastores.create_or_update(
        AzureBlobDatastore(
            name="plants",
            account_name=STORAGE_ACCOUNT,
            container_name="plants",
            description="what the plants sent",
            tags={"owner": "ml"},
            credentials=key,
        )
    )


def test_a_datastore_is_read_back_without_its_key(plants: Any, published: Any) -> None:
    from azure.ai.ml.entities import AccountKeyConfiguration

    found = published.datastores.get("plants")
    assert (found.container_name, found.account_name, found.description) == (
        "plants",
        STORAGE_ACCOUNT,
        "what the plants sent",
    )
    assert isinstance(found.credentials, AccountKeyConfiguration)
    assert not found.credentials.account_key
    assert {"plants", "workspaceblobstore"} <= {one.name for one in published.datastores.list()}


def test_the_secret_of_an_account_key_is_a_signature_that_expires(
    plants: Any, published: Any, storage: Storage
) -> None:
    from azure.storage.blob import ContainerClient

    secret = published.datastores.get("plants", include_secrets=True).credentials
    with ContainerClient(
        storage.service.url, "plants", credential=secret.sas_token, connection_verify=str(storage._ca_bundle)
    ) as container:
        assert [blob.name for blob in container.list_blobs()] == ["texts/hello.txt"]


def test_each_kind_of_credentials_gives_its_secret(published: Any) -> None:
    from azure.ai.ml.entities import AzureBlobDatastore, AzureDataLakeGen2Datastore, SasTokenConfiguration
    from azure.ai.ml.entities._credentials import NoneCredentialConfiguration

    common: dict[str, Any] = {"account_name": STORAGE_ACCOUNT}
    for datastore in (
        AzureBlobDatastore(
            name="signed",
            container_name="plants",
            credentials=SasTokenConfiguration(sas_token=SIGNATURE),
            **common,
        ),
        AzureDataLakeGen2Datastore(
            name="lake", filesystem="plants", credentials=NoneCredentialConfiguration(), **common
        ),
    ):
        published.datastores.create_or_update(datastore)
    assert published.datastores.get("signed", include_secrets=True).credentials.sas_token == SIGNATURE
    lake = published.datastores.get("lake", include_secrets=True)
    assert (lake.type, lake.filesystem) == ("AzureDataLakeGen2", "plants")
    assert isinstance(lake.credentials, NoneCredentialConfiguration)


def test_the_default_datastore_is_the_workspaces_own(plants: Any, published: Any) -> None:
    found = published.datastores.get_default()
    assert (found.name, found.container_name) == ("workspaceblobstore", "azureml-mlops-dev-workspace")


def test_jobs_read_and_write_a_datastore(plants: Any, published: Any, storage: Storage) -> None:
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import Data

    place = "azureml://datastores/plants/paths"
    published.data.create_or_update(
        Data(name="plant-text", version="1", type="uri_file", path=f"{place}/texts/hello.txt")
    )
    outputs = {
        "loud": Output(type="uri_file", path=f"{place}/out/loud.txt"),
        "trained": Output(type="mlflow_model", path=f"{place}/out/trained"),
    }
    inputs = {"text": Input(type="uri_file", path="azureml:plant-text:1")}
    published.jobs.create_or_update(chain_job(published, "plants-1", inputs=inputs, outputs=outputs))
    assert finish(published, "plants-1").status == "Completed"
    assert storage.read(Location("plants", "out/loud.txt")) == b"HIHI!"


def test_an_unknown_datastore_is_refused(published: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError):
        published.datastores.get("nowhere")
    with pytest.raises(ResourceNotFoundError, match="nowhere"):
        published.jobs.create_or_update(
            chain_job(published, "lost", "azureml://datastores/nowhere/paths/x.txt")
        )


def test_a_deleted_datastore_is_gone(published: Any) -> None:
    from azure.ai.ml.entities import AccountKeyConfiguration, AzureBlobDatastore
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    published.datastores.create_or_update(
        AzureBlobDatastore(
            name="brief",
            account_name=STORAGE_ACCOUNT,
            container_name="plants",
            credentials=AccountKeyConfiguration(account_key=STORAGE_KEY),
        )
    )
    published.datastores.delete("brief")
    with pytest.raises(ResourceNotFoundError):
        published.datastores.get("brief")
    with pytest.raises(HttpResponseError, match="cannot be deleted"):
        published.datastores.delete("workspaceblobstore")


def test_without_leave_to_skip_it_the_container_is_checked(arm: Any) -> None:
    properties = {
        "datastoreType": "AzureBlob",
        "accountName": STORAGE_ACCOUNT,
        "containerName": "absent",
        "credentials": {"credentialsType": "None"},
    }
    refused = arm.put("/datastores/absent", json={"properties": properties})
    assert (refused.status_code, "'absent'" in refused.json()["error"]["message"]) == (400, True)


def test_every_workspace_has_its_own(plants: Any, cloud: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError):
        client(cloud, workspace="mlops-test-workspace").datastores.get("plants")
