"""Orchestrations end to end, on the SDK's own replay."""

import asyncio
import json
import time
from datetime import timedelta

import pytest
from durabletask import task

from localazure.task_hub.model import InstanceExists, InstanceFinished, NoSuchInstance, Query, Status


def double(value):
    return 2 * value


def fail(value):
    raise ValueError(f"no {value}")


def chain(ctx, value):
    first = yield ctx.call_activity("double", input=value)
    second = yield ctx.call_activity("double", input=first)
    ctx.set_custom_status({"at": second})
    return second


def fan_out(ctx, count):
    return sum((yield task.when_all([ctx.call_activity("double", input=n) for n in range(count)])))


def parent(ctx, count):
    children = [
        ctx.call_sub_orchestrator("chain", input=n, instance_id=f"{ctx.instance_id}-{n}")
        for n in range(count)
    ]
    return (yield task.when_all(children))


def wait_for_event(ctx, _):
    return (yield ctx.wait_for_external_event("go"))


def two_events(ctx, _):
    first = yield ctx.call_activity("double", input=1)
    a = yield ctx.wait_for_external_event("Go")
    b = yield ctx.wait_for_external_event("go")
    return [first, a, b]


def race(ctx, seconds):
    event, timer = ctx.wait_for_external_event("go"), ctx.create_timer(timedelta(seconds=seconds))
    winner = yield task.when_any([event, timer])
    if winner is event:
        timer.cancel()
        return event.get_result()
    event.cancel()
    return "late"


def catches(ctx, _):
    try:
        yield ctx.call_activity("fail", input="luck")
    except task.TaskFailedError as error:
        return [error.details.error_type, error.details.message, error.details.is_caused_by(ValueError)]


def fails(ctx, _):
    yield ctx.call_activity("fail", input="luck")


def parent_of_failing(ctx, _):
    try:
        yield ctx.call_sub_orchestrator("fails", instance_id="child")
    except task.TaskFailedError as error:
        return error.details.message


def count_down(ctx, state):
    event = yield ctx.wait_for_external_event("tick")
    state = {"left": state["left"] - 1, "seen": [*state["seen"], event]}
    if not state["left"]:
        return state["seen"]
    ctx.continue_as_new(state, save_events=True)


ALL = [
    chain,
    fan_out,
    parent,
    wait_for_event,
    two_events,
    race,
    catches,
    fails,
    parent_of_failing,
    count_down,
]


@pytest.mark.parametrize(
    ("name", "value", "output"),
    [
        ("chain", 3, 12),
        ("fan_out", 40, 1560),
        ("parent", 5, [0, 4, 8, 12, 16]),
        ("race", 0.01, "late"),
        ("catches", None, ["ValueError", "no luck", True]),
    ],
)
def test_runs_to_its_result(run, open_hub, name, value, output):
    async def scenario():
        async with open_hub(ALL, [double, fail]) as hub:
            instance = await hub.run(name, value)
            assert (instance.status, json.loads(instance.output)) == (Status.COMPLETED, output)

    run(scenario())


def test_custom_status_and_history_are_kept(run, open_hub):
    async def scenario():
        async with open_hub(ALL, [double]) as hub:
            await hub.run("chain", 1, "one")
        async with open_hub(ALL, [double]) as hub:
            assert hub.hub.get("one").custom_status == '{"at": 4}'
            kinds = [event.WhichOneof("eventType") for event in hub.hub.history("one")]
        assert kinds == (
            [
                "orchestratorStarted",
                "executionStarted",
                "taskScheduled",
                "orchestratorStarted",
                "taskCompleted",
                "taskScheduled",
                "orchestratorStarted",
                "taskCompleted",
                "executionCompleted",
            ]
        )

    run(scenario())


def test_failing_activity_fails_the_orchestration_with_its_text(run, open_hub):
    async def scenario():
        async with open_hub(ALL, [fail]) as hub:
            instance = await hub.run("fails")
            assert instance.status == Status.FAILED
            assert "no luck" in instance.failure.errorMessage
            instance = await hub.run("parent_of_failing")
            assert "no luck" in json.loads(instance.output)

    run(scenario())


def test_failure_texts_are_cut(run, open_hub):
    def fail(_):
        raise ValueError("é" * 200_000)

    async def scenario():
        async with open_hub([fails], [fail]) as hub:
            instance = await hub.run("fails")
            failure = instance.failure.innerFailure
            assert len(failure.errorMessage.encode()) <= 64 * 1024
            assert "400000 bytes" in failure.errorMessage
            assert len(instance.failure.errorMessage.encode()) <= 64 * 1024

    run(scenario())


def test_unknown_functions_fail_with_a_text(run, open_hub):
    async def scenario():
        async with open_hub([chain]) as hub:
            assert (await hub.run("nobody")).failure.errorMessage == "'nobody'"
            assert "double" in (await hub.run("chain", 1)).failure.errorMessage

    run(scenario())


