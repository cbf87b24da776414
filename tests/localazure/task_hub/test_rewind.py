"""Failed instances are rewound: what failed runs again, what had succeeded does not."""

import asyncio
import json
from datetime import timedelta

import pytest
from durabletask import task
from durabletask.entities import EntityInstanceId

from localazure.task_hub.model import NoSuchInstance, NotFailed, Status, TurnDeclined

COUNTER = EntityInstanceId("counter", "1")


class World:
    """What the activities of a test have done, and whether they fail."""

    def __init__(self):
        self.ran, self.broken = [], True
        self.go_on = asyncio.Event()

    def steady(self, value):
        self.ran.append(value)
        return value

    def shaky(self, value):
        self.ran.append(value)
        if self.broken:
            raise OSError(f"{value} is down")
        return value

    async def slow(self, value):
        self.ran.append(value)
        await self.go_on.wait()
        return value

    @property
    def activities(self):
        return [self.steady, self.shaky, self.slow]


def chain(ctx, value):
    first = yield ctx.call_activity("steady", input=f"{value}1")
    second = yield ctx.call_activity("shaky", input=f"{value}2")
    third = yield ctx.call_activity("steady", input=f"{value}3")
    return [first, second, third]


def family(ctx, value):
    """Children that fail, a child that does not, and a grandchild that fails."""
    children = [ctx.call_sub_orchestrator("chain", input=n, instance_id=f"{value}-{n}") for n in "ab"]
    fine = ctx.call_sub_orchestrator("fine", input="c", instance_id=f"{value}-c")
    grandchild = ctx.call_sub_orchestrator("middle", input=value, instance_id=f"{value}-m")
    done = yield fine
    return [done, *(yield task.when_all([*children, grandchild]))]


def middle(ctx, value):
    return (yield ctx.call_sub_orchestrator("chain", input="g", instance_id=f"{value}-g"))


def fine(ctx, value):
    return (yield ctx.call_activity("steady", input=value))


def meanwhile(ctx, _):
    """Fails while an activity, a timer, a call and an event are still to come."""
    pending = [
        ctx.call_activity("slow", input="slow"),
        ctx.create_timer(timedelta(milliseconds=100)),
        ctx.call_entity(COUNTER, "add", 1),
        ctx.wait_for_external_event("go"),
    ]
    yield ctx.call_activity("shaky", input="shaky")
    results = yield task.when_all(pending)
    return [results[0], results[2], results[3]]


def holder(ctx, _):
    with (yield ctx.lock_entities([COUNTER])):
        yield ctx.wait_for_external_event("free")


def waits_for_child(ctx, _):
    return (yield ctx.call_sub_orchestrator("waits", instance_id="child"))


def waits(ctx, _):
    return (yield ctx.wait_for_external_event("go"))


def counter(ctx, value):
    ctx.set_state(ctx.get_state(int, 0) + value)
    return ctx.get_state(int)


ALL = [chain, family, middle, fine, meanwhile, holder, waits_for_child, waits]


def test_only_what_failed_runs_again(run, open_hub):
    async def scenario():
        world = World()
        async with open_hub(ALL, world.activities) as hub:
            assert (await hub.run("chain", "x", "i")).status == Status.FAILED
            world.broken = False
            await hub.hub.rewind("i", "repaired")
            instance = await hub.finished("i")
            assert (instance.status, json.loads(instance.output)) == (Status.COMPLETED, ["x1", "x2", "x3"])
            assert instance.failure is None
            assert world.ran == ["x1", "x2", "x2", "x3"]

    run(scenario())


def test_history_says_why_it_was_rewound_and_has_one_end(run, open_hub):
    async def scenario():
        world = World()
        async with open_hub(ALL, world.activities) as hub:
            before = await hub.run("chain", "x", "i")
            world.broken = False
            await hub.hub.rewind("i", "repaired")
            after = await hub.finished("i")
            history = hub.hub.history("i")
            kinds = [event.WhichOneof("eventType") for event in history]
            assert kinds.count("executionCompleted") == kinds.count("executionRewound") == 1
            assert "taskFailed" not in kinds
            reason = next(e.executionRewound.reason.value for e in history if e.HasField("executionRewound"))
            assert reason == "repaired"
            started = next(e.executionStarted for e in history if e.HasField("executionStarted"))
            assert started.orchestrationInstance.executionId.value == after.execution != before.execution

    run(scenario())


def test_what_fails_again_can_be_rewound_again(run, open_hub):
    async def scenario():
        world = World()
        async with open_hub(ALL, world.activities) as hub:
            await hub.run("chain", "x", "i")
            for _ in range(2):
                await hub.hub.rewind("i")
                failed = await hub.finished("i")
                assert (failed.status, "x2 is down" in failed.failure.errorMessage) == (Status.FAILED, True)
            world.broken = False
            await hub.hub.rewind("i")
            assert (await hub.finished("i")).status == Status.COMPLETED
            assert world.ran == ["x1", "x2", "x2", "x2", "x2", "x3"]

    run(scenario())


def test_only_a_failed_instance_can_be_rewound(run, open_hub):
    async def scenario():
        async with open_hub(ALL, World().activities) as hub:
            await hub.run("fine", "x", "done")
            await hub.hub.start("waits", None, "running")
            await hub.hub.start("waits", None, "ended")
            await hub.hub.terminate("ended")
            for instance_id in ("done", "running", "ended"):
                with pytest.raises(NotFailed, match=instance_id):
                    await hub.hub.rewind(instance_id)
            with pytest.raises(NoSuchInstance, match="nobody"):
                await hub.hub.rewind("nobody")

    run(scenario())


