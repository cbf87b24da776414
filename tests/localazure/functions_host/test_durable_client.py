"""The SDK's clients over gRPC, from a process of their own."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
import pytest
from azure.durable_functions.client import DurableFunctionsClient
from durabletask.client import OrchestrationQuery, OrchestrationStatus


@pytest.fixture
def prefix():
    return f"client-{uuid.uuid4().hex[:8]}-"


def code_of(call, *arguments, **options) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value.code(), caught.value.details()


def finish(client, name, value, instance_id=None, **options):
    started = client.schedule_new_orchestration(name, input=value, instance_id=instance_id, **options)
    return client.wait_for_orchestration_completion(started, timeout=20)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("raise_orchestration_event", ("event",)),
        ("terminate_orchestration", ()),
        ("suspend_orchestration", ()),
        ("resume_orchestration", ()),
        ("rewind_orchestration", ()),
        ("restart_orchestration", ()),
        ("get_orchestration_history", ()),
    ],
)
def test_an_unknown_instance_is_not_found(client, method, arguments):
    code, details = code_of(getattr(client, method), "nobody", *arguments)
    assert (code, "'nobody'" in details) == (grpc.StatusCode.NOT_FOUND, True)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("raise_orchestration_event", ("event",)),
        ("terminate_orchestration", ()),
        ("suspend_orchestration", ()),
        ("resume_orchestration", ()),
        ("rewind_orchestration", ()),
    ],
)
def test_a_completed_instance_takes_nothing_more(client, method, arguments):
    done = finish(client, "pipeline", {"value": 1})
    code, details = code_of(getattr(client, method), done.instance_id, *arguments)
    assert (code, "COMPLETED" in details) == (grpc.StatusCode.FAILED_PRECONDITION, True)


@pytest.mark.parametrize("instance_id", ["a/b", "a#b", "a?b", "@entity", "x" * 101, "a\nb"])
def test_ids_that_azure_refuses(client, instance_id):
    code, details = code_of(client.schedule_new_orchestration, "pipeline", instance_id=instance_id)
    assert (code, "1 to 100 characters" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_an_unknown_orchestrator_names_those_there_are(client):
    code, details = code_of(client.schedule_new_orchestration, "nobody")
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "'nobody' doesn't exist" in details
    assert "classic_chain" in details
    assert "BuiltIn__" not in details


def test_unknown_things_are_none(client):
    assert client.get_orchestration_state("nobody") is None
    assert client.wait_for_orchestration_start("nobody", timeout=5) is None
    assert client.wait_for_orchestration_completion("nobody", timeout=5) is None
    assert client.purge_orchestration("nobody").deleted_instance_count == 0


def test_waits_end_at_their_deadline_and_when_they_are_cancelled(client, binding):
    waiting = client.schedule_new_orchestration("approval", input={"seconds": 60})
    client.wait_for_orchestration_start(waiting, timeout=10)
    with pytest.raises(TimeoutError):
        client.wait_for_orchestration_completion(waiting, timeout=0.1)

    async def cancelled_then_answered():
        own = DurableFunctionsClient(binding)
        patient = asyncio.create_task(own.wait_for_orchestration_completion(waiting, timeout=30))
        impatient = asyncio.create_task(own.wait_for_orchestration_completion(waiting, timeout=30))
        await asyncio.sleep(0.1)
        impatient.cancel()
        await own.raise_orchestration_event(waiting, "decided", data="yes")
        state = await patient
        with pytest.raises(asyncio.CancelledError):
            await impatient
        await own.close()
        return state.get_output()

    assert asyncio.run(cancelled_then_answered()) == "yes"


def test_many_wait_for_one(client, binding):
    waiting = client.schedule_new_orchestration("approval", input={"seconds": 60})

    async def all_answered():
        own = DurableFunctionsClient(binding)
        waits = [own.wait_for_orchestration_completion(waiting, timeout=20) for _ in range(50)]
        tasks = [asyncio.create_task(wait) for wait in waits]
        await own.raise_orchestration_event(waiting, "decided", data=7)
        states = await asyncio.gather(*tasks)
        await own.close()
        return {state.get_output() for state in states}

    assert asyncio.run(all_answered()) == {7}


def test_an_id_in_use_is_refused_and_a_finished_one_is_taken_over(client, prefix):
    running = client.schedule_new_orchestration(
        "approval", input={"seconds": 60}, instance_id=f"{prefix}running"
    )
    code, details = code_of(client.schedule_new_orchestration, "pipeline", instance_id=running)
    assert (code, running in details) == (grpc.StatusCode.ALREADY_EXISTS, True)
    first = finish(client, "pipeline", {"value": 1}, f"{prefix}finished")
    second = finish(client, "pipeline", {"value": 2}, first.instance_id)
    assert [first.get_output(), second.get_output()] == [14, 18]


@pytest.mark.parametrize(
    ("replaceable", "replaced"),
    [(pb.ORCHESTRATION_STATUS_COMPLETED, True), (pb.ORCHESTRATION_STATUS_FAILED, False)],
)
def test_reuse_policies(client, prefix, replaceable, replaced):
    done = finish(client, "pipeline", {"value": 1}, f"{prefix}reused")
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[replaceable])

    def again():
        return finish(client, "pipeline", {"value": 2}, done.instance_id, reuse_id_policy=policy)

    if replaced:
        assert again().get_output() == 18
    else:
        assert code_of(again)[0] == grpc.StatusCode.ALREADY_EXISTS


def test_suspended_instances_keep_what_arrives(client):
    waiting = client.schedule_new_orchestration("approval", input={"seconds": 60})
    client.wait_for_orchestration_start(waiting, timeout=10)
    client.suspend_orchestration(waiting, reason="lunch")
    assert client.get_orchestration_state(waiting).runtime_status == OrchestrationStatus.SUSPENDED
    client.raise_orchestration_event(waiting, "decided", data="kept")
    with pytest.raises(TimeoutError):
        client.wait_for_orchestration_completion(waiting, timeout=0.1)
    client.resume_orchestration(waiting)
    assert client.wait_for_orchestration_completion(waiting, timeout=10).get_output() == "kept"


@pytest.mark.parametrize("recursive", [True, False])
def test_termination(client, prefix, recursive):
    parent = client.schedule_new_orchestration("family", input=2, instance_id=f"{prefix}family")
    client.wait_for_orchestration_start(parent, timeout=20)
    for n in range(2):
        assert client.wait_for_orchestration_start(f"{parent}-{n}", timeout=20)
    client.terminate_orchestration(parent, output={"why": "enough"}, recursive=recursive)
    ended = client.wait_for_orchestration_completion(parent, timeout=10)
    assert (ended.runtime_status.name, ended.get_output()) == ("TERMINATED", {"why": "enough"})
    children = [client.get_orchestration_state(f"{parent}-{n}").runtime_status.name for n in range(2)]
    assert children == ["TERMINATED" if recursive else "RUNNING"] * 2


def test_rewind_runs_again_only_what_failed(host, client, prefix):
    request = {"key": f"{prefix}rewound", "failures": 1, "value": 4}
    failed = finish(client, "rewindable", request)
    assert failed.runtime_status == OrchestrationStatus.FAILED
    client.rewind_orchestration(failed.instance_id, reason="the network is back")
    done = client.wait_for_orchestration_completion(failed.instance_id, timeout=10)
    assert done.get_output() == [8, "attempt 2"]
    assert host.notes("flaky").count(request["key"]) == 2


def test_restart_under_a_new_id_and_under_the_old_one(client, prefix):
    first = finish(client, "versions", "child", f"{prefix}restarted", version="3.1")
    other = client.restart_orchestration(first.instance_id, restart_with_new_instance_id=True)
    same = client.restart_orchestration(first.instance_id, restart_with_new_instance_id=False)
    assert (other != first.instance_id, same) == (True, first.instance_id)
    outputs = [
        client.wait_for_orchestration_completion(each, timeout=10).get_output() for each in (other, same)
    ]
    assert outputs == ["3.1", "3.1"]


def test_a_running_instance_restarts_under_a_new_id_only(client):
    running = client.schedule_new_orchestration("approval", input={"seconds": 60})
    code, _ = code_of(client.restart_orchestration, running, restart_with_new_instance_id=False)
    assert code == grpc.StatusCode.FAILED_PRECONDITION


def test_query_with_all_filters_over_pages(client, prefix):
    before = datetime.now(UTC) - timedelta(seconds=1)
    for n in range(5):
        finish(client, "pipeline", {"value": n}, f"{prefix}{n}")
    finish(client, "failing", "luck", f"{prefix}failed")

    def ids(**filters):
        query = OrchestrationQuery(instance_id_prefix=prefix, max_instance_count=2, **filters)
        return [
            state.instance_id.removeprefix(prefix) for state in client.get_all_orchestration_states(query)
        ]

    assert ids() == ["0", "1", "2", "3", "4", "failed"]
    assert ids(runtime_status=[OrchestrationStatus.FAILED]) == ["failed"]
    assert ids(created_time_from=before) == ids()
    assert ids(created_time_to=before) == []
    finish(client, "pipeline", {"value": 1}, "0")  # an id that is also the SDK's sign for the last page
    everything = client.get_all_orchestration_states(OrchestrationQuery(max_instance_count=1))
    assert {f"{prefix}{n}" for n in range(5)} <= {state.instance_id for state in everything}
    query = OrchestrationQuery(instance_id_prefix=prefix, fetch_inputs_and_outputs=True)
    assert client.get_all_orchestration_states(query)[1].get_input() == {"value": 1}


def test_finished_ids_come_in_the_order_of_their_end(client, prefix):
    start = datetime.now(UTC)
    ids = [finish(client, "pipeline", {"value": 1}, f"{prefix}{n}").instance_id for n in (3, 1, 2)]
    failed = finish(client, "failing", "luck", f"{prefix}0").instance_id

    def pages(**filters):
        listed, token = [], None
        while True:
            page = client.list_instance_ids(
                completed_time_from=start, page_size=2, continuation_token=token, **filters
            )
            listed += [instance_id for instance_id in page.items if instance_id.startswith(prefix)]
            if (token := page.continuation_token) is None:
                return listed

    assert pages() == [*ids, failed]
    assert pages(runtime_status=[OrchestrationStatus.FAILED]) == [failed]
    assert pages(completed_time_to=start) == []
    assert code_of(client.list_instance_ids, continuation_token="odd")[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_purge_takes_finished_instances_alone(client, prefix):
    start = datetime.now(UTC) - timedelta(milliseconds=1)
    running = client.schedule_new_orchestration("approval", input={"seconds": 60})
    finish(client, "fleet", 2, f"{prefix}fleet")
    assert client.purge_orchestration(running).deleted_instance_count == 0
    assert client.purge_orchestration(f"{prefix}fleet", recursive=True).deleted_instance_count == 3
    finish(client, "failing", "luck", f"{prefix}failed")
    purged = client.purge_orchestrations_by(
        created_time_from=start, runtime_status=[OrchestrationStatus.FAILED], timeout=timedelta(seconds=10)
    )
    assert (purged.deleted_instance_count >= 1, purged.is_complete) == (True, True)
    assert client.get_orchestration_state(f"{prefix}failed") is None
    nothing = client.purge_orchestrations_by(runtime_status=[OrchestrationStatus.RUNNING])
    assert nothing.deleted_instance_count == 0
    assert client.get_orchestration_state(running) is not None


def test_history_of_large_events_comes_in_chunks(client):
    done = finish(client, "large", {"text": "x", "times": 6_000_000})
    history = client.get_orchestration_history(done.instance_id)
    assert sum(type(event).__name__ == "TaskCompletedEvent" for event in history) == 2


def test_a_message_over_the_limit_fails_with_a_sentence(client):
    code, details = code_of(client.schedule_new_orchestration, "pipeline", input="x" * (64 * 1024 * 1024))
    assert (code, "larger than max" in details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)


def test_a_reply_over_the_limit_fails_with_a_sentence(client):
    started = client.schedule_new_orchestration("echoed", input="x" * (33 * 1024 * 1024))
    code, details = code_of(client.wait_for_orchestration_completion, started, timeout=100)
    assert (code, "larger than max" in details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
    state = client.get_orchestration_state(started, fetch_payloads=False)
    assert state.runtime_status == OrchestrationStatus.COMPLETED


def test_the_async_client_does_the_same(binding, prefix):
    async def walk():
        client = DurableFunctionsClient(binding)
        started = await client.schedule_new_orchestration(
            "pipeline", input={"value": 1}, instance_id=f"{prefix}async"
        )
        done = await client.wait_for_orchestration_completion(started, timeout=20)
        again = await client.restart_orchestration(started)
        await client.wait_for_orchestration_completion(again, timeout=20)
        query = OrchestrationQuery(instance_id_prefix=prefix)
        states = await client.get_all_orchestration_states(query)
        history = await client.get_orchestration_history(started)
        ids = await client.list_instance_ids(page_size=1)
        purged = await client.purge_orchestration(started)
        await client.close()
        return done.get_output(), len(states), len(history) > 4, len(ids.items), purged.deleted_instance_count

    assert asyncio.run(walk()) == (14, 1, True, 1, 1)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_the_v1_names_of_the_client_work(binding, prefix):
    async def walk():
        client = DurableFunctionsClient(binding)
        started = await client.start_new("classic_race", f"{prefix}v1", 60)
        await client.raise_event(started, "go", "now")
        await client.wait_for_orchestration_completion(started, timeout=20)
        status = await client.get_status(
            started, show_history=True, show_history_output=True, show_input=True
        )
        purged = await client.purge_instance_history(started)
        await client.close()
        kinds = [event["EventType"] for event in status.history]
        return status.runtime_status.name, status.output, status.input_, kinds, purged.instances_deleted

    name, output, given, kinds, purged = asyncio.run(walk())
    assert (name, output, given, purged) == ("Completed", "now", 60, 1)
    assert (kinds[0], kinds[-1]) == ("ExecutionStarted", "ExecutionCompleted")
