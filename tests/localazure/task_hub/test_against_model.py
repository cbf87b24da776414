"""Whatever is done to a task hub, and wherever it crashes: once it is quiet, it is as a simple model says."""

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask.entities import EntityInstanceId
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from localazure.task_hub.client import TaskHub, open_task_hub
from localazure.task_hub.clock import ManualClock
from localazure.task_hub.model import TaskHubError
from tests.localazure.task_hub.conftest import Functions
from tests.localazure.task_hub.consistency import contradictions
from tests.localazure.task_hub.hub_model import MONTH, STOP, Model

DAY = 24 * 3600.0
EXAMPLES = int(os.environ.get("EXAMPLES", "15"))


def collector(ctx, seen):
    for _ in range(3):
        event = yield ctx.wait_for_external_event("event")
        if event == STOP:
            return seen
        seen = [*seen, (yield ctx.call_activity("same", input=event))]
    ctx.continue_as_new(seen, save_events=True)


def chain(ctx, value):
    value = yield ctx.call_activity("same", input=value)
    yield ctx.create_timer(timedelta(seconds=MONTH))
    return (yield ctx.call_activity("fragile", input=value))


def parent(ctx, value):
    child = f"{ctx.instance_id}-child"
    return (yield ctx.call_sub_orchestrator("chain", input=value, instance_id=child))


def locker(ctx, request):
    registers = [EntityInstanceId("register", key) for key in request["registers"]]
    first = min(registers)
    with (yield ctx.lock_entities(registers)):
        before = yield ctx.call_entity(first, "get")
        yield ctx.wait_for_external_event("event")
        yield ctx.call_entity(first, "add", request["amount"])
    return before


def register(ctx, value):
    match ctx.operation:
        case "add":
            ctx.set_state(ctx.get_state(int, 0) + value)
        case "delete":
            ctx.set_state(None)
    return ctx.get_state(int, 0)


def same(value):
    return value


class Interrupted(Functions):
    """Calls `at_point` before and after everything it runs."""

    def __init__(self, fragile: Callable[[Any], Any], at_point: Callable[[], None]):
        super().__init__([collector, chain, parent, locker], [same, fragile], [register])
        self._at_point = at_point

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        return await self._between_points(super().orchestrate(instance_id, name, past, new))

    async def activity(self, name: str, payload: str | None) -> str | None:
        return await self._between_points(super().activity(name, payload))

    async def entity(
        self, entity_id: str, state: str | None, operations: Sequence[pb.OperationRequest]
    ) -> pb.EntityBatchResult:
        return await self._between_points(super().entity(entity_id, state, operations))

    async def _between_points[T](self, work: Awaitable[T]) -> T:
        self._at_point()
        try:
            return await work
        finally:
            self._at_point()


INSTANCES = st.sampled_from(
    [
        "collector-1",
        "chain-1",
        "parent-1",
        "parent-1-child",
        "locker-1",
        "locker-2",
    ]
)
REGISTERS = st.sampled_from(["a", "b"])
CRASHES = st.none() | st.integers(0, 12)  # at which point after the operation
NUMBERS = st.integers(1, 9)
DELAYS = st.sampled_from([0.0, 60.0, DAY, 2 * MONTH])


class HubMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = ManualClock(1_700_000_000.0)
        self.model = Model(self.clock.now())
        self.loop = asyncio.Runner()
        self.life = 0
        self.crash_at: int | None = None
        self.loop.run(self._open())

    def teardown(self) -> None:
        self.loop.run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()

    @initialize()
    def start_one_of_each(self) -> None:
        for instance in ("collector-1", "chain-1", "parent-1", "locker-1", "locker-2"):
            self.start(instance, 1, {"a", "b"}, None)

    @rule(instance=INSTANCES, value=NUMBERS, registers=st.sets(REGISTERS, min_size=1), crash=CRASHES)
    def start(self, instance: str, value: int, registers: set[str], crash: int | None) -> None:
        kind = "chain" if instance.endswith("-child") else instance.partition("-")[0]
        inputs = {
            "collector": [],
            "chain": value,
            "parent": value,
            "locker": {"registers": sorted(registers), "amount": value},
        }
        payload = json.dumps(inputs[kind])
        expected = self.model.start(instance, kind, inputs[kind])
        self._do(lambda hub: hub.start(kind, payload, instance), expected, crash)

    @rule(instance=INSTANCES, value=NUMBERS | st.just(STOP), crash=CRASHES)
    def raise_event(self, instance: str, value: int | str, crash: int | None) -> None:
        expected = self.model.raise_event(instance, value)
        self._do(lambda hub: hub.raise_event(instance, "event", json.dumps(value)), expected, crash)

    @rule(values=st.lists(NUMBERS, min_size=2, max_size=8), crash=CRASHES)
    def raise_several(self, values: list[int], crash: int | None) -> None:
        """They come while the orchestrator has its turns."""

        async def raise_all(hub: TaskHub) -> None:
            self.crash_at = None  # a crash before the last one is in would rightly lose it
            for value in values:
                await hub.raise_event("collector-1", "event", json.dumps(value))
            self.crash_at = crash

        expected = [self.model.raise_event("collector-1", value) for value in values]
        self._do(raise_all, expected[0], crash)

    @rule(instance=INSTANCES, crash=CRASHES)
    def suspend(self, instance: str, crash: int | None) -> None:
        self._do(lambda hub: hub.suspend(instance), self.model.suspend(instance), crash)

    @rule(instance=INSTANCES, crash=CRASHES)
    def resume(self, instance: str, crash: int | None) -> None:
        self._do(lambda hub: hub.resume(instance), self.model.resume(instance), crash)

    @rule(instance=INSTANCES, value=NUMBERS, crash=CRASHES)
    def terminate(self, instance: str, value: int, crash: int | None) -> None:
        expected = self.model.terminate(instance, value)
        self._do(lambda hub: hub.terminate(instance, json.dumps(value)), expected, crash)

    @rule(instance=INSTANCES, crash=CRASHES)
    def purge(self, instance: str, crash: int | None) -> None:
        self._do(lambda hub: hub.purge(instance), self.model.purge(instance), crash)

    @rule(instance=INSTANCES, crash=CRASHES)
    def restart(self, instance: str, crash: int | None) -> None:
        self._do(lambda hub: hub.restart(instance, new_id=False), self.model.restart(instance), crash)

    @rule(instance=INSTANCES, crash=CRASHES)
    def rewind(self, instance: str, crash: int | None) -> None:
        self._do(lambda hub: hub.rewind(instance), self.model.rewind(instance), crash)

    @rule(register=REGISTERS, value=NUMBERS, delay=DELAYS, crash=CRASHES)
    def add(self, register: str, value: int, delay: float, crash: int | None) -> None:
        self._signal(register, ("add", value), delay, crash)

    @rule(register=REGISTERS, delay=DELAYS, crash=CRASHES)
    def delete(self, register: str, delay: float, crash: int | None) -> None:
        self._signal(register, ("delete",), delay, crash)

    @rule(crash=CRASHES)
    def clean(self, crash: int | None) -> None:
        """Forgets nothing that is of use."""
        self._do(lambda hub: hub.clean_entities(remove_empty=True, release_orphaned_locks=True), None, crash)

    @rule(seconds=st.sampled_from([DAY, MONTH]), crash=CRASHES)
    def time_passes(self, seconds: float, crash: int | None) -> None:
        self.model.now += seconds
        self._do(lambda hub: self.clock.pass_time(seconds, hub.settled), None, crash)

    @rule(seconds=st.sampled_from([0.0, DAY, MONTH]))
    def time_passes_while_it_is_closed(self, seconds: float) -> None:
        self.model.now += seconds
        self.loop.run(self._open_again_after(seconds))
        self.model.settle()

    @rule(broken=st.booleans())
    def break_or_repair(self, broken: bool) -> None:
        self.model.broken = broken

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        for instance in {*self.model.runs, "collector-1", "parent-1", "parent-1-child"}:
            found, expected = self.hub.get(instance), self.model.runs.get(instance)
            seen = found and (found.status.name, json.loads(found.output or "null"))
            assert seen == (expected and (expected.status.name, expected.output)), instance
        for key, expected in self.model.registers.items():
            found = self.hub.entity(f"@register@{key}")
            seen = (json.loads(found.state or "null"), found.locked_by) if found else (None, None)
            assert seen == (expected.state, expected.holder), key

    @invariant()
    def it_does_not_contradict_itself(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path)) as db:
            assert contradictions(db) == []

    def _signal(self, register: str, message: tuple[Any, ...], delay: float, crash: int | None) -> None:
        self.model.signal(register, message, delay)
        operation, *values = message
        payload = json.dumps(values[0]) if values else None
        at = self.clock.now() + delay if delay else None
        self._do(
            lambda hub: hub.signal_entity(f"@register@{register}", operation, payload, at=at), None, crash
        )

    def _do(
        self,
        operation: Callable[[TaskHub], Awaitable[Any]],
        expected: type[Exception] | None,
        crash: int | None,
    ) -> None:
        raised = self.loop.run(self._carry_out(operation, crash))
        assert raised == expected
        self.model.settle()

    async def _carry_out(
        self, operation: Callable[[TaskHub], Awaitable[Any]], crash: int | None
    ) -> type[Exception] | None:
        raised, self.crash_at = None, crash
        try:
            await operation(self.hub)
        except TaskHubError as error:
            raised = type(error)
        await self.hub.settled()
        if crash is not None:
            await self._open_again_after(0)
        return raised

    async def _open_again_after(self, seconds: float) -> None:
        """Go on from what was committed at the point of the crash, or by now."""
        if not self._next_path.exists():
            self._save()
        self.crash_at = None
        await self.stack.aclose()
        self.clock.advance(seconds)
        self.life += 1
        await self._open()
        await self.hub.settled()

    async def _open(self) -> None:
        self.stack = AsyncExitStack()
        functions = Interrupted(self.fragile, self._at_point)
        opened = open_task_hub(self._path, functions, grace=0, clock=self.clock)
        self.hub = await self.stack.enter_async_context(opened)

    def fragile(self, value: int) -> int:
        if self.model.broken:
            raise RuntimeError("broken")
        return value

    def _at_point(self) -> None:
        if self.crash_at is not None:
            if self.crash_at == 0:
                self._save()
            self.crash_at = self.crash_at - 1 if self.crash_at else None

    def _save(self) -> None:
        """Keep what is committed at this moment for the next life."""
        with (
            contextlib.closing(sqlite3.connect(self._path)) as now,
            contextlib.closing(sqlite3.connect(self._next_path)) as then,
        ):
            now.backup(then)

    @property
    def _path(self) -> Path:
        return Path(self.folder.name) / f"{self.life}.sqlite"

    @property
    def _next_path(self) -> Path:
        return Path(self.folder.name) / f"{self.life + 1}.sqlite"


HubMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    derandomize="EXAMPLES" not in os.environ,  # the short form is the same each time; the long one explores
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
HubMachine.TestCase.pytestmark = pytest.mark.timeout(900)  # to find the shortest way to a failure takes time
TestAgainstModel = HubMachine.TestCase
