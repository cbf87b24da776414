"""Entities in all styles, from orchestrations, clients and each other."""

import uuid
from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
import pytest
from durabletask.client import EntityQuery
from durabletask.entities import EntityInstanceId


@pytest.fixture
def key():
    return uuid.uuid4().hex[:12]


@pytest.fixture
def balance(host, client):
    """Waits until an account holds an amount."""

    def wait(key, amount):
        entity = EntityInstanceId("Account", key)
        host.until(lambda: (found := client.get_entity(entity)) and found.get_typed_state(int) == amount)
        return True

    return wait


def run(client, name, value):
    started = client.schedule_new_orchestration(name, input=value)
    return client.wait_for_orchestration_completion(started, timeout=20)


def deposit(client, key, amount, **options):
    client.signal_entity(EntityInstanceId("ACCOUNT", key), "deposit", amount, **options)


def test_calls_under_locks(client, balance, key):
    deposit(client, f"{key}-a", 100)
    done = run(client, "transfer", {"from": f"{key}-a", "to": f"{key}-b", "amount": 30})
    assert done.get_output() == [100, 30]
    assert balance(f"{key}-a", 70)


def test_a_lock_is_released_when_its_holder_fails_or_is_terminated(client, host, key):
    deposit(client, f"{key}-a", 100)
    request = {"from": f"{key}-a", "to": f"{key}-b", "amount": 1}
    failed = run(client, "transfer", request | {"fail": True})
    assert failed.runtime_status.name == "FAILED"
    hoarder = client.schedule_new_orchestration("hoarding", input=f"{key}-a")
    host.until(
        lambda: (state := client.get_orchestration_state(hoarder)) and state.get_custom_status() == "locked"
    )
    entity = client._stub.GetEntity(pb.GetEntityRequest(instanceId=f"@account@{key}-a")).entity
    assert entity.lockedBy.value == hoarder  # the SDK reads it as an entity's id, which it never is
    waiting = client.schedule_new_orchestration("transfer", input=request)
    with pytest.raises(TimeoutError):
        client.wait_for_orchestration_completion(waiting, timeout=0.2)
    client.terminate_orchestration(hoarder)
    assert client.wait_for_orchestration_completion(waiting, timeout=10).get_output() == [100, 1]


def test_critical_sections_do_not_overlap(client, host, key):
    for each in ("x", "y", "z"):
        deposit(client, f"{key}-{each}", 100)
    circle = [("x", "y"), ("y", "z"), ("z", "x"), ("y", "x"), ("x", "z")]
    started = [
        client.schedule_new_orchestration(
            "transfer", input={"from": f"{key}-{a}", "to": f"{key}-{b}", "amount": 1}
        )
        for a, b in circle
    ]
    for each in started:
        assert client.wait_for_orchestration_completion(each, timeout=20).runtime_status.name == "COMPLETED"
    steps = [step for step in host.notes("critical") if step[1] in started]
    held = dict(zip(started, circle, strict=True))
    inside = set[str]()
    for step, instance_id in steps:
        if step == "enter":
            assert not any(set(held[other]) & set(held[instance_id]) for other in inside)
            inside.add(instance_id)
        else:
            inside.discard(instance_id)


def test_signals_from_orchestrations_now_and_later(client, balance, key):
    assert run(client, "signalling", key).get_output() == 5
    assert balance(key, 75)


def test_delayed_signals_of_clients(client, balance, key):
    deposit(client, key, 7, signal_time=datetime.now(UTC) + timedelta(seconds=0.4))
    deposit(client, key, 1)
    assert balance(key, 1)
    assert balance(key, 8)


def test_entities_signal_each_other_and_start_orchestrations(client, balance, key):
    entity = EntityInstanceId("account", key)
    client.signal_entity(entity, "forward", {"to": f"{key}-friend", "amount": 9})
    assert balance(f"{key}-friend", 9)
    client.signal_entity(entity, "order", f"{key}-ordered")
    client.signal_entity(entity, "deposit", 1)
    assert balance(key, 1)
    assert client.wait_for_orchestration_completion(f"{key}-ordered", timeout=10).get_output() == 14


def test_a_failing_operation_reaches_its_caller_and_changes_nothing(client, balance, key):
    deposit(client, key, 3)
    error, message = run(client, "overdraw", key).get_output()
    assert (error, "only 3 there" in message) == ("TaskFailedError", True)
    assert balance(key, 3)


def test_an_unknown_entity_fails_its_caller_with_its_name(client):
    failed = run(client, "calling_nobody", None)
    assert failed.runtime_status.name == "FAILED"
    assert "'nobody' doesn't exist or is not an entity function" in failed.failure_details.message
    with pytest.raises(grpc.RpcError, match="'nobody' doesn't exist") as caught:
        client.signal_entity(EntityInstanceId("nobody", "1"), "add", 1)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_signals_are_handled_in_their_order(client, host, key):
    entity = EntityInstanceId("journal", key)
    for n in range(100):
        client.signal_entity(entity, "add", n)
    host.until(lambda: (found := client.get_entity(entity)) and len(found.get_typed_state(list)) == 100)
    assert client.get_entity(entity).get_typed_state(list) == list(range(100))


def test_an_entity_without_state_is_gone(client, host, key):
    entity = EntityInstanceId("journal", key)
    client.signal_entity(entity, "add", "ä")
    host.until(lambda: client.get_entity(entity))
    assert client.get_entity(entity, include_state=False).includes_state is False
    client.signal_entity(entity, "clear")
    host.until(lambda: client.get_entity(entity) is None)


def test_the_v1_style(client, host, key):
    tally = EntityInstanceId("tally", key)
    assert run(client, "tallying", key).get_output() == 12
    assert client.get_entity(tally).get_typed_state(int) == 12
    client.signal_entity(tally, "forget")
    host.until(lambda: client.get_entity(tally) is None)


def test_queries_over_pages(client, host, key):
    for n in range(5):
        deposit(client, f"{key}-{n}", n + 1)
    before = datetime.now(UTC) - timedelta(minutes=1)

    def found(**filters):
        query = EntityQuery(instance_id_starts_with=f"@account@{key}", page_size=2, **filters)
        return [(entity.id.key, entity.get_typed_state(int)) for entity in client.get_all_entities(query)]

    host.until(lambda: len(found(include_state=True)) == 5)
    assert found(include_state=True) == [(f"{key}-{n}", n + 1) for n in range(5)]
    assert len(found(include_state=True, last_modified_from=before)) == 5
    assert found(include_state=True, last_modified_to=before) == []


def test_clean_up_removes_what_is_empty(client, host, key):
    entity = EntityInstanceId("journal", key)
    client.signal_entity(entity, "add", 1)
    host.until(lambda: client.get_entity(entity))
    client.signal_entity(entity, "clear")
    query = EntityQuery(instance_id_starts_with=str(entity), include_transient=True)
    host.until(lambda: client.get_entity(entity) is None and client.get_all_entities(query))
    assert client.clean_entity_storage().empty_entities_removed >= 1
    assert client.get_all_entities(query) == []
