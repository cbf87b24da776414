"""Which instances are due for a turn, and when."""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable

LONGEST_SLEEP = 60.0  # seconds; the wall clock may be set, and a laptop may sleep


class Ready:
    """A queue of instance ids. An id is handed to one taker at a time, and never waits in it twice."""

    def __init__(self) -> None:
        self._waiting = deque[str]()
        self._known = set[str]()
        self._busy = set[str]()
        self._again = set[str]()
        self._arrival = asyncio.Semaphore(0)

    def add(self, instance_id: str) -> None:
        if instance_id in self._busy:
            self._again.add(instance_id)
        elif instance_id not in self._known:
            self._known.add(instance_id)
            self._waiting.append(instance_id)
            self._arrival.release()

    async def take(self) -> str:
        """The next id, which the caller must `release`."""
        await self._arrival.acquire()
        instance_id = self._waiting.popleft()
        self._known.discard(instance_id)
        self._busy.add(instance_id)
        return instance_id

    def release(self, instance_id: str) -> None:
        self._busy.discard(instance_id)
        if instance_id in self._again:
            self._again.discard(instance_id)
            self.add(instance_id)


class Alarm:
    """Calls `ring(instance_id)` at the due times set, in seconds since the epoch."""

    def __init__(self, ring: Callable[[str], None]):
        self._ring = ring
        self._due: list[tuple[float, str]] = []
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due: float, instance_id: str) -> None:
        heapq.heappush(self._due, (due, instance_id))
        if self._due[0] == (due, instance_id):
            self._wind()

    def stop(self) -> None:
        self._due.clear()
        self._wind()

    def _wind(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._due:
            delay = min(max(0.0, self._due[0][0] - time.time()), LONGEST_SLEEP)
            self._handle = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        self._handle = None
        while self._due and self._due[0][0] <= time.time():
            self._ring(heapq.heappop(self._due)[1])
        self._wind()
