"""Which instances are due for a turn, and when."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable

from localazure.task_hub.clock import Clock, Handle

MOMENT = 0.01  # seconds that an event from outside waits for company


class Ready:
    """A queue of instance ids. An id is handed to one taker at a time, and never waits in it twice."""

    def __init__(self) -> None:
        self._waiting = deque[str]()
        self._known = set[str]()
        self._busy = set[str]()
        self._again = set[str]()
        self._arrival = asyncio.Semaphore(0)

    @property
    def idle(self) -> bool:
        """Whether no id waits and none is taken."""
        return not (self._waiting or self._busy)

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


class Lull:
    """Calls `ring(instance_id)` a moment after `wait_for`: what comes meanwhile is seen by the same turn."""

    def __init__(self, ring: Callable[[str], None]):
        self._ring = ring
        self._handles: dict[str, asyncio.TimerHandle] = {}

    @property
    def idle(self) -> bool:
        return not self._handles

    def wait_for(self, instance_id: str) -> None:
        if instance_id not in self._handles:
            loop = asyncio.get_running_loop()
            self._handles[instance_id] = loop.call_later(MOMENT, self._end, instance_id)

    def stop(self) -> None:
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()

    def _end(self, instance_id: str) -> None:
        del self._handles[instance_id]
        self._ring(instance_id)


class Alarm:
    """Calls `ring(instance_id)` at the due times set, in seconds since the epoch."""

    def __init__(self, ring: Callable[[str], None], clock: Clock):
        self._ring, self._clock = ring, clock
        self._due: list[tuple[float, str]] = []
        self._handle: Handle | None = None

    def set(self, due: float, instance_id: str) -> None:
        if due <= self._clock.now():
            self._ring(instance_id)
            return
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
            self._handle = self._clock.call_at(self._due[0][0], self._wake)

    def _wake(self) -> None:
        self._handle = None
        while self._due and self._due[0][0] <= self._clock.now():
            self._ring(heapq.heappop(self._due)[1])
        self._wind()
