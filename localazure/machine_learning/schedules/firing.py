"""What makes schedules fire: their next times, kept on disk, and one task that waits for the earliest."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from localazure.machine_learning.context import Context
from localazure.machine_learning.routing import Json
from localazure.machine_learning.schedules.triggers import parse_trigger
from localazure.task_hub.clock import Clock
from localazure.web import Refusal

_log = logging.getLogger(__name__)

KIND, TIMES = "schedules", "schedule_times"


@dataclass(frozen=True)
class Times:
    """When a schedule was created, fires `next` and fired last, as ISO times; `job` and `error` are the last result."""

    created: str
    next: str | None = None
    last: str | None = None
    job: str | None = None
    error: str | None = None

    @classmethod
    def from_document(cls, document: Json) -> Self:
        return cls(**document)


# Starts what the schedule of a resource starts, as of a time; gives the job's name. A job of that name is not repeated.
Fire = Callable[[str, Json, datetime], str]


class Firing:
    """Fires every enabled schedule at its times. What came due while no server ran is caught up once."""

    def __init__(self, context: Context, clock: Clock, fire: Fire):
        self._context = context
        self._documents = context.documents
        self._clock = clock
        self._fire = fire
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for key, resource in self._documents.list(KIND):
            if self.times(key) is None:  # the server died while it was created
                self.plan(key, resource)
        self._task = asyncio.create_task(self._run(), name="schedules")

    async def stop(self) -> None:
        self._loop = None
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def plan(self, key: str, resource: Json) -> None:
        """Set the next time of a schedule that was created or changed. Any thread. Raises `InvalidTrigger`."""
        now, known = self.now(), self.times(key)
        times = known or Times(created=now.isoformat())
        # The moment in which a schedule begins may be a time to fire.
        after = now if known else now - timedelta(microseconds=1)
        following = _following(resource, times, after)
        self._documents.put(TIMES, key, asdict(replace(times, next=following)))
        self._wake()

    def forget(self, key: str) -> None:
        self._documents.delete(TIMES, key)

    def times(self, key: str) -> Times | None:
        document = self._documents.get(TIMES, key)
        return Times.from_document(document) if document else None

    def fire(self, key: str, resource: Json, due: datetime) -> str:
        """Start it as of `due` and remember the outcome; raises what refuses the job. Any thread."""
        try:
            job = self._fire(key, resource, due)
        except Refusal as refusal:
            error = str(refusal.body["error"]["message"])
            self._change(key, last=due.isoformat(), job=None, error=error)
            raise
        self._change(key, last=due.isoformat(), job=job, error=None)
        return job

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            await asyncio.to_thread(self._fire_due)
            earliest = await asyncio.to_thread(self._earliest)
            call = self._clock.call_at(earliest.timestamp(), self._changed.set) if earliest else None
            try:
                await self._changed.wait()
            finally:
                if call:
                    call.cancel()

    def _fire_due(self) -> None:
        now = self.now()
        for key, document in self._documents.list(TIMES):
            due = Times.from_document(document).next
            if due and datetime.fromisoformat(due) <= now:
                self._fire_one(key, datetime.fromisoformat(due))

    def _fire_one(self, key: str, due: datetime) -> None:
        """The job first, the next time after: a server that dies in between finds the job at its second try."""
        resource = self._documents.get(KIND, key)
        if resource is None:
            self.forget(key)
            return
        try:
            self.fire(key, resource, due)
        except Refusal as refusal:
            _log.warning("The schedule %s could not start its job: %s", key, refusal.body)
        except Exception:  # noqa: BLE001 - a defect in one schedule must not stop the others
            _log.exception("The schedule %s failed inside the emulator", key)
        times = self.times(key)
        if times and times.next == due.isoformat():  # it has not been changed meanwhile
            self._change(key, next=_following(resource, times, self.now()))

    def _earliest(self) -> datetime | None:
        planned = [document["next"] for _, document in self._documents.list(TIMES) if document["next"]]
        return min((datetime.fromisoformat(moment) for moment in planned), default=None)

    def _change(self, key: str, **changes: str | None) -> None:
        with self._documents.transaction():
            if times := self.times(key):
                self._documents.put(TIMES, key, asdict(replace(times, **changes)))

    def _wake(self) -> None:
        if loop := self._loop:
            loop.call_soon_threadsafe(self._changed.set)


def _following(resource: Json, times: Times, after: datetime) -> str | None:
    """The first time after `after`; None when it is disabled or at its end."""
    properties = resource["properties"]
    if not properties["isEnabled"]:
        return None
    found = parse_trigger(properties["trigger"], datetime.fromisoformat(times.created)).after(after)
    return found.isoformat() if found else None
