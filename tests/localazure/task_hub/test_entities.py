"""Entities end to end, on the SDK's own entity code."""

import asyncio
import json
import time
from datetime import timedelta

import durabletask.internal.helpers as helpers
import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask import task
from durabletask.entities import DurableEntity, EntityInstanceId

from localazure.task_hub.model import EntityQuery, Status


def counter(ctx, value):
    """Adds, gives, deletes, fails, signals on, and starts an orchestration."""
    match ctx.operation:
        case "add":
            ctx.set_state(ctx.get_state(int, 0) + value)
        case "delete":
            ctx.set_state(None)
        case "fail":
            ctx.set_state(-1)
            raise ValueError(f"no {value}")
        case "add_to":
            ctx.signal_entity(EntityInstanceId("counter", value["key"]), "add", value["value"])
        case "start":
            return ctx.schedule_new_orchestration("echo", value, instance_id="started")
    return ctx.get_state(int)


class Account(DurableEntity):
    """A class-style entity."""

    def deposit(self, amount):
        self.set_state(self.get_state(int, 0) + amount)
        return self.get_state(int)

    def balance(self):
        return self.get_state(int, 0)


ENTITIES = [counter, Account]
ONE, TWO = EntityInstanceId("counter", "1"), EntityInstanceId("counter", "2")
SAVINGS, CURRENT = EntityInstanceId("Account", "savings"), EntityInstanceId("Account", "current")


def echo(ctx, value):
    return value
    yield


def add_and_get(ctx, value):
    yield ctx.call_entity(ONE, "add", value)
    return (yield ctx.call_entity(ONE, "get"))


def add_without_waiting(ctx, value):
    ctx.signal_entity(ONE, "add", value)
    return value


def add_later(ctx, milliseconds):
    due = ctx.current_utc_datetime + timedelta(milliseconds=milliseconds)
    ctx.signal_entity(ONE, "add", 1, due)


def catch_failure(ctx, value):
    try:
        yield ctx.call_entity(ONE, "fail", value)
    except task.TaskFailedError as error:
        return str(error)


def transfer(ctx, amount):
    """Moves money between two accounts; nobody may see it underway."""
    with (yield ctx.lock_entities([SAVINGS, CURRENT])):
        left = yield ctx.call_entity(SAVINGS, "balance")
        yield ctx.call_activity("breathe")
        yield ctx.call_entity(SAVINGS, "deposit", -amount)
        had = yield ctx.call_entity(CURRENT, "deposit", amount)
    return left + had - amount


def hold(ctx, what):
    """Holds a lock until it is told how to end."""
    with (yield ctx.lock_entities([ONE, TWO])):
        how = yield ctx.wait_for_external_event("end")
        if how == "fail":
            raise ValueError("told to")
        if how == "again":
            ctx.continue_as_new("second", save_events=True)
    return how


def count_again(ctx, turns):
    """Leaves a call unanswered whenever it continues as new."""
    ctx.call_entity(ONE, "add", 1)
    if turns:
        ctx.continue_as_new(turns - 1)
        return
    yield ctx.create_timer(timedelta(milliseconds=20))


ALL = [
    echo,
    add_and_get,
    add_without_waiting,
    add_later,
    catch_failure,
    transfer,
    hold,
    count_again,
]


async def breathe(_):
    await asyncio.sleep(0.001)


def value_of(hub, entity=ONE):
    found = hub.hub.entity(str(entity))
    return None if found is None or found.state is None else json.loads(found.state)


