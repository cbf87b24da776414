"""Time: the system's, and one that a test moves on."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from durabletask import task

from localazure.task_hub import clock as clocks
from localazure.task_hub.clock import ManualClock, SystemClock
from localazure.task_hub.model import Status

START = datetime(2031, 4, 1, 12, tzinfo=UTC)
DAY = 86_400.0


def month(ctx, _):
    yield ctx.create_timer(timedelta(days=30))
    return ctx.current_utc_datetime.isoformat()


def decade(ctx, waits):
    """The SDK waits in steps of three days: continued as new, so that no history grows long."""
    yield ctx.create_timer(timedelta(days=270))
    if waits == 13:
        return ctx.current_utc_datetime.isoformat()
    ctx.continue_as_new(waits + 1)


def three(ctx, days):
    left = {day: ctx.create_timer(timedelta(days=day)) for day in days}
    order = list[int]()
    while left:
        winner = yield task.when_any(list(left.values()))
        order.append(next(day for day, timer in left.items() if timer is winner))
        del left[order[-1]]
    return order


def test_every_time_in_the_hub_is_the_clocks(run, open_hub):
    async def scenario():
        clock = ManualClock(START.timestamp())
        async with open_hub([month], clock=clock) as hub:
            await hub.hub.start("month", None, "i")
            await clock.pass_time(30 * DAY - 0.001, hub.hub.settled)
            assert hub.hub.get("i").status == Status.RUNNING
            await clock.pass_time(0.001, hub.hub.settled)
            instance = hub.hub.get("i")
            assert instance.status == Status.COMPLETED
            assert json.loads(instance.output).startswith("2031-05-01T12:00:00")
            assert (instance.created, instance.completed) == (START.timestamp(), START.timestamp() + 30 * DAY)
            stamps = [event.timestamp.ToDatetime(tzinfo=UTC) for event in hub.hub.history("i")]
            assert (stamps[0], stamps[-1]) == (START, START + timedelta(days=30))
            assert stamps == sorted(stamps)

    run(scenario())


def test_a_decade_of_waits_of_nine_months_passes_in_one_go(run, open_hub):
    async def scenario():
        clock = ManualClock(START.timestamp())
        async with open_hub([decade], clock=clock) as hub:
            await hub.hub.start("decade", "0", "i")
            await clock.pass_time(3780 * DAY - 1, hub.hub.settled)
            assert hub.hub.get("i").status == Status.RUNNING
            await clock.pass_time(1, hub.hub.settled)
            ended = json.loads(hub.hub.get("i").output)
            assert datetime.fromisoformat(ended) == (START + timedelta(days=3780)).replace(tzinfo=None)

    run(scenario())


def test_timers_end_in_the_order_of_their_due_times(run, open_hub):
    async def scenario():
        clock = ManualClock(START.timestamp())
        async with open_hub([three], clock=clock) as hub:
            await hub.hub.start("three", "[9, 2, 5]", "i")
            await clock.pass_time(9 * DAY, hub.hub.settled)
            assert json.loads(hub.hub.get("i").output) == [2, 5, 9]

    run(scenario())


def test_a_timer_that_fell_due_while_the_hub_was_closed_fires_when_it_opens(run, open_hub):
    async def scenario():
        clock = ManualClock(START.timestamp())
        async with open_hub([month], clock=clock) as hub:
            await hub.hub.start("month", None, "i")
            await hub.hub.settled()
        clock.advance(40 * DAY)
        async with open_hub([month], clock=clock) as hub:
            assert json.loads((await hub.finished("i")).output).startswith("2031-05-11T12:00:00")

    run(scenario())


def test_calls_are_made_in_order_each_at_its_own_time():
    clock, made = ManualClock(1000), []

    def note(name):
        return lambda: made.append((name, clock.now()))

    for when, name in ((1030, "c"), (1010, "a"), (1030, "d"), (1020, "b")):
        clock.call_at(when, note(name))
    clock.call_at(1015, note("cancelled")).cancel()
    assert clock.next_due() == 1010
    clock.advance(9.999)
    assert made == []
    clock.advance(0.001)
    clock.advance(25)
    assert made == [("a", 1010), ("b", 1020), ("c", 1030), ("d", 1030)]
    assert (clock.now(), clock.next_due()) == (1035, None)


def test_a_call_set_by_a_call_is_made_within_the_same_advance():
    clock, made = ManualClock(0), []

    def tick():
        made.append(clock.now())
        clock.call_at(clock.now() + 10, tick)

    clock.call_at(10, tick)
    clock.advance(35)
    assert made == [10, 20, 30]


def test_a_call_that_is_due_at_once_needs_no_advance(run):
    async def scenario():
        clock, called = ManualClock(50), asyncio.Event()
        clock.call_at(50, called.set)
        assert not called.is_set()
        async with asyncio.timeout(5):
            await called.wait()

    run(scenario())


def test_time_does_not_run_backwards():
    with pytest.raises(ValueError, match="backwards"):
        ManualClock(0).advance(-1)


def test_the_system_clock_calls_when_it_is_time_and_not_when_cancelled(run):
    async def scenario():
        clock, called = SystemClock(), asyncio.Event()
        due = clock.now() + 0.02
        clock.call_at(due, called.set)
        clock.call_at(due, lambda: pytest.fail("it was cancelled")).cancel()
        async with asyncio.timeout(5):
            await called.wait()
        assert clock.now() >= due

    run(scenario())


def test_the_system_clock_notices_that_the_wall_clock_was_set(run, monkeypatch):
    wall = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(clocks, "LONGEST_SLEEP", 0.01)
    monkeypatch.setattr(clocks, "time", SimpleNamespace(time=lambda: wall.now))

    async def scenario():
        called = asyncio.Event()
        SystemClock().call_at(1000 + 3600, called.set)
        await asyncio.sleep(0.03)
        assert not called.is_set()
        wall.now += 3600
        async with asyncio.timeout(5):
            await called.wait()

    run(scenario())