def test_event_raised_before_the_wait_is_buffered_in_order(run, open_hub):
    async def scenario():
        async with open_hub(ALL, [double]) as hub:
            await hub.hub.start("two_events", None, "i")
            for value in ("1", "2"):
                await hub.hub.raise_event("i", "GO", value)
            assert json.loads((await hub.finished("i")).output) == [2, 1, 2]

    run(scenario())


def test_event_wins_over_timer_and_the_instance_ends_at_once(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("race", "3600", "i")
            await hub.hub.raise_event("i", "go", '"now"')
            assert json.loads((await hub.finished("i")).output) == "now"

    run(scenario())


def test_retries_until_success(run, open_hub):
    attempts = []

    def flaky(value):
        attempts.append(value)
        if len(attempts) < 3:
            raise OSError("not yet")
        return "done"

    def patient(ctx, _):
        policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=5), max_number_of_attempts=3)
        return (yield ctx.call_activity("flaky", retry_policy=policy))

    async def scenario():
        async with open_hub([patient], [flaky]) as hub:
            assert json.loads((await hub.run("patient")).output) == "done"
            assert attempts == [None, None, None]

    run(scenario())


def test_continue_as_new_keeps_events_that_are_not_consumed(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("count_down", json.dumps({"left": 30, "seen": []}), "i")
            for n in range(30):
                await hub.hub.raise_event("i", "tick", str(n))
            assert json.loads((await hub.finished("i")).output) == list(range(30))

    run(scenario())


def test_a_running_id_is_refused_and_a_finished_one_is_overwritten(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("wait_for_event", None, "i")
            with pytest.raises(InstanceExists, match="i already exists"):
                await hub.hub.start("wait_for_event", None, "i")
            await hub.hub.raise_event("i", "go", "1")
            assert (await hub.finished("i")).output == "1"
            await hub.hub.start("wait_for_event", None, "i")
            await hub.hub.raise_event("i", "go", "2")
            assert (await hub.finished("i")).output == "2"
            assert len(hub.hub.history("i")) == len(set(map(str, hub.hub.history("i"))))

    run(scenario())


def test_child_with_a_running_id_fails_the_call(run, open_hub):
    def clash(ctx, _):
        try:
            yield ctx.call_sub_orchestrator("wait_for_event", instance_id="taken")
        except task.TaskFailedError as error:
            return error.details.error_type

    async def scenario():
        async with open_hub([clash, wait_for_event]) as hub:
            await hub.hub.start("wait_for_event", None, "taken")
            assert json.loads((await hub.run("clash")).output) == "InstanceExists"

    run(scenario())


def test_terminate_ends_the_tree_and_drops_its_work(run, open_hub):
    ran = []

    async def slow(value):
        ran.append(value)
        await asyncio.sleep(0.05)

    def leaf(ctx, n):
        yield ctx.call_activity("slow", input=n)
        yield ctx.call_activity("slow", input="never")

    def tree(ctx, _):
        yield task.when_all(
            [ctx.call_sub_orchestrator("leaf", input=n, instance_id=f"leaf{n}") for n in range(6)]
        )

    async def scenario():
        async with open_hub([tree, leaf], [slow], limit=2) as hub:
            await hub.hub.start("tree", None, "root")
            await hub.until(lambda: len(ran) == 2)
            await hub.hub.terminate("root", '"enough"')
            root = await hub.finished("root")
            assert (root.status, root.output) == (Status.TERMINATED, '"enough"')
            assert {i.status for i in hub.hub.query(Query(id_prefix="leaf"))} == {Status.TERMINATED}
            await asyncio.sleep(0.15)
            assert len(ran) == 2
            with pytest.raises(InstanceFinished):
                await hub.hub.raise_event("root", "go")

    run(scenario())


def test_parent_hears_of_a_terminated_child(run, open_hub):
    async def scenario():
        async with open_hub([parent_of_waiting, wait_for_event]) as hub:
            await hub.hub.start("parent_of_waiting", None, "p")
            await hub.until(lambda: hub.hub.get("child"))
            await hub.hub.terminate("child")
            assert (await hub.finished("p")).status == Status.FAILED

    def parent_of_waiting(ctx, _):
        yield ctx.call_sub_orchestrator("wait_for_event", instance_id="child")

    run(scenario())


def test_suspended_instance_waits_for_resume(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            await hub.hub.start("wait_for_event", None, "i")
            await hub.hub.wait_until_started("i")
            await hub.hub.suspend("i", "maintenance")
            await hub.hub.raise_event("i", "go", "7")
            await asyncio.sleep(0.05)
            assert hub.hub.get("i").status == Status.SUSPENDED
            await hub.hub.resume("i")
            assert (await hub.finished("i")).output == "7"

    run(scenario())


def test_purge_forgets_finished_instances_only(run, open_hub):
    async def scenario():
        async with open_hub(ALL, [double]) as hub:
            await hub.run("parent", 3, "p")
            await hub.hub.start("wait_for_event", None, "w")
            with pytest.raises(InstanceExists):
                await hub.hub.purge("w")
            assert await hub.hub.purge("p", recursive=True) == 4
            assert await hub.hub.purge_matching(Query()) == 0
            assert [i.id for i in hub.hub.query(Query())] == ["w"]
            assert hub.hub.history("p") == []
            with pytest.raises(NoSuchInstance):
                await hub.hub.purge("p")

    run(scenario())


def test_query_filters_and_pages(run, open_hub):
    async def scenario():
        before = time.time()
        async with open_hub(ALL, [double]) as hub:
            for n in range(5):
                await hub.run("chain", n, f"a{n}")
            await hub.hub.start("wait_for_event", None, "b")

            def ids(**fields):
                return [instance.id for instance in hub.hub.query(Query(**fields))]

            assert ids(id_prefix="a", limit=2, after="a1") == ["a2", "a3"]
            assert ids(statuses=(Status.PENDING, Status.RUNNING)) == ["b"]
            assert ids(created_to=before) == []
            assert len(ids(created_from=before)) == 6

    run(scenario())


@pytest.mark.parametrize("instance_id", ["@entity", "a/b", "a\\b", "a#b", "a?b", "a\n", "x" * 101])
def test_ids_that_azure_refuses_are_refused(run, open_hub, instance_id):
    async def scenario():
        async with open_hub(ALL) as hub:
            with pytest.raises(ValueError, match="Instance id"):
                await hub.hub.start("chain", None, instance_id)

    run(scenario())


def test_at_most_the_limit_of_activities_runs_at_once(run, open_hub):
    running, peak = 0, 0

    async def slow(_):
        nonlocal running, peak
        running, peak = running + 1, max(peak, running + 1)
        await asyncio.sleep(0.01)
        running -= 1

    def many(ctx, _):
        yield task.when_all([ctx.call_activity("slow", input=n) for n in range(20)])

    async def scenario():
        async with open_hub([many], [slow], limit=3) as hub:
            await hub.run("many")
            assert peak == 3

    run(scenario())


def test_scheduled_start_waits_even_for_events(run, open_hub):
    async def scenario():
        async with open_hub(ALL) as hub:
            due = time.time() + 0.2
            await hub.hub.start("wait_for_event", None, "i", start_at=due)
            await hub.hub.raise_event("i", "go", "1")
            instance = await hub.finished("i")
            assert instance.output == "1"
            assert instance.completed >= due

    run(scenario())


def test_activities_under_way_are_recorded_when_the_hub_closes(run, open_hub):
    ran = []

    async def slow(value):
        ran.append(value)
        await asyncio.sleep(0.1)
        return value

    def one(ctx, _):
        return (yield ctx.call_activity("slow", input="x"))

    async def scenario():
        async with open_hub([one], [slow]) as hub:
            await hub.hub.start("one", None, "i")
            await hub.until(lambda: ran)
        async with open_hub([one], [slow]) as hub:
            assert (await hub.finished("i")).output == '"x"'
        assert ran == ["x"]

    run(scenario())


def test_an_activity_that_outlasts_the_grace_runs_again(run, open_hub):
    ran = []

    async def slow(value):
        ran.append(value)
        await asyncio.sleep(0.3 if len(ran) == 1 else 0)

    def one(ctx, _):
        yield ctx.call_activity("slow")

    async def scenario():
        async with open_hub([one], [slow], grace=0.01) as hub:
            await hub.hub.start("one", None, "i")
            await hub.until(lambda: ran)
        async with open_hub([one], [slow]) as hub:
            assert (await hub.finished("i")).status == Status.COMPLETED
        assert len(ran) == 2

    run(scenario())


def test_a_turn_that_was_overtaken_by_a_restart_changes_nothing(run, open_hub, functions):
    class Held(functions):
        """Holds the second turn back until it is let go."""

        async def orchestrate(self, instance_id, name, past, new):
            response = await super().orchestrate(instance_id, name, past, new)
            if len(self.turns) == 2:
                await self.let_go.wait()
            return response

    ran = []

    def note(value):
        ran.append(value)
        return value

    def two(ctx, value):
        first = yield ctx.call_activity("note", input=[value, 1])
        second = yield ctx.call_activity("note", input=[value, 2])
        return [first, second]

    async def scenario():
        held = Held([two], [note])
        held.let_go = asyncio.Event()
        async with open_hub(functions=held) as hub:
            await hub.hub.start("two", '"old"', "i")
            await hub.until(lambda: len(held.turns) == 2)
            await hub.hub.terminate("i")
            await hub.hub.start("two", '"new"', "i")
            held.let_go.set()
            assert json.loads((await hub.finished("i")).output) == [["new", 1], ["new", 2]]
            assert ran == [["old", 1], ["new", 1], ["new", 2]]

    run(scenario())
