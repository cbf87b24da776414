"""Which instances are due for a turn."""

import asyncio
import time

from localazure.task_hub.schedule import Alarm, Ready


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


def test_the_alarm_rings_in_the_order_of_the_due_times(run):
    async def scenario():
        rung = []
        alarm = Alarm(rung.append)
        now = time.time()
        for due, instance_id in (
            (now + 0.03, "late"),
            (now - 5, "past"),
            (now + 0.01, "soon"),
            (now + 60, "never"),
        ):
            alarm.set(due, instance_id)
        await asyncio.sleep(0.06)
        alarm.stop()
        assert rung == ["past", "soon", "late"]

    run(scenario())
