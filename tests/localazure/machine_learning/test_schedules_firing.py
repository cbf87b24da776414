import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from localazure.documents import Documents
from localazure.machine_learning.context import Context
from localazure.machine_learning.schedules.clock import MovableClock
from localazure.machine_learning.schedules.firing import KIND, TIMES, Firing
from localazure.task_hub.clock import ManualClock
from localazure.web import azure_error

START = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
HOUR = 3600.0


def schedule(enabled: bool = True, **trigger: Any) -> dict[str, Any]:
    asked = {"triggerType": "Cron", "expression": "30 * * * *", **trigger}
    return {"name": "hourly", "properties": {"trigger": asked, "isEnabled": enabled}}


@dataclass
class Room:
    """What a firing needs of its context: the documents. `fired` are the times it fired."""

    documents: Documents = field(default_factory=lambda: Documents(":memory:"))
    clock: ManualClock = field(default_factory=lambda: ManualClock(START.timestamp()))
    fired: list[str] = field(default_factory=list)
    refused: bool = False

    def fire(self, key: str, resource: dict[str, Any], due: datetime) -> str:
        if self.refused:
            raise azure_error(400, "UserError", "Unknown compute target 'gone'.")
        self.fired.append(f"{due:%H:%M}")
        return f"job-{due:%H%M}"

    def firing(self) -> Firing:
        return Firing(cast(Context, self), self.clock, self.fire)

    def put(self, firing: Firing, resource: dict[str, Any]) -> None:
        self.documents.put(KIND, "w/hourly", resource)
        firing.plan("w/hourly", resource)


def in_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await work()

    asyncio.run(run())


async def settle(room: Room) -> None:
    """Until what is due has fired, and the clock is set to the next time."""
    async with asyncio.timeout(20):
        while True:
            planned = [document["next"] for _, document in room.documents.list(TIMES) if document["next"]]
            earliest = min((datetime.fromisoformat(one).timestamp() for one in planned), default=None)
            if room.clock.next_due() == earliest and (earliest is None or earliest > room.clock.now()):
                return
            await asyncio.sleep(0.002)


async def pass_hours(room: Room, count: int) -> None:
    for _ in range(count):
        room.clock.advance(HOUR)
        await settle(room)


def test_it_fires_at_its_times() -> None:
    async def work() -> None:
        room = Room()
        firing = room.firing()
        await firing.start()
        room.put(firing, schedule())
        await settle(room)
        await pass_hours(room, 3)
        assert room.fired == ["15:30", "16:30", "17:30"]
        times = firing.times("w/hourly")
        assert times
        assert (times.job, times.next) == ("job-1730", "2026-11-21T18:30:00+00:00")
        await firing.stop()

    in_loop(work)


@pytest.mark.parametrize(
    ("change", "fired"),
    [
        (schedule(enabled=False), ["15:30"]),
        (schedule(expression="45 * * * *"), ["15:30", "16:45"]),
        (schedule(endTime="2026-11-21T16:10:00"), ["15:30"]),
    ],
)
def test_a_change_counts_from_then_on(change: dict[str, Any], fired: list[str]) -> None:
    async def work() -> None:
        room = Room()
        firing = room.firing()
        await firing.start()
        room.put(firing, schedule())
        await settle(room)
        await pass_hours(room, 1)
        room.put(firing, change)
        await settle(room)
        await pass_hours(room, 1)
        assert room.fired == fired
        await firing.stop()

    in_loop(work)


def test_a_restart_catches_up_once() -> None:
    async def work() -> None:
        room = Room()
        first = room.firing()
        await first.start()
        room.put(first, schedule())
        await settle(room)
        await first.stop()
        room.clock.advance(10 * HOUR)
        for _ in range(2):
            again = room.firing()
            await again.start()
            await settle(room)
            await again.stop()
        assert room.fired == ["15:30"]

    in_loop(work)


def test_what_died_between_job_and_next_time_tries_the_same_time_again() -> None:
    async def work() -> None:
        room = Room()
        first = room.firing()
        room.put(first, schedule())
        before = room.documents.get(TIMES, "w/hourly") or {}
        room.clock.advance(HOUR)
        for _ in range(2):
            room.documents.put(TIMES, "w/hourly", before)
            firing = room.firing()
            await firing.start()
            await settle(room)
            await firing.stop()
        assert room.fired == ["15:30", "15:30"]  # the job's name is that of the time: the second is refused

    in_loop(work)


def test_a_schedule_without_times_gets_them_at_the_start() -> None:
    async def work() -> None:
        room = Room()
        room.documents.put(KIND, "w/hourly", schedule())
        firing = room.firing()
        await firing.start()
        await settle(room)
        await pass_hours(room, 1)
        assert room.fired == ["15:30"]
        await firing.stop()

    in_loop(work)


def test_a_job_that_is_refused_is_remembered_and_the_schedule_goes_on() -> None:
    async def work() -> None:
        room = Room(refused=True)
        firing = room.firing()
        await firing.start()
        room.put(firing, schedule())
        await settle(room)
        await pass_hours(room, 1)
        times = firing.times("w/hourly")
        assert times
        assert times.error == "Unknown compute target 'gone'."
        room.refused = False
        await pass_hours(room, 1)
        assert room.fired == ["16:30"]
        await firing.stop()

    in_loop(work)


def test_a_clock_can_be_faster_and_moved_on() -> None:
    async def work() -> None:
        clock, rung = MovableClock(factor=1000.0), asyncio.Event()
        began = clock.now()
        clock.call_at(began + 20, rung.set)
        await asyncio.wait_for(rung.wait(), 5)
        assert clock.now() >= began + 20

        far, called = MovableClock(), asyncio.Event()
        far.call_at(far.now() + 7 * 86400, called.set)
        cancelled = far.call_at(far.now() + 60, lambda: pytest.fail("it was cancelled"))
        cancelled.cancel()
        far.advance(7 * 86400)
        await asyncio.wait_for(called.wait(), 5)
        with pytest.raises(ValueError, match="backwards"):
            far.advance(-1)

    in_loop(work)
