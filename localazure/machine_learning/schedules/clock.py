"""The time by which schedules fire: the system's, faster on request, and one that can be moved on by hand."""

import asyncio
import time
from collections.abc import Callable

from localazure.documents import Documents
from localazure.task_hub.clock import LONGEST_SLEEP, Handle


class MovableClock:
    """A `Clock` that runs `factor` times as fast as the system's. `advance` belongs on the event loop.

    With `documents`, how far it is ahead of the system's outlives it.
    """

    def __init__(self, factor: float = 1.0, documents: Documents | None = None):
        self._factor = factor
        self._documents = documents
        self._began = time.time()
        kept = documents.get("clocks", "schedules") if documents else None
        self._moved: float = kept["ahead"] if kept else 0.0
        self._calls: set[_Call] = set()

    def now(self) -> float:
        return self._began + (time.time() - self._began) * self._factor + self._moved

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        call = _Call(self, when, callback)
        self._calls.add(call)
        call.nap()
        return call

    def advance(self, seconds: float) -> None:
        """Move on; what falls due is called soon."""
        if seconds < 0:
            raise ValueError(f"A clock cannot be advanced by {seconds} seconds: time does not run backwards.")
        self._moved += seconds
        self.keep()
        for call in list(self._calls):
            call.nap()

    def keep(self) -> None:
        """Have the next clock of these documents go on from here."""
        if self._documents:
            self._documents.put("clocks", "schedules", {"ahead": self.now() - time.time()})

    def real_seconds(self, when: float) -> float:
        """How long it is until `when`, as the system counts."""
        return max(0.0, when - self.now()) / self._factor

    def forget(self, call: "_Call") -> None:
        self._calls.discard(call)


class _Call:
    """Waits in naps, so that a wall clock that jumps is noticed."""

    def __init__(self, clock: MovableClock, when: float, callback: Callable[[], None]):
        self._clock, self._when, self._callback = clock, when, callback
        self._handle: asyncio.TimerHandle | None = None

    def nap(self) -> None:
        if self._handle:
            self._handle.cancel()
        delay = min(self._clock.real_seconds(self._when), LONGEST_SLEEP)
        self._handle = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        if self._clock.now() < self._when:
            self.nap()
            return
        self._clock.forget(self)
        self._callback()

    def cancel(self) -> None:
        self._clock.forget(self)
        if self._handle:
            self._handle.cancel()
