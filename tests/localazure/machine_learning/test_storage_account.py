"""The forms of address in which the real storage SDKs reach Azurite with a bearer token."""

import time
from typing import Any

import pytest

from localazure.azurite import create_containers
from tests.localazure.machine_learning.conftest import Cloud

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def credential(cloud: Cloud) -> Any:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


@pytest.mark.parametrize("form", ["blob", "storage_ip"])
def test_blobs(cloud: Cloud, credential: Any, form: str) -> None:
    from azure.storage.blob import BlobServiceClient

    addresses = cloud.runtime.addresses
    for _ in range(2):
        create_containers(addresses.storage_ip, cloud.runtime.ca_bundle, ["raw"])
    with BlobServiceClient(getattr(addresses, form), credential=credential) as service:
        service.get_blob_client("raw", f"{form}.csv").upload_blob(b"1", overwrite=True)
        assert service.get_blob_client("raw", f"{form}.csv").download_blob().readall() == b"1"


def test_tables_with_entity_group_transactions(cloud: Cloud, credential: Any) -> None:
    from azure.data.tables import TableServiceClient

    with TableServiceClient(cloud.runtime.addresses.table, credential=credential) as service:
        table = service.create_table_if_not_exists(f"t{time.time_ns()}")
        table.submit_transaction([("create", {"PartitionKey": "p", "RowKey": str(row)}) for row in range(3)])
        assert len(list(table.query_entities("PartitionKey eq 'p'"))) == 3
