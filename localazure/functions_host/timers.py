"""Runs timer triggers on their NCRONTAB schedules (six fields, seconds first, UTC)."""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from croniter import croniter

from localazure.documents import Documents
from localazure.functions_host.messages import TypedData
from localazure.functions_host.report import report_failure
from localazure.functions_host.settings import SettingsError, resolve
from localazure.functions_host.worker import Function, InvocationFailed, Worker

_log = logging.getLogger(__name__)

LONGEST_SLEEP = timedelta(seconds=60)  # the wall clock may be set, and a laptop may sleep


@dataclass(frozen=True)
class Schedule:
    """When a timer fires. Raises `SettingsError` for an expression that is not NCRONTAB."""

    expression: str

    def __post_init__(self) -> None:
        if len(self.expression.split()) != 6 or not croniter.is_valid(
            self.expression, second_at_beginning=True
        ):
            raise SettingsError(
                f"Timer schedule {self.expression!r} is not NCRONTAB with six fields, seconds first."
            )

    def after(self, moment: datetime) -> datetime:
        """The first time after `moment`."""
        return croniter(self.expression, moment, second_at_beginning=True).get_next(datetime)


class Timer:
    """One timer-triggered function. Its last run outlives the process: missed runs are caught up once."""

    def __init__(self, function: Function, worker: Worker, documents: Documents):
        self.function, self._worker, self._documents = function, worker, documents
        self.schedule = Schedule(resolve(function.trigger["schedule"]))

    async def run(self) -> None:
        """Fire at every due time, forever."""
        if self.function.trigger.get("runOnStartup"):
            await self.fire(past_due=False)
        due, past_due = self._first(datetime.now(UTC))
        while True:
            await _sleep_until(due)
            await self.fire(past_due)
            due, past_due = self.schedule.after(max(due, datetime.now(UTC))), False

    async def fire(self, past_due: bool) -> None:
        """Run the function once and remember it; a failure is reported, and not repeated."""
        last = self._last()
        now = datetime.now(UTC)
        status = {"Last": (last or now).isoformat(), "Next": self.schedule.after(now).isoformat()}
        trigger = {"Schedule": {"AdjustForDST": False}, "ScheduleStatus": status, "IsPastDue": past_due}
        self._remember(now)
        try:
            await self._worker.invoke(self.function, TypedData(json=json.dumps(trigger)))
        except InvocationFailed as error:
            report_failure(_log, error)

    def _first(self, now: datetime) -> tuple[datetime, bool]:
        """The first due time of this process, and whether it had passed before now."""
        last = self._last()
        if last is None:
            self._remember(now)
            return self.schedule.after(now), False
        missed = self.schedule.after(last)
        return (now, True) if missed < now else (missed, False)

    def _last(self) -> datetime | None:
        """The last run, or the first time the timer was seen; None if its schedule is new."""
        known = self._documents.get("timer", self.function.name)
        if known is None or known["schedule"] != self.schedule.expression:
            return None
        return datetime.fromisoformat(known["last"])

    def _remember(self, last: datetime) -> None:
        known = {"last": last.isoformat(), "schedule": self.schedule.expression}
        self._documents.put("timer", self.function.name, known)


async def _sleep_until(due: datetime) -> None:
    while (left := due - datetime.now(UTC)) > timedelta():
        await asyncio.sleep(min(left, LONGEST_SLEEP).total_seconds())
