"""The loop of a task hub: takes up turns, activities and timers, and acts only on what is committed."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine
from datetime import UTC, datetime

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.clock import Clock
from localazure.task_hub.model import ActivityFailed, Executor, TaskHubUnavailable, failure_details
from localazure.task_hub.schedule import Alarm, Ready
from localazure.task_hub.store import Activity, Reader, Work
from localazure.task_hub.transitions import Effects, Transitions
from localazure.task_hub.turn import Decision, decide, failed
from localazure.task_hub.writer import Writer

_log = logging.getLogger(__name__)

CACHED_HISTORIES = 256
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds between attempts to record finished work


class Engine:
    """Drives the instances of one database until `stop`. Lives on one event loop."""

    def __init__(
        self, reader: Reader, writer: Writer, executor: Executor, clock: Clock, *, turns: int, activities: int
    ):
        self._reader, self._writer, self._executor, self._clock = reader, writer, executor, clock
        self._ready = Ready()
        self._activities: asyncio.Queue[Activity] = asyncio.Queue()
        self._alarm = Alarm(self._ready.add, clock)
        self._histories = OrderedDict[str, tuple[str, list[pb.HistoryEvent]]]()
        self._waiters: dict[str, asyncio.Event] = {}
        self._sizes = (turns, activities)
        self._workers: list[asyncio.Task[None]] = []
        self._under_way = set[asyncio.Task[None]]()

    def start(self) -> None:
        """Take up everything the database holds."""
        for activity in self._reader.activities():
            self._activities.put_nowait(activity)
        for due, instance_id in self._reader.timers():
            self._alarm.set(due, instance_id)
        for instance_id in self._reader.with_events():
            self._ready.add(instance_id)
        turns, activities = self._sizes
        self._workers = [asyncio.create_task(self._take_turns()) for _ in range(turns)]
        self._workers += [asyncio.create_task(self._run_activities()) for _ in range(activities)]

    async def stop(self, grace: float) -> None:
        """Take up no more work, and give what is under way `grace` seconds to be recorded.

        What is interrupted then is taken up again at the next start.
        """
        self._alarm.stop()
        await _cancel(self._workers)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)
        await _cancel(self._under_way)

    async def apply[T](self, transition: Callable[[Transitions], T]) -> T:
        """Commit a change, then let its effects happen.

        Raises what the transition raises, and `TaskHubUnavailable`: then nothing has happened.
        """
        return await self._writer.apply(transition, self._carry_out)

    async def _record[T](self, transition: Callable[[Transitions], T]) -> T:
        """Commit what the engine has done, however long it takes until the database can be written."""
        pause = SHORTEST_PAUSE
        while True:
            try:
                return await self.apply(transition)
            except TaskHubUnavailable:  # the writer logs it once for all
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written at the moment; None when all is well."""
        return self._writer.trouble

    async def changed(self, instance_id: str) -> None:
        """Return when the instance's status has changed after this call."""
        await self._waiters.setdefault(instance_id, asyncio.Event()).wait()

    async def settled(self) -> None:
        """Return when no turn and no activity is under way or waiting; timers to come do not count."""
        while self._under_way or not self._ready.idle or not self._activities.empty():
            await (asyncio.wait(self._under_way) if self._under_way else asyncio.sleep(0))

    def _carry_out(self, effects: Effects) -> None:
        for instance_id in effects.removed:
            self._histories.pop(instance_id, None)
        for activity in effects.activities:
            self._activities.put_nowait(activity)
        for due, instance_id in effects.timers:
            self._alarm.set(due, instance_id)
        for instance_id in effects.ready:
            self._ready.add(instance_id)
        for instance_id in (*effects.changed, *effects.removed):
            if waiter := self._waiters.pop(instance_id, None):
                waiter.set()

    async def _to_its_end(self, work: Coroutine[None, None, None], what: str) -> None:
        """Run a piece of work that outlives its worker's being stopped."""
        task = asyncio.create_task(_logged(work, what))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _take_turns(self) -> None:
        while True:
            instance_id = await self._ready.take()
            try:
                await self._to_its_end(self._take_turn(instance_id), f"turn of {instance_id}")
            finally:
                self._ready.release(instance_id)

    async def _take_turn(self, instance_id: str) -> None:
        work = self._reader.work(instance_id, self._clock.now())
        if work is None:
            return
        past = self._past(work)
        decision = await self._decide(work, past)
        if await self._record(lambda transitions: transitions.commit_turn(work, decision)):
            self._remember(work, past, decision)
        else:
            self._histories.pop(instance_id, None)

    async def _decide(self, work: Work, past: list[pb.HistoryEvent]) -> Decision:
        instance, now = work.instance, self._now()
        new = [events.new_orchestrator_started_event(now), *work.events]
        try:
            response = await self._executor.orchestrate(instance.id, instance.name, past, new)
        except Exception as error:
            _log.exception("The orchestrator %s of %s could not be run", instance.name, instance.id)
            return failed(type(error).__name__, str(error), new, now)
        return decide(response, new, self._now())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def _past(self, work: Work) -> list[pb.HistoryEvent]:
        execution, past = self._histories.pop(work.instance.id, (None, []))
        return past if execution == work.instance.execution else self._reader.history(work.instance.id)

    def _remember(self, work: Work, past: list[pb.HistoryEvent], decision: Decision) -> None:
        if decision.completion is None:
            self._histories[work.instance.id] = (work.instance.execution, [*past, *decision.history])
        while len(self._histories) > CACHED_HISTORIES:
            self._histories.popitem(last=False)

    async def _run_activities(self) -> None:
        while True:
            activity = await self._activities.get()
            await self._to_its_end(self._run_activity(activity), f"activity {activity.name}")

    async def _run_activity(self, activity: Activity) -> None:
        if not self._reader.is_outstanding(activity.n):
            return
        result: str | None = None
        failure: pb.TaskFailureDetails | None = None
        try:
            result = await self._executor.activity(activity.name, activity.payload)
        except ActivityFailed as error:
            failure = failure_details(error.error_type, error.message, error.stack_trace)
        except Exception as error:
            _log.exception("The activity %s could not be run", activity.name)
            failure = failure_details(type(error).__name__, str(error))
        await self._record(lambda transitions: transitions.finish_activity(activity.n, result, failure))


async def _logged(work: Coroutine[None, None, None], what: str) -> None:
    """A worker outlives the failure of a piece of its work."""
    try:
        await work
    except Exception:
        _log.exception("The task hub could not record a %s; it is tried again at the next start", what)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
