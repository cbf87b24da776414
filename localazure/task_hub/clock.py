"""Where a task hub takes its time from: the system's clock, or one that a test moves on by hand."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

LONGEST_SLEEP = 60.0  # seconds; the wall clock may be set, and a laptop may sleep


class Handle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """`now` may be called from any thread, `call_at` on the event loop."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        """Call `callback` on the loop once `now() >= when`, but not within this call."""
        ...


class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> float:
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        return _Sleep(self, when, callback)


class _Sleep:
    """Waits in naps, so that a wall clock that jumps is noticed."""

    def __init__(self, clock: Clock, when: float, callback: Callable[[], None]):
        self._clock, self._when, self._callback = clock, when, callback
        self._nap()

    def _nap(self) -> None:
        delay = min(max(0.0, self._when - self._clock.now()), LONGEST_SLEEP)
        self._handle = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        if self._clock.now() >= self._when:
            self._callback()
        else:
            self._nap()

    def cancel(self) -> None:
        self._handle.cancel()


async def sleep_until(clock: Clock, when: float) -> None:
    """Wait until it is `when` by the clock."""
    arrived = asyncio.Event()
    call = clock.call_at(when, arrived.set)
    try:
        await arrived.wait()
    finally:
        call.cancel()


class ManualClock:
    """Stands still until it is advanced. `advance` belongs on the event loop of what uses the clock."""

    def __init__(self, start: float):
        self._now = start
        self._calls: list[_Call] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        if when <= self._now:
            return asyncio.get_running_loop().call_soon(callback)
        call = _Call(when, next(self._order), callback)
        heapq.heappush(self._calls, call)
        return call

    def next_due(self) -> float | None:
        """When the next call is due; None when none is set."""
        while self._calls and self._calls[0].cancelled:
            heapq.heappop(self._calls)
        return self._calls[0].when if self._calls else None

    def advance(self, seconds: float) -> None:
        """Move on, making the calls that fall due in their order; each sees its own due time as `now`."""
        self._advance_to(self._end(seconds))

    async def pass_time(self, seconds: float, settled: Callable[[], Awaitable[None]]) -> None:
        """Advance from one due time to the next, awaiting `settled` in between.

        What one call sets off, timers within the same span included, happens before time moves on.
        """
        end = self._end(seconds)
        await settled()
        while (due := self.next_due()) is not None and due <= end:
            self._advance_to(due)
            await settled()
        self._advance_to(end)
        await settled()

    def _end(self, seconds: float) -> float:
        if seconds < 0:
            raise ValueError(f"A clock cannot be advanced by {seconds} seconds: time does not run backwards.")
        return self._now + seconds

    def _advance_to(self, end: float) -> None:
        while (due := self.next_due()) is not None and due <= end:
            self._now = max(self._now, due)
            heapq.heappop(self._calls).callback()
        self._now = max(self._now, end)


class _Call:
    """A call that is set, in the order of due times, then of setting."""

    def __init__(self, when: float, order: int, callback: Callable[[], None]):
        self.when, self.callback = when, callback
        self._key = (when, order)
        self.cancelled = False

    def __lt__(self, other: "_Call") -> bool:
        return self._key < other._key

    def cancel(self) -> None:
        self.cancelled = True
