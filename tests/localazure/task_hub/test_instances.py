"""The lives of instances beyond the ordinary: versions, restarts, ends at odd moments, wild answers."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import durabletask.internal.helpers as actions
import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask import task

from localazure.task_hub.clock import ManualClock
from localazure.task_hub.model import (
    ActivityFailed,
    FinishedQuery,
    InstanceExists,
    NoSuchInstance,
    Query,
    Status,
)

DAY = 24 * 3600.0


def echo(ctx, value):
    return value
    yield


def version(ctx, value):
    return [ctx.version, value]
    yield


def parent_of_versions(ctx, _):
    return (
        yield task.when_all(
            [
                ctx.call_sub_orchestrator("version", version="2.0"),
                ctx.call_sub_orchestrator("version"),
            ]
        )
    )


def upgrade(ctx, turns):
    if turns:
        ctx.continue_as_new(turns - 1, new_version="3.0" if turns == 1 else None)
        return
    return ctx.version
    yield


def waits(ctx, _):
    return (yield ctx.wait_for_external_event("go"))


def sleeps(ctx, due):
    yield ctx.create_timer(datetime.fromisoformat(due))
    return "awake"


def sends(ctx, target):
    ctx.send_event(target, "go", data="sent")
    return "done"
    yield


def first_of_two(ctx, _):
    timers = [ctx.create_timer(timedelta(hours=2)), ctx.create_timer(timedelta(hours=1))]
    winner = yield task.when_any(timers)
    return timers.index(winner)


def leaves_a_child(ctx, turns):
    ctx.call_sub_orchestrator("echo", input=turns, instance_id=f"child{turns}")
    if turns:
        ctx.continue_as_new(turns - 1)
        return
    return "done"
    yield


def child_of_id(ctx, child):
    return (yield ctx.call_sub_orchestrator("waits", instance_id=child))


def collects(ctx, state):
    """Takes one event a turn, and leaves the others to the next execution."""
    event = yield ctx.wait_for_external_event("Item")
    if len(state) == 4:
        return [*state, event]
    ctx.continue_as_new([*state, event], save_events=True)


def asks(ctx, _):
    return (yield ctx.call_activity("anything"))


ALL = [
    echo,
    version,
    parent_of_versions,
    upgrade,
    waits,
    sleeps,
    sends,
    first_of_two,
    leaves_a_child,
    child_of_id,
    collects,
    asks,
]


# Versions.


def test_an_orchestrator_sees_the_version_it_was_started_with(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("version", "1", "i", version="1.4")
            instance = await hub.finished("i")
            assert (json.loads(instance.output), instance.version) == (["1.4", 1], "1.4")
            assert json.loads((await hub.run("version", 2)).output) == [None, 2]

    run(scenario())


def test_a_child_has_the_version_it_is_called_with(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("parent_of_versions", None, "p", version="1.0")
            assert json.loads((await hub.finished("p")).output) == [["2.0", None], [None, None]]

    run(scenario())


def test_continuing_as_new_keeps_the_version_or_takes_a_new_one(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            for turns, last in ((0, "1.0"), (1, "3.0"), (3, "3.0")):
                await hub.hub.start("upgrade", str(turns), "i", version="1.0")
                instance = await hub.finished("i")
                assert (json.loads(instance.output), instance.version) == (last, last)

    run(scenario())


# Restarts.


def test_a_restart_keeps_name_input_and_version(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("version", '"x"', "i", version="1.4")
            first = await hub.finished("i")
            assert await hub.hub.restart("i", new_id=False) == "i"
            again = await hub.finished("i")
            other = await hub.finished(await hub.hub.restart("i", new_id=True))
            assert other.id != "i"
            assert again.output == other.output == '["1.4", "x"]'
            assert len({first.execution, again.execution, other.execution}) == 3

    run(scenario())


def test_a_running_instance_is_restarted_under_a_new_id_only(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("waits", None, "i")
            with pytest.raises(InstanceExists):
                await hub.hub.restart("i", new_id=False)
            other = await hub.hub.restart("i", new_id=True)
            assert hub.hub.get(other).name == "waits"
            with pytest.raises(NoSuchInstance):
                await hub.hub.restart("nobody", new_id=True)

    run(scenario())


def test_replacing_a_running_child_fails_its_parent(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("child_of_id", '"child"', "p")
            await hub.until(lambda: hub.hub.get("child"))
            await hub.hub.start("echo", "1", "child", replaceable=[Status.RUNNING, Status.PENDING])
            assert "'child' was terminated" in (await hub.finished("p")).failure.errorMessage
            assert (await hub.finished("child")).output == "1"

    run(scenario())


# Before the first turn.


@pytest.mark.parametrize("start_at", [None, DAY])
def test_a_pending_instance_can_be_suspended_resumed_and_terminated(run, open_hub, start_at):
    async def scenario():
        clock = ManualClock(0.0)
        async with open_hub(ALL, clock=clock) as hub:
            for instance_id in ("resumed", "ended"):
                await hub.hub.start("waits", None, instance_id, start_at=start_at)
                await hub.hub.suspend(instance_id, "not yet")
            await hub.hub.raise_event("resumed", "GO", "7")
            await hub.hub.terminate("ended", '"enough"')
            await clock.pass_time(2 * DAY, hub.hub.settled)
            assert hub.hub.get("resumed").status == Status.SUSPENDED
            ended = hub.hub.get("ended")
            assert (ended.status, ended.output) == (Status.TERMINATED, '"enough"')
            await hub.hub.resume("resumed")
            assert (await hub.finished("resumed")).output == "7"

    run(scenario())


def test_an_instance_that_is_resumed_before_its_start_still_waits_for_it(run, open_hub):
    async def scenario():
        clock = ManualClock(0.0)
        async with open_hub(ALL, clock=clock) as hub:
            await hub.hub.start("echo", "1", "i", start_at=DAY)
            await hub.hub.suspend("i")
            await hub.hub.resume("i")
            await clock.pass_time(DAY / 2, hub.hub.settled)
            assert hub.hub.get("i").status == Status.PENDING
            await clock.pass_time(DAY, hub.hub.settled)
            assert hub.hub.get("i").status == Status.COMPLETED

    run(scenario())


# Timers.


@pytest.mark.parametrize("due", ["9999-12-31T23:59:59.999", "2030-01-30T00:00:00", "1970-01-01T00:00:01"])
def test_timers_of_any_length_fire_when_due(run, open_hub, due):
    async def scenario():
        start = datetime(2029, 12, 31, tzinfo=UTC).timestamp()
        at = datetime.fromisoformat(due).replace(tzinfo=UTC).timestamp()
        clock = ManualClock(start)
        async with open_hub(ALL, clock=clock) as hub:
            await hub.hub.start("sleeps", json.dumps(due), "i")
            await hub.hub.settled()
            if at > start + 3600 * 24 * 365:
                assert hub.hub.get("i").status == Status.RUNNING
                return
            await clock.pass_time(max(0.0, at - start - 1), hub.hub.settled)
            assert hub.hub.get("i").status == (Status.RUNNING if at > start else Status.COMPLETED)
            await clock.pass_time(1, hub.hub.settled)
            assert hub.hub.get("i").output == '"awake"'

    run(scenario())


def test_timers_that_fell_due_while_nobody_ran_fire_in_their_order(run, open_hub):
    async def scenario():
        async with open_hub(ALL, clock=ManualClock(0.0)) as hub:
            await hub.hub.start("first_of_two", None, "i")
            await hub.hub.settled()
        async with open_hub(ALL, clock=ManualClock(DAY)) as hub:
            assert (await hub.finished("i")).output == "1"

    run(scenario())


# Events.


def test_an_event_for_nobody_is_dropped_with_a_line_in_the_log(run, open_hub, caplog):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.run("echo", 1, "finished")
            for target in ("nobody", "finished"):
                assert (await hub.run("sends", target, "sender")).output == '"done"'

    run(scenario())
    for target in ("nobody", "finished"):
        assert f"sender sent the event 'go' to '{target}', which is not running: dropped" in caplog.text


def test_an_event_reaches_an_instance_that_has_not_begun(run, open_hub):
    async def scenario():
        clock = ManualClock(0.0)
        async with open_hub(ALL, clock=clock) as hub:
            await hub.hub.start("waits", None, "late", start_at=DAY)
            await hub.run("sends", "late")
            await clock.pass_time(DAY, hub.hub.settled)
            assert hub.hub.get("late").output == '"sent"'

    run(scenario())


def test_events_outlive_executions_even_while_suspended(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("collects", "[]", "i")
            for n in range(5):
                if n == 2:
                    await hub.hub.suspend("i")
                await hub.hub.raise_event("i", "iTEM", str(n))
            await hub.hub.settled()
            await hub.hub.resume("i")
            assert json.loads((await hub.finished("i")).output) == list(range(5))

    run(scenario())


# Children.


def test_children_started_before_continuing_as_new_run(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.run("leaves_a_child", 3)
            await hub.hub.settled()
            assert [hub.hub.get(f"child{n}").output for n in range(4)] == ["0", "1", "2", "3"]

    run(scenario())


def test_a_child_cannot_have_an_entitys_id(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            failed = await hub.run("child_of_id", "@counter@1")
            assert "must not be empty or begin with @" in failed.failure.errorMessage

    run(scenario())


def test_terminating_a_waiting_parent_alone_leaves_its_child(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            for recursive, left in ((False, Status.RUNNING), (True, Status.TERMINATED)):
                await hub.hub.start("child_of_id", json.dumps(f"c{recursive}"), "p")
                await hub.hub.settled()
                await hub.hub.terminate("p", recursive=recursive)
                await hub.hub.settled()
                assert hub.hub.get(f"c{recursive}").status == left
            await hub.hub.raise_event("cFalse", "go", "1")
            assert (await hub.finished("cFalse")).output == "1"

    run(scenario())


# Wild answers of the app's code.


class Wild:
    """An executor whose orchestrators answer `answer`, and whose activities return `result`."""

    def __init__(self, functions, answer=None, result=None):
        self._functions, self._answer, self._result = functions, answer, result

    def __getattr__(self, name):
        return getattr(self._functions, name)

    async def orchestrate(self, *turn):
        return self._answer or await self._functions.orchestrate(*turn)

    async def activity(self, name, payload):
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({1, 2}, "result is a set; a JSON text was expected"),
        ('"\ud800"', "surrogates not allowed"),
        (ActivityFailed("Odd", "half a character: \ud800"), "half a character: ?"),
        (ValueError("Object of type datetime is not JSON serializable"), "not JSON serializable"),
    ],
)
def test_an_activity_whose_result_cannot_be_kept_fails_the_orchestration(
    run, open_hub, functions, result, sentence
):
    async def scenario():
        async with open_hub(functions=Wild(functions(ALL, []), result=result)) as hub:
            assert sentence in (await hub.run("asks")).failure.errorMessage

    run(scenario())


def _action(**kinds):
    return pb.OrchestratorResponse(actions=[pb.OrchestratorAction(id=1, **kinds)])


def _message(**kinds):
    return _action(sendEntityMessage=pb.SendEntityMessageAction(**kinds))


NEVER = pb.CreateTimerAction()
NEVER.fireAt.seconds = 10**15
NO_ENTITY = pb.EntityOperationCalledEvent(targetInstanceId=actions.get_string_value("counter"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (_action(terminateOrchestration=pb.TerminateOrchestrationAction()), "'terminateOrchestration'"),
        (_action(), "asked for 'None'"),
        (_action(createTimer=NEVER), "out of range|not valid|too large"),
        (_message(entityOperationCalled=NO_ENTITY), "[Ee]ntity ID must start with '@'"),
        (_message(entityLockRequested=pb.EntityLockRequestedEvent()), "index out of range"),
        (_message(), "None"),
    ],
)
def test_an_answer_that_makes_no_sense_fails_the_orchestration(run, open_hub, functions, answer, sentence):
    async def scenario():
        async with open_hub(functions=Wild(functions(ALL, []), answer=answer)) as hub:
            failed = await hub.run("echo")
            assert failed.status == Status.FAILED
            with pytest.raises(AssertionError, match=sentence):
                raise AssertionError(failed.failure.errorMessage)

    run(scenario())


# Listings.


def test_pages_are_in_a_stable_order_while_instances_come_and_go(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            ids = [f"i{n:03}" for n in range(250)]
            await asyncio.gather(*(hub.hub.start("waits", None, i) for i in ids))
            seen, after = [], ""
            while page := hub.hub.query(Query(limit=100, after=after)):
                seen += [instance.id for instance in page]
                after = seen[-1]
                await hub.hub.start("waits", None, f"a{len(seen)}")
            assert seen == ids

    run(scenario())


def test_finished_instances_are_listed_in_the_order_of_their_ends(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            for instance_id in ("c", "a", "b"):
                await hub.run("echo", 1, instance_id)
            middle = time.time()
            await hub.hub.start("waits", None, "running")
            await hub.hub.start("waits", None, "ended")
            await hub.hub.terminate("ended")

            def ids(**fields):
                return [instance.id for instance in hub.hub.finished(FinishedQuery(**fields))]

            assert ids() == ["c", "a", "b", "ended"]
            assert ids(statuses=(Status.TERMINATED,)) == ids(completed_from=middle) == ["ended"]
            assert ids(completed_to=middle, limit=2) == ["c", "a"]
            last = hub.hub.get("a")
            assert ids(completed_to=middle, limit=2, after=(last.completed, "a")) == ["b"]

    run(scenario())
