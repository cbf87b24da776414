"""Azurite killed at once after it acknowledged a write still knows the write."""

import os
import signal
from pathlib import Path

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from localazure.azurite import start_azurite
from localazure.config import Ports
from localazure.service import STORAGE_ACCOUNT, STORAGE_KEY
from localazure.tls import ensure_certificates

pytestmark = pytest.mark.skipif(
    not (Path(__file__).parents[3] / "node_modules" / ".bin" / "azurite").exists(),
    reason="Azurite is not installed: npm ci",
)


def clients(azurite, bundle):
    options = {"connection_verify": str(bundle)}
    blobs = BlobServiceClient(azurite.storage_ip, credential=STORAGE_KEY, **options)
    key = AzureNamedKeyCredential(STORAGE_ACCOUNT, STORAGE_KEY)
    tables = TableServiceClient(
        f"https://127.0.0.1:{azurite.ports.table}/{STORAGE_ACCOUNT}", credential=key, **options
    )
    return blobs, tables


def test_what_was_acknowledged_outlives_a_kill(tmp_path):
    certificates = ensure_certificates(tmp_path)
    azurite = start_azurite(tmp_path, Ports(blob=0, queue=0, table=0), certificates)
    blobs, tables = clients(azurite, certificates.bundle)
    blobs.create_container("raw")
    table = tables.create_table("ledger")
    for number in range(20):
        table.upsert_entity({"PartitionKey": "p", "RowKey": str(number), "value": number})
        blobs.get_blob_client("raw", f"b{number}").upload_blob(b"x" * number)
    os.kill(azurite.pid, signal.SIGKILL)
    azurite.process.wait()

    again = start_azurite(tmp_path, azurite.ports, certificates)
    try:
        blobs, tables = clients(again, certificates.bundle)
        rows = {row["RowKey"] for row in tables.get_table_client("ledger").list_entities()}
        contents = [blobs.get_blob_client("raw", f"b{n}").download_blob().readall() for n in range(20)]
    finally:
        again.stop()
    assert rows == {str(number) for number in range(20)}
    assert contents == [b"x" * number for number in range(20)]