def test_a_call_gives_the_result_and_keeps_the_state(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            assert (await hub.run("add_and_get", 3)).output == "3"
        async with open_hub(ALL, entities=ENTITIES) as hub:
            assert (await hub.run("add_and_get", 4)).output == "7"

    run(scenario())


def test_history_tells_of_calls_and_their_results(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.run("add_and_get", 3, "i")
            kinds = [event.WhichOneof("eventType") for event in hub.hub.history("i")]
            assert kinds[-4:] == [
                "entityOperationCalled",
                "orchestratorStarted",
                "entityOperationCompleted",
                "executionCompleted",
            ]

    run(scenario())


def test_signals_add_up_and_run_in_batches(run, open_hub, functions):
    async def scenario():
        program = functions(ALL, [], ENTITIES)
        async with open_hub(functions=program) as hub:
            await asyncio.gather(*(hub.hub.signal_entity("@Counter@1", "add", "1") for _ in range(300)))
            await hub.hub.settled()
            assert value_of(hub) == 300
            assert len(program.batches) < 150

    run(scenario())


def test_a_signal_from_an_orchestrator_arrives_though_it_ends_at_once(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.run("add_without_waiting", 5)
            await hub.hub.settled()
            assert value_of(hub) == 5

    run(scenario())


def test_a_delayed_signal_waits_and_survives_the_process(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.run("add_later", 150)
            await hub.hub.signal_entity(str(TWO), "add", "1", at=time.time() + 0.15)
            await hub.hub.settled()
            assert (value_of(hub), value_of(hub, TWO)) == (None, None)
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.until(lambda: (value_of(hub), value_of(hub, TWO)) == (1, 1))

    run(scenario())


def test_a_failed_operation_tells_its_caller_and_keeps_the_state(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.run("add_and_get", 3)
            assert "no luck" in (await hub.run("catch_failure", "luck")).output
            assert value_of(hub) == 3

    run(scenario())


def test_a_failed_signal_is_logged(run, open_hub, caplog):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.hub.signal_entity(str(ONE), "fail", '"luck"')
            await hub.hub.settled()

    run(scenario())
    assert "The signal 'fail' to @counter@1 failed: " in caplog.text
    assert "no luck" in caplog.text


def test_an_unknown_entity_fails_its_callers_and_holds_up_nobody(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.signal_entity(str(ONE), "add", "1")
            failed = await hub.run("add_and_get", 1)
            assert (failed.status, "'counter'" in failed.failure.errorMessage) == (Status.FAILED, True)
            await hub.hub.settled()
            assert hub.hub.entity(str(ONE)).backlog == 0

    run(scenario())


def test_an_entity_signals_others_and_starts_orchestrations(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.hub.signal_entity(str(ONE), "add_to", '{"key": "2", "value": 8}')
            await hub.hub.signal_entity(str(ONE), "start", '"hello"')
            await hub.until(lambda: hub.hub.get("started"))
            assert (await hub.finished("started")).output == '"hello"'
            await hub.hub.settled()
            assert value_of(hub, TWO) == 8

    run(scenario())


def test_an_entity_starts_an_id_only_once(run, open_hub, caplog):
    async def scenario():
        async with open_hub([*ALL, wait], entities=ENTITIES) as hub:
            await hub.hub.start("wait", None, "started")
            await hub.hub.signal_entity(str(ONE), "start", '"hello"')
            await hub.hub.settled()
            assert hub.hub.get("started").name == "wait"

    def wait(ctx, _):
        yield ctx.wait_for_external_event("go")

    run(scenario())
    assert "started already exists" in caplog.text


def test_a_deleted_entity_is_empty_and_can_be_cleaned_away(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.hub.signal_entity(str(ONE), "add", "1")
            await hub.hub.signal_entity(str(ONE), "delete")
            await hub.hub.signal_entity(str(TWO), "add", "1")
            await hub.hub.settled()
            assert hub.hub.entity(str(ONE)).state is None
            assert [e.id for e in hub.hub.entities(EntityQuery())] == ["@counter@2"]
            assert len(hub.hub.entities(EntityQuery(include_transient=True))) == 2
            cleaned = await hub.hub.clean_entities(remove_empty=True, release_orphaned_locks=True)
            assert (cleaned, hub.hub.entity(str(ONE))) == ((1, 0), None)

    run(scenario())


def test_entities_are_listed_in_pages(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            before = time.time()
            for key in "abc":
                await hub.hub.signal_entity(f"@counter@{key}", "add", "1")
            await hub.hub.signal_entity("@account@a", "deposit", "1")
            await hub.hub.settled()

            def ids(**fields):
                return [entity.id for entity in hub.hub.entities(EntityQuery(**fields))]

            assert ids(id_prefix="@counter@", limit=2) == ["@counter@a", "@counter@b"]
            assert ids(id_prefix="@counter@", after="@counter@b") == ["@counter@c"]
            assert ids(modified_to=before) == []
            assert len(ids(modified_from=before)) == 4

    run(scenario())


@pytest.mark.parametrize("entity", ["counter", "@counter", "@@key", "@counter@"])
def test_ids_that_are_no_entity_ids_are_refused(run, open_hub, entity):
    async def scenario():
        async with open_hub(ALL) as hub:
            with pytest.raises(ValueError, match=r"[Ee]ntity"):
                await hub.hub.signal_entity(entity, "add")

    run(scenario())


def test_locked_entities_are_seen_by_their_holder_only(run, open_hub):
    async def scenario():
        async with open_hub(ALL, [breathe], ENTITIES) as hub:
            await hub.hub.signal_entity(str(SAVINGS), "deposit", "100")
            ids = [await hub.hub.start("transfer", "1") for _ in range(12)]
            totals = {(await hub.finished(instance_id)).output for instance_id in ids}
            assert totals == {"100"}
            await hub.hub.settled()
            assert (value_of(hub, SAVINGS), value_of(hub, CURRENT)) == (88, 12)
            assert {e.locked_by for e in hub.hub.entities(EntityQuery())} == {None}

    run(scenario())


def test_a_locked_entity_lets_others_wait_and_serves_them_in_order_then(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.hub.start("hold", '"first"', "holder")
            await hub.until(lambda: (e := hub.hub.entity(str(TWO))) and e.locked_by == "holder")
            await hub.hub.start("add_and_get", "1", "other")
            await hub.hub.signal_entity(str(ONE), "add", "2")
            await hub.hub.settled()
            assert hub.hub.entity(str(ONE)).backlog == 2
            await hub.hub.raise_event("holder", "end", '"well"')
            assert (await hub.finished("other")).output == "3"

    run(scenario())


@pytest.mark.parametrize("end", ["well", "fail", "again", "terminate", "replace"])
@pytest.mark.parametrize("reopen", [False, True])
def test_locks_are_free_however_their_holder_ends(run, open_hub, end, reopen):
    async def begin():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            await hub.hub.start("hold", None, "holder")
            await hub.until(lambda: (e := hub.hub.entity(str(TWO))) and e.locked_by == "holder")
            await hub.hub.start("hold", None, "second")
            await hub.hub.start("hold", None, "third")
            await hub.hub.settled()
            if not reopen:
                await finish(hub)

    async def finish(hub):
        await hub.hub.terminate("third")
        match end:
            case "terminate":
                await hub.hub.terminate("holder")
            case "replace":
                await hub.hub.start("echo", None, "holder", replaceable=[Status.RUNNING])
            case _:
                await hub.hub.raise_event("holder", "end", json.dumps(end))
        await hub.until(lambda: hub.hub.entity(str(TWO)).locked_by == "second")
        await hub.hub.raise_event("second", "end", '"well"')
        assert (await hub.finished("second")).output == '"well"'
        await hub.hub.settled()
        assert hub.hub.entity(str(ONE)).locked_by == ("holder" if end == "again" else None)

    async def scenario():
        await begin()
        if reopen:
            async with open_hub(ALL, entities=ENTITIES) as hub:
                await finish(hub)

    run(scenario())


def test_calls_without_a_waiter_run_once_and_answer_nobody(run, open_hub):
    async def scenario():
        async with open_hub(ALL, entities=ENTITIES) as hub:
            instance = await hub.run("count_again", 5)
            assert (instance.status, instance.failure) == (Status.COMPLETED, None)
            await hub.hub.settled()
            assert value_of(hub) == 6

    run(scenario())


class Odd:
    """An executor whose entities answer what no SDK would, operation by operation."""

    def __init__(self, functions, *answers):
        self._functions, self._answers = functions, list(answers)
        self.sizes = []

    def __getattr__(self, name):
        return getattr(self._functions, name)

    async def entity(self, entity_id, state, operations):
        self.sizes.append(len(operations))
        if self._answers:
            return self._answers.pop(0)
        return await self._functions.entity(entity_id, state, operations)


FAILURE = pb.TaskFailureDetails(errorType="Broken", errorMessage="the batch broke")
SUCCESS = pb.OperationResult(success=pb.OperationResultSuccess())
ODD = {
    "the batch broke": pb.EntityBatchResult(failureDetails=FAILURE),
    "reported on none": pb.EntityBatchResult(),
    "neither success nor failure": pb.EntityBatchResult(results=[pb.OperationResult()]),
}


@pytest.mark.parametrize("sentence", ODD)
def test_a_batch_without_results_fails_its_calls_with_a_sentence(run, open_hub, functions, sentence):
    async def scenario():
        async with open_hub(functions=Odd(functions(ALL, [], ENTITIES), ODD[sentence])) as hub:
            assert sentence in (await hub.run("add_and_get", 1)).failure.errorMessage
            assert (await hub.run("add_and_get", 1)).output == "1"

    run(scenario())


def _messages(*messages):
    actions = [pb.OrchestratorAction(id=n, sendEntityMessage=m) for n, m in enumerate(messages, 1)]
    return pb.OrchestratorResponse(actions=actions)


NAME = helpers.get_string_value(str(ONE))
LOCK = pb.EntityLockRequestedEvent(criticalSectionId="s", lockSet=[str(ONE)])
CALL = pb.EntityOperationCalledEvent(
    requestId="r", operation="add", input=helpers.get_string_value("1"), targetInstanceId=NAME
)
UNLOCK = pb.EntityUnlockSentEvent(criticalSectionId="s", targetInstanceId=NAME)


def test_what_a_holder_called_runs_before_its_lock_passes_on(run, open_hub, functions):
    turns = [
        _messages(pb.SendEntityMessageAction(entityLockRequested=LOCK)),
        _messages(),
        _messages(
            pb.SendEntityMessageAction(entityOperationCalled=CALL),
            pb.SendEntityMessageAction(entityUnlockSent=UNLOCK),
        ),
    ]

    class Holder(Odd):
        """Calls and releases in one turn, as the SDK does not."""

        async def orchestrate(self, instance_id, *turn):
            if instance_id == "holder":
                return turns.pop(0) if turns else _messages()
            return await self._functions.orchestrate(instance_id, *turn)

        async def entity(self, entity_id, state, operations):
            holders.append(self.hub.entity(entity_id).locked_by)
            return await super().entity(entity_id, state, operations)

    holders = []

    async def scenario():
        program = Holder(functions(ALL, [], ENTITIES))
        async with open_hub(functions=program) as hub:
            program.hub = hub.hub
            await hub.hub.start("echo", None, "holder")
            await hub.hub.settled()
            await hub.hub.start("hold", None, "second")
            await hub.hub.settled()
            assert hub.hub.entity(str(ONE)).locked_by == "holder"
            await hub.hub.raise_event("holder", "end")
            await hub.hub.settled()
            assert hub.hub.entity(str(ONE)).locked_by == "second"
            assert (holders, value_of(hub)) == (["holder"], 1)

    run(scenario())


def test_operations_that_got_no_result_stay_and_run_next(run, open_hub, functions):
    async def scenario():
        program = Odd(
            functions(ALL, [], ENTITIES), pb.EntityBatchResult(results=[SUCCESS], entityState={"value": "10"})
        )
        async with open_hub(functions=program, entities_at_once=1) as hub:
            soon = time.time() + 0.1  # all arrive at once
            for _ in range(4):
                await hub.hub.signal_entity(str(ONE), "add", "1", at=soon)
            await hub.until(lambda: sum(program.sizes) > 4)
            await hub.hub.settled()
            assert value_of(hub) == 13

    run(scenario())


def test_at_most_the_limit_of_entities_runs_at_once(run, open_hub, functions):
    running, peak = 0, 0

    class Slow(Odd):
        async def entity(self, entity_id, state, operations):
            nonlocal running, peak
            running, peak = running + 1, max(peak, running + 1)
            await asyncio.sleep(0.01)
            running -= 1
            return await super().entity(entity_id, state, operations)

    async def scenario():
        async with open_hub(functions=Slow(functions(ALL, [], ENTITIES)), entities_at_once=3) as hub:
            for n in range(12):
                await hub.hub.signal_entity(f"@counter@{n}", "add", "1")
            await hub.hub.settled()
            assert peak == 3

    run(scenario())
