"""Blobs, on a real blob service."""

from uuid import uuid4

import pytest

from busbar.clients.blobs import Blobs
from busbar.domain.errors import Conflict, NotFound
from tests.azure import LocalAzure


@pytest.fixture
def container() -> str:
    return f"test-{uuid4().hex}"


def test_what_is_written_is_read_back_and_listed(local_azure: LocalAzure, container: str):
    blobs = Blobs(local_azure.settings)
    assert blobs.names(container) == []
    assert not blobs.exists(container, "a/b.csv")
    blobs.write(container, "a/b.csv", b"1")
    before = blobs.names(container, "a/")
    blobs.write(container, "a/b.csv", b"2")
    blobs.write(container, "c.csv", b"3")
    assert blobs.read(container, "a/b.csv") == b"2"
    assert [name for name, _ in blobs.names(container)] == ["a/b.csv", "c.csv"]
    assert before != blobs.names(container, "a/"), "the entity tag follows the content"
    assert blobs.exists(container, "c.csv")


def test_a_missing_blob_is_named(local_azure: LocalAzure, container: str):
    with pytest.raises(NotFound, match=f"{container}/nothing"):
        Blobs(local_azure.settings).read(container, "nothing")


def test_a_final_blob_is_never_overwritten(local_azure: LocalAzure, container: str):
    blobs = Blobs(local_azure.settings)
    blobs.write_once(container, "x", b"1")
    blobs.write_once(container, "x", b"1")
    with pytest.raises(Conflict):
        blobs.write_once(container, "x", b"2")
    assert blobs.read(container, "x") == b"1"


def test_the_delta_version_is_the_newest_commit(local_azure: LocalAzure, container: str):
    blobs = Blobs(local_azure.settings)
    assert blobs.latest_delta_version(container, "readings") is None
    for name in (
        "readings/_delta_log/00000000000000000009.json",
        "readings/_delta_log/00000000000000000010.checkpoint.parquet",
        "readings/_delta_log/00000000000000000011.json",
        "readings/_delta_log/_last_checkpoint",
        "readings/part-00000000000000000099.json",
        "readings2/_delta_log/00000000000000000099.json",
    ):
        blobs.write(container, name, b"{}")
    assert blobs.latest_delta_version(container, "readings") == 11
