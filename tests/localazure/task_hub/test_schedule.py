"""Which instances are due for a turn."""

import asyncio

from localazure.task_hub.clock import ManualClock
from localazure.task_hub.schedule import Alarm, Lull, Ready


def test_an_id_waits_once_and_is_taken_by_one(run):
    async def scenario():
        ready = Ready()
        for instance_id in ("a", "b", "a"):
            ready.add(instance_id)
        assert [await ready.take(), await ready.take()] == ["a", "b"]
        ready.add("a")
        taker = asyncio.create_task(ready.take())
        await asyncio.sleep(0)
        assert not taker.done()
        ready.release("b")
        ready.release("a")
        assert await taker == "a"

    run(scenario())


def test_the_alarm_rings_in_the_order_of_the_due_times():
    clock, rung = ManualClock(100), []
    alarm = Alarm(rung.append, clock)
    for due, instance_id in ((103, "late"), (95, "past"), (101, "soon"), (160, "never"), (103, "late too")):
        alarm.set(due, instance_id)
    assert rung == ["past"]
    clock.advance(5)
    assert rung == ["past", "soon", "late", "late too"]
    alarm.stop()
    clock.advance(1000)
    assert "never" not in rung


def test_a_lull_rings_once_for_what_came_in_it(run):
    async def scenario():
        rung = []
        lull = Lull(rung.append)
        for instance_id in ("a", "b", "a"):
            lull.wait_for(instance_id)
        assert (rung, lull.idle) == ([], False)
        async with asyncio.timeout(20):
            while not lull.idle:
                await asyncio.sleep(0.001)
        assert rung == ["a", "b"]
        lull.wait_for("c")
        lull.stop()
        assert lull.idle

    run(scenario())
