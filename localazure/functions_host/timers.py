"""Runs timer triggers on their schedules."""

import asyncio
import json
import logging
from datetime import UTC, datetime

from localazure.documents import Documents
from localazure.functions_host.messages import TypedData
from localazure.functions_host.report import report_failure
from localazure.functions_host.schedules import Schedule, time_zone
from localazure.functions_host.settings import SettingsError, resolve
from localazure.functions_host.worker import Function, InvocationFailed, Worker
from localazure.task_hub.clock import Clock, Handle

_log = logging.getLogger(__name__)


class Timer:
    """One timer-triggered function. Its last run outlives the process: missed runs are caught up once."""

    def __init__(self, function: Function, worker: Worker, documents: Documents, clock: Clock):
        self.function, self._worker, self._documents, self._clock = function, worker, documents, clock
        try:
            self.schedule = Schedule(resolve(function.trigger["schedule"]), time_zone())
        except SettingsError as error:
            raise SettingsError(f"The function {function.name}: {error}") from None
        use_monitor = function.trigger.get("useMonitor")
        watched = not self.schedule.is_frequent(self._now()) if use_monitor is None else bool(use_monitor)
        self._watched = watched
        self._next: Handle | None = None
        self._firing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Fire at every due time until `stop`; a run that overruns a due time is not overlapped by another."""
        now = self._now()
        due = self._first(now)
        missed = due < now
        if missed or self.function.trigger.get("runOnStartup"):
            self._begin(missed)
        else:
            self._plan(due)

    async def stop(self, grace: float) -> None:
        """Give a run under way `grace` seconds. One that is cut off is past due at the next start."""
        if self._next is not None:
            self._next.cancel()
        if self._firing is not None:
            await asyncio.wait([self._firing], timeout=grace)
            self._firing.cancel()
        if self._next is not None:
            self._next.cancel()

    async def settled(self) -> None:
        """Wait until no run is under way."""
        while self._firing is not None and not self._firing.done():
            await asyncio.wait([self._firing])

    async def fire(self, past_due: bool) -> None:
        """Run the function once and remember it; a failure is reported, and not repeated."""
        now = self._now()
        status = {"Last": (self._last() or now).isoformat(), "Next": self.schedule.after(now).isoformat()}
        trigger = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        try:
            await self._worker.invoke(self.function, TypedData(json=json.dumps(trigger)))
        except InvocationFailed as error:
            report_failure(_log, error)
        self._remember(now)

    def _plan(self, due: datetime) -> None:
        self._next = self._clock.call_at(due.timestamp(), lambda: self._begin(past_due=False))

    def _begin(self, past_due: bool) -> None:
        self._firing = asyncio.create_task(self._fire_and_plan(past_due))

    async def _fire_and_plan(self, past_due: bool) -> None:
        await self.fire(past_due)
        self._plan(self.schedule.after(self._now()))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def _first(self, now: datetime) -> datetime:
        """The due time that follows the last run: before `now` where the process was not there to see it."""
        last = self._last()
        if last is None:
            self._remember(now)
        return self.schedule.after(last or now)

    def _last(self) -> datetime | None:
        """The last run, or the first time the timer was seen; None if its schedule is new or not watched."""
        known = self._documents.get("timer", self.function.name) if self._watched else None
        if known is None or known["schedule"] != self.schedule.expression:
            return None
        return datetime.fromisoformat(known["last"])

    def _remember(self, last: datetime) -> None:
        if self._watched:
            known = {"last": last.isoformat(), "schedule": self.schedule.expression}
            self._documents.put("timer", self.function.name, known)
