"""The loop of a task hub: takes up turns, activities and timers, and acts only on what is committed."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.clock import Clock
from localazure.task_hub.model import Executor, Status, TurnDeclined
from localazure.task_hub.runner import Runner
from localazure.task_hub.schedule import Alarm, Lull, Ready
from localazure.task_hub.store import Activity, Reader, Work
from localazure.task_hub.transaction import Effects
from localazure.task_hub.transitions import Transitions
from localazure.task_hub.turn import Decision
from localazure.task_hub.workers import Piece, Workers
from localazure.task_hub.writer import Writer

_log = logging.getLogger(__name__)

CACHED_HISTORIES = 256


class Engine:
    """Drives the instances of one database until `stop`. Lives on one event loop."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        executor: Executor,
        clock: Clock,
        *,
        turns: int,
        activities: int,
        entities: int,
    ):
        self._reader, self._writer, self._clock = reader, writer, clock
        self._runner = Runner(executor, clock)
        self._ready, self._ready_entities = Ready(), Ready()
        self._activities: asyncio.Queue[Activity] = asyncio.Queue()
        self._outstanding = set[int]()  # activities that somebody still waits for
        self._alarm, self._lull = Alarm(self._make_ready, clock), Lull(self._make_ready)
        self._histories = OrderedDict[str, tuple[str, list[pb.HistoryEvent]]]()
        self._waiters: dict[str, asyncio.Event] = {}
        self._sizes = (turns, entities, activities)
        self._workers = Workers()

    def start(self) -> None:
        """Take up everything the database holds."""
        for activity in self._reader.activities():
            self._add_activity(activity)
        for due, instance_id in self._reader.timers():
            self._alarm.set(due, instance_id)
        for receiver in self._reader.with_events():
            self._make_ready(receiver)
        turns, entities, activities = self._sizes
        work = [self._take_turns(self._ready, self._take_turn) for _ in range(turns)]
        work += [self._take_turns(self._ready_entities, self._run_batch) for _ in range(entities)]
        work += [self._run_activities() for _ in range(activities)]
        self._workers.start(work)

    async def stop(self, grace: float) -> None:
        """Take up no more work, and give what is under way `grace` seconds to be recorded.

        What is interrupted then is taken up again at the next start.
        """
        self._alarm.stop()
        self._lull.stop()
        await self._workers.stop(grace)

    async def apply[T](self, transition: Callable[[Transitions], T]) -> T:
        """Commit a change, then let its effects happen.

        Raises what the transition raises, and `TaskHubUnavailable`: then nothing has happened.
        """
        return await self._writer.apply(transition, self._carry_out)

    async def _record[T](self, transition: Callable[[Transitions], T]) -> T:
        """Commit what the engine has done, however long it takes until the database can be written."""
        return await self._writer.persist(transition, self._carry_out)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written at the moment; None when all is well."""
        return self._writer.trouble

    async def changed(self, instance_id: str) -> None:
        """Return when the instance's status has changed after this call."""
        await self._waiters.setdefault(instance_id, asyncio.Event()).wait()

    async def settled(self) -> None:
        """Return when no turn and no activity is under way or waiting; timers to come do not count."""
        while self._workers.busy or not self._idle:
            await self._workers.pause()

    @property
    def _idle(self) -> bool:
        turns = self._ready.idle and self._ready_entities.idle and self._lull.idle
        return turns and self._activities.empty()

    def _make_ready(self, receiver: str) -> None:
        (self._ready_entities if receiver.startswith("@") else self._ready).add(receiver)

    def _add_activity(self, activity: Activity) -> None:
        self._outstanding.add(activity.n)
        self._activities.put_nowait(activity)

    def _carry_out(self, effects: Effects) -> None:
        for instance_id in effects.removed:
            self._histories.pop(instance_id, None)
        self._outstanding.difference_update(effects.cancelled)
        for activity in effects.activities:
            self._add_activity(activity)
        for due, instance_id in effects.timers:
            self._alarm.set(due, instance_id)
        for receiver in effects.ready:
            self._make_ready(receiver)
        for receiver in effects.ready_soon:
            self._lull.wait_for(receiver)
        for instance_id in (*effects.changed, *effects.removed):
            if waiter := self._waiters.pop(instance_id, None):
                waiter.set()

    async def _take_turns(self, ready: Ready, turn: Callable[[str], Piece]) -> None:
        while not self._workers.stopping:
            taker = await ready.take()
            try:
                await self._workers.do(turn(taker), f"turn of {taker}", partial(ready.add, taker))
            finally:
                ready.release(taker)

    async def _run_activities(self) -> None:
        while not self._workers.stopping:
            activity = await self._activities.get()
            again = partial(self._activities.put_nowait, activity)
            await self._workers.do(self._run_activity(activity), f"activity {activity.name}", again)

    async def _take_turn(self, instance_id: str) -> None:
        work = self._reader.work(instance_id, self._clock.now())
        if work is None:
            return
        past = self._past(work)
        try:
            decision = await self._runner.turn(work, past)
        except TurnDeclined as refusal:
            _log.warning("%s waits: %s", instance_id, refusal)
            return
        execution = await self._record(lambda transitions: transitions.commit_turn(work, decision))
        if execution is not None and decision.completion is None:
            self._remember(instance_id, execution, past, decision)

    async def _run_batch(self, entity_id: str) -> None:
        batch = self._reader.batch(entity_id, self._clock.now())
        if batch is not None:
            conclusion = await self._runner.batch(batch)
            await self._record(lambda transitions: transitions.commit_batch(batch, conclusion))

    def _past(self, work: Work) -> list[pb.HistoryEvent]:
        if work.instance.status == Status.PENDING:  # it has none yet
            return []
        execution, past = self._histories.pop(work.instance.id, (None, []))
        return past if execution == work.instance.execution else self._reader.history(work.instance.id)

    def _remember(
        self, instance_id: str, execution: str, past: list[pb.HistoryEvent], decision: Decision
    ) -> None:
        before = past if decision.rewound is None else decision.rewound
        self._histories[instance_id] = (execution, [*before, *decision.history])
        while len(self._histories) > CACHED_HISTORIES:
            self._histories.popitem(last=False)

    async def _run_activity(self, activity: Activity) -> None:
        if activity.n not in self._outstanding:
            return
        result, failure = await self._runner.activity(activity)
        await self._record(lambda transitions: transitions.finish_activity(activity.n, result, failure))
        self._outstanding.discard(activity.n)