EXPECTED = ["c", ["a1", "a2", "a3"], ["b1", "b2", "b3"], ["g1", "g2", "g3"]]


def test_failed_children_are_rewound_with_their_parent(run, open_hub):
    async def scenario():
        world = World()
        async with open_hub(ALL, world.activities) as hub:
            await hub.run("family", "f", "root")
            await hub.hub.settled()
            world.broken = False
            await hub.hub.rewind("root", "repaired")
            assert json.loads((await hub.finished("root")).output) == EXPECTED
            assert {name: world.ran.count(name) for name in ("a1", "b1", "g1", "c")} == dict.fromkeys(
                ["a1", "b1", "g1", "c"], 1
            )
            parents = {child: _parent_execution(hub, child) for child in ("f-a", "f-b", "f-m")}
            assert parents == dict.fromkeys(parents, hub.hub.get("root").execution)
            assert _parent_execution(hub, "f-g") == hub.hub.get("f-m").execution

    run(scenario())


def _parent_execution(hub, instance_id):
    started = (e.executionStarted for e in hub.hub.history(instance_id) if e.HasField("executionStarted"))
    return next(started).parentInstance.orchestrationInstance.executionId.value


def test_purged_children_start_anew(run, open_hub):
    async def scenario():
        world = World()
        async with open_hub(ALL, world.activities) as hub:
            await hub.run("family", "f", "root")
            await hub.hub.settled()
            for child in ("f-a", "f-c", "f-g"):
                await hub.hub.purge(child)
            world.broken = False
            await hub.hub.rewind("root")
            assert json.loads((await hub.finished("root")).output) == EXPECTED
            assert [world.ran.count(name) for name in ("a1", "b1", "c", "g1")] == [2, 1, 1, 2]
            assert hub.hub.get("f-c") is None

    run(scenario())


def test_a_terminated_child_fails_its_parent_again(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("waits_for_child", None, "p")
            await hub.until(lambda: hub.hub.get("child"))
            await hub.hub.terminate("child")
            await hub.finished("p")
            await hub.hub.rewind("p")
            failed = await hub.finished("p")
            assert (failed.status, "terminated" in failed.failure.errorMessage) == (Status.FAILED, True)

    run(scenario())


def test_a_child_that_was_rewound_by_itself_counts_when_its_parent_is(run, open_hub):
    async def scenario():
        world = World()
        async with open_hub(ALL, world.activities) as hub:
            await hub.run("middle", "m", "p")
            world.broken = False
            await hub.hub.rewind("m-g")
            await hub.finished("m-g")
            await hub.hub.rewind("p")
            assert json.loads((await hub.finished("p")).output) == ["g1", "g2", "g3"]
            assert world.ran == ["g1", "g2", "g2", "g3"]

    run(scenario())


@pytest.mark.parametrize("outcomes", ["before the rewind", "after the rewind"])
def test_what_was_pending_at_the_failure_is_not_lost(run, open_hub, outcomes):
    async def scenario():
        world = World()
        async with open_hub(ALL, world.activities, [counter], grace=0.05) as hub:
            await hub.hub.start("holder", None, "holder")
            await hub.until(lambda: (e := hub.hub.entity(str(COUNTER))) and e.locked_by)
            await hub.hub.start("meanwhile", None, "i")
            await hub.hub.raise_event("i", "go", '"gone"')
            assert (await hub.finished("i")).status == Status.FAILED
            if outcomes == "before the rewind":
                await release(hub, world)
        world.broken = False
        async with open_hub(ALL, world.activities, [counter]) as hub:
            await hub.hub.rewind("i")
            if outcomes == "after the rewind":
                await hub.until(lambda: world.ran.count("shaky") == 2)
                await release(hub, world)
            assert json.loads((await hub.finished("i")).output) == ["slow", 1, "gone"]

    async def release(hub, world):
        world.go_on.set()
        await hub.hub.raise_event("holder", "free")
        await hub.finished("holder")
        await hub.hub.settled()

    run(scenario())


class Interrupted:
    """An executor for a few pieces of work; then the rest waits for the next start."""

    def __init__(self, functions, pieces):
        self._functions, self._pieces = functions, pieces

    async def orchestrate(self, *turn):
        self._pieces -= 1
        if self._pieces < 0:
            raise TurnDeclined("enough for now")
        return await self._functions.orchestrate(*turn)

    def __getattr__(self, name):
        return getattr(self._functions, name)


@pytest.mark.parametrize("pieces", [1, 2, 3, 5])
def test_it_goes_on_where_it_was_when_the_process_ends_on_the_way(run, open_hub, functions, pieces):
    async def scenario():
        world = World()
        program = functions(ALL, world.activities)
        async with open_hub(functions=program) as hub:
            await hub.run("family", "f", "root")
            await hub.hub.settled()
            world.broken = False
        async with open_hub(functions=Interrupted(program, 0)) as hub:
            await hub.hub.rewind("root")
            await hub.hub.settled()
            assert hub.hub.get("root").status == Status.RUNNING
        for _ in range(60):
            async with open_hub(functions=Interrupted(program, pieces + 1)) as hub:
                await hub.hub.settled()
                if hub.hub.get("root").status.finished:
                    break
        async with open_hub(functions=program) as hub:
            assert json.loads(hub.hub.get("root").output) == EXPECTED
        assert [world.ran.count(name) for name in ("a1", "b1", "c", "g1", "a3")] == [1, 1, 1, 1, 1]

    run(scenario())
