"""What a caller does with a task hub. Everything is durable once the call has returned."""

import asyncio
import re
import sqlite3
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.clock import Clock, SystemClock
from localazure.task_hub.database import Synchronous, connect, damaged, prepared
from localazure.task_hub.engine import Engine
from localazure.task_hub.model import (
    Entity,
    EntityQuery,
    Executor,
    FinishedQuery,
    Instance,
    InstanceExists,
    NoSuchInstance,
    Query,
    Status,
    entity_id,
)
from localazure.task_hub.retention import forget_finished
from localazure.task_hub.store import Reader
from localazure.task_hub.writer import Writer

# Azure's own rule for ids.
_INSTANCE_ID = re.compile(r"[^@/\\#?\x00-\x1f\x7f][^/\\#?\x00-\x1f\x7f]{0,99}")


class TaskHub:
    """A running task hub. Get one from `open_task_hub`."""

    def __init__(self, engine: Engine, reader: Reader):
        self._engine, self._reader = engine, reader

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written at the moment, and who can help; None when all is well."""
        return self._engine.trouble

    async def start(
        self,
        name: str,
        payload: str | None = None,
        instance_id: str | None = None,
        *,
        version: str | None = None,
        start_at: float | None = None,
        replaceable: Iterable[Status] | None = None,
    ) -> str:
        """Start orchestrator `name`; gives the instance's id. Raises `InstanceExists`, ValueError (bad id).

        A finished instance of that id is overwritten (Azure's default); `replaceable` names other statuses.
        """
        chosen = instance_id or uuid.uuid4().hex
        if not _INSTANCE_ID.fullmatch(chosen):
            raise ValueError(
                f"Instance id {chosen!r}: 1 to 100 characters, none of / \\ # ?, not beginning with @."
            )
        await self._engine.apply(
            lambda to: to.start(
                chosen, name, payload, version=version, start_at=start_at, replaceable=replaceable
            )
        )
        return chosen

    async def restart(self, instance_id: str, *, new_id: bool) -> str:
        """Start an instance's orchestrator again with the same input and version; gives the instance's id.

        Raises `NoSuchInstance`, and `InstanceExists` for one that runs and would keep its id.
        """
        chosen = uuid.uuid4().hex if new_id else instance_id
        await self._engine.apply(lambda to: to.restart(instance_id, chosen))
        return chosen

    async def rewind(self, instance_id: str, reason: str | None = None) -> None:
        """Run again what made an instance fail, below it too. Raises `NoSuchInstance`, `NotFailed`."""
        await self._engine.apply(lambda to: to.rewind(instance_id, reason))

    async def raise_event(self, instance_id: str, name: str, payload: str | None = None) -> None:
        """Deliver an external event. Raises `NoSuchInstance`, `InstanceFinished`."""
        await self._engine.apply(lambda to: to.raise_event(instance_id, name, payload))

    async def terminate(self, instance_id: str, output: str | None = None, *, recursive: bool = True) -> None:
        await self._engine.apply(lambda to: to.terminate(instance_id, output, recursive=recursive))

    async def suspend(self, instance_id: str, reason: str | None = None) -> None:
        await self._engine.apply(lambda to: to.suspend(instance_id, reason))

    async def resume(self, instance_id: str, reason: str | None = None) -> None:
        await self._engine.apply(lambda to: to.resume(instance_id, reason))

    async def purge(self, instance_id: str, *, recursive: bool = False) -> int:
        """Forget a finished instance, with `recursive` its children. Returns the number forgotten."""
        return await self._engine.apply(lambda to: to.purge(instance_id, recursive=recursive))

    async def purge_matching(self, query: Query, *, recursive: bool = False) -> int:
        """Forget the finished instances that match. Returns the number forgotten."""
        finished = [instance.id for instance in self._reader.query(query) if instance.status.finished]
        return sum([await self._purge_if_there(instance_id, recursive) for instance_id in finished])

    async def _purge_if_there(self, instance_id: str, recursive: bool) -> int:
        try:
            return await self.purge(instance_id, recursive=recursive)
        except (NoSuchInstance, InstanceExists):  # gone with its parent, or started again meanwhile
            return 0

    async def signal_entity(
        self,
        entity: str,
        operation: str,
        payload: str | None = None,
        *,
        at: float | None = None,
        request_id: str | None = None,
    ) -> None:
        """Have an entity, `@name@key`, run an operation, at once or `at` a time. Raises ValueError (bad id)."""
        target, request = entity_id(entity), request_id or uuid.uuid4().hex
        await self._engine.apply(
            lambda to: to.signal_entity(target, operation, payload, at=at, request_id=request)
        )

    async def clean_entities(self, *, remove_empty: bool, release_orphaned_locks: bool) -> tuple[int, int]:
        """Forget empty entities, free those whose holder is gone. Returns the numbers of both."""
        return await self._engine.apply(
            lambda to: to.clean_entities(
                remove_empty=remove_empty, release_orphaned_locks=release_orphaned_locks
            )
        )

    def entity(self, entity: str) -> Entity | None:
        """An entity that has run or been locked; None for another. Raises ValueError (bad id)."""
        return self._reader.entity(entity_id(entity))

    def entities(self, query: EntityQuery) -> list[Entity]:
        return self._reader.entities(query)

    def get(self, instance_id: str) -> Instance | None:
        return self._reader.instance(instance_id)

    def history(self, instance_id: str) -> list[pb.HistoryEvent]:
        """The history of the instance's current execution; empty for an unknown one."""
        return self._reader.history(instance_id)

    def query(self, query: Query) -> list[Instance]:
        """The matching instances by id."""
        return self._reader.query(query)

    def finished(self, query: FinishedQuery) -> list[Instance]:
        """The matching instances by the time of their end, then by id."""
        return self._reader.finished(query)

    async def wait_until_started(self, instance_id: str) -> Instance | None:
        """Wait, without a limit, until the instance has had a turn. None for an unknown one."""
        return await self._wait(instance_id, lambda instance: instance.status != Status.PENDING)

    async def wait_until_finished(self, instance_id: str) -> Instance | None:
        """Wait, without a limit, until the instance is finished. None for an unknown one."""
        return await self._wait(instance_id, lambda instance: instance.status.finished)

    async def settled(self) -> None:
        """Wait until no turn and no activity is under way or waiting; timers to come do not count."""
        await self._engine.settled()

    async def _wait(self, instance_id: str, condition: Callable[[Instance], bool]) -> Instance | None:
        while (instance := self.get(instance_id)) is not None and not condition(instance):
            await self._engine.changed(instance_id)
        return instance


@asynccontextmanager
async def open_task_hub(
    path: Path,
    executor: Executor,
    *,
    turns: int = 8,
    activities: int = 10,
    entities: int | None = None,
    grace: float = 3,
    clock: Clock | None = None,
    synchronous: Synchronous = "NORMAL",
    retention: timedelta | None = None,
) -> AsyncGenerator[TaskHub]:
    """Open the task hub in the file `path` and drive it until the block ends.

    At most `turns` orchestrator turns, `activities` activities and `entities` entities (as many as
    activities, if not given) run at once; those under way at the end are given `grace` seconds.
    With `synchronous="FULL"` what is acknowledged survives a power cut, too. Instances are forgotten once
    they have been finished for `retention`, if that is given.
    Raises `TaskHubLocked`, `TaskHubUnusable`.
    """
    clock = clock or SystemClock()
    with (
        prepared(path),
        closing(connect(path, synchronous=synchronous)) as writing,
        closing(connect(path, read_only=True)) as reading,
    ):
        writer = Writer(writing, asyncio.get_running_loop(), clock)
        engine = Engine(
            Reader(reading),
            writer,
            executor,
            clock,
            turns=turns,
            activities=activities,
            entities=entities or activities,
        )
        try:
            _start(engine, path)
            async with _kept_small(engine, clock, retention):
                yield TaskHub(engine, Reader(reading))
        finally:
            await engine.stop(grace)
            await writer.close()


def _start(engine: Engine, path: Path) -> None:
    try:
        engine.start()
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error


@asynccontextmanager
async def _kept_small(engine: Engine, clock: Clock, retention: timedelta | None) -> AsyncGenerator[None]:
    if retention is None:
        yield
        return
    sweeping = asyncio.create_task(forget_finished(engine, clock, retention))
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
