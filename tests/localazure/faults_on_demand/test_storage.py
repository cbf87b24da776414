"""Azurite that stands still: what the storage SDK makes of it, and that it always goes on."""

import psutil
import pytest

from tests.localazure.faults_on_demand.conftest import Stack, until

pytestmark = pytest.mark.timeout(120)


def exists(stack: Stack, **options: int) -> bool:
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    with ContainerClient(
        stack.runtime.addresses.storage_ip,
        "raw",
        credential=DefaultAzureCredential(),
        connection_timeout=1,
        read_timeout=1,
        **options,
    ) as container:
        return container.exists()


def is_still(stack: Stack) -> bool:
    return psutil.Process(stack.azurite.pid).status() == psutil.STATUS_STOPPED


def test_storage_does_not_answer_for_a_while_and_the_sdk_waits(stack: Stack) -> None:
    from azure.core.exceptions import AzureError

    fault = stack.fault("blob-unavailable", for_seconds=5)
    until(lambda: is_still(stack), "Azurite to stand still")
    with pytest.raises(AzureError):
        exists(stack, retry_total=0)
    assert exists(stack, retry_total=20, initial_backoff=1, increment_base=0)
    assert not is_still(stack)
    assert [one["process"] for one in stack.injected(fault)] == [str(stack.azurite.pid)]


def test_clearing_ends_it_at_once(stack: Stack) -> None:
    stack.fault("blob-unavailable", for_seconds=300)
    until(lambda: is_still(stack), "Azurite to stand still")
    stack.clear()
    until(lambda: not is_still(stack), "Azurite to go on", 5)
    assert exists(stack)


@pytest.mark.parametrize("kill", [False, True])
def test_the_servers_end_or_its_next_start_ends_it_and_keeps_the_others(stack: Stack, kill: bool) -> None:
    kept = stack.fault("throttle", where={"path": "/nowhere"}, times=3)
    stack.fault("blob-unavailable", for_seconds=300)
    until(lambda: is_still(stack), "Azurite to stand still")
    stack.stop(kill=kill)
    assert is_still(stack) == kill
    stack.start()
    assert not is_still(stack)
    (found,) = stack.ask("GET", "/admin/faults").json()["faults"]
    assert (found["id"], found["live"]) == (kept, True)
    assert exists(stack)
