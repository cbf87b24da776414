"""A scene played by hosts that die, by a post that doubles or loses events, through days of standstill."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest

from activities import ACTIVITIES
from busbar.codec import to_wire
from busbar.domain.routing import Wake
from localazure.task_hub.client import TaskHub, open_task_hub
from localazure.task_hub.clock import ManualClock
from localazure.task_hub.model import Instance, InstanceFinished, NoSuchInstance, Query, Status
from tests.activities.bench import Bench
from tests.orchestrators.conftest import World
from tests.orchestrators.effects import differences, effects, timeless
from tests.orchestrators.outside import START, Outside, SlowMachineLearning, Summaries, all_well
from tests.orchestrators.replay import assert_histories_replay

SECONDS = 60  # of real time, for what takes fractions of one
HOUR, DAY = 3600.0, 86_400.0
LONGEST = 60 * DAY  # of the scene's time: what has not ended by then never ends
RUNNING = (Status.PENDING, Status.RUNNING, Status.SUSPENDED)


@dataclass(frozen=True)
class Start:
    """An orchestration that begins: under which id, with what request."""

    orchestrator: Callable[..., object]
    id: str
    request: object


@dataclass(frozen=True)
class Scene:
    """A prepared world and what begins in it. Nobody `votes`, no job `ends`: where it says so.

    `retold`: a step that was done already says so when it is run again, so the sentence at the end may differ.
    """

    prepare: Callable[[Bench], Sequence[Start]]
    votes: bool = True
    ends: bool = True
    summary: Summaries = all_well
    retold: bool = False


class Post(Enum):
    """How often an event is delivered, and when."""

    ONCE = 1
    TWICE = 2
    LOST = 0
    EARLY = "before what is waited for is on record"


@dataclass(frozen=True)
class Played:
    """What came of it: the ends of `run`, the first instance, and of the others; what is to be seen; how it went."""

    run: str
    ends: Mapping[str, tuple[str, Any]]
    effects: Mapping[str, Any]
    steps: int = 0
    rests: int = 0
    deaths: int = 0
    lengths: Mapping[str, int] = field(default_factory=dict[str, int])
    orchestrators: frozenset[str] = frozenset()

    def differs_from(self, other: "Played") -> list[str]:
        """What came of it otherwise."""
        return differences({"ends": self.ends, **self.effects}, {"ends": other.ends, **other.effects})


class Mortal:
    """An executor that answers until step `last` and then never again; a step is a turn or an activity.

    It dies when the step's effect is there and nobody has written that down: the worst moment.
    """

    def __init__(self, world: World, last: int | None, between: Callable[[], Awaitable[None]] | None = None):
        self._world, self._last, self._between, self.steps = world, last, between, 0
        self.dead = asyncio.Event()

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        await self._alive()
        response = await self._world.orchestrate(instance_id, name, past, new)
        await self._step()
        return response

    async def activity(self, name: str, payload: str | None) -> str | None:
        await self._alive()
        result = await self._world.activity(name, payload)
        if self._between:
            await self._between()
        await self._step()
        return result

    async def entity(self, entity_id: str, state: str | None, operations: Sequence[Any]) -> Any:
        raise NotImplementedError("Busbar has no entities")

    async def _alive(self) -> None:
        if self.dead.is_set():
            await asyncio.Event().wait()

    async def _step(self) -> None:
        await self._alive()
        self.steps += 1
        if self.steps == self._last:
            self.dead.set()
            await asyncio.Event().wait()


@dataclass(frozen=True)
class Rest:
    """A moment in which nothing moves in a hub, the `number`th (from 1) of a scene whose first instance is `run`."""

    hub: TaskHub
    bench: Bench
    run: str
    number: int


AtRest = Callable[[Rest], Awaitable[None]]
"""What somebody does whenever nothing moves."""


async def nothing(rest: Rest) -> None: ...


def once(step: int) -> tuple[int, ...]:
    """A host that dies at a step, and another after it."""
    return (step,)


def again_and_again() -> Iterator[int]:
    """Hosts that get one step further each and die at the next."""
    return chain([1], repeat(2))


def play(
    path: Path,
    scene: Scene,
    *,
    deaths: Iterable[int] = (),
    post: Post = Post.ONCE,
    days_down: float = 0,
    at_rest: AtRest = nothing,
) -> Played:
    """Play a scene on the real task hub in `path` until all of it has ended.

    A host for each of `deaths` dies at that step of its own, and stands still for `days_down`; the last one lives.
    """
    clock = ManualClock(START.timestamp())
    bench = Bench(ml=SlowMachineLearning())
    with _time_of(clock):
        playing = _Playing(path, scene, bench, clock, post, at_rest)
        return asyncio.run(playing.to_the_end(scene.prepare(bench), deaths, days_down))


@contextlib.contextmanager
def _time_of(clock: ManualClock) -> Iterator[None]:
    """What activities write down is the scene's time."""
    modules = {sys.modules[activity.__module__] for activity in ACTIVITIES} | {
        sys.modules["activities.serving"]
    }
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            for name, unit in (("now", "seconds"), ("moment", "milliseconds")):
                if hasattr(module, name):
                    patch.setattr(module, name, lambda unit=unit: _iso(clock, unit))
        yield


def _iso(clock: ManualClock, unit: str) -> str:
    return datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec=unit)


class _Playing:
    def __init__(
        self, path: Path, scene: Scene, bench: Bench, clock: ManualClock, post: Post, at_rest: AtRest
    ):
        self._path, self._scene, self._bench, self._clock = path, scene, bench, clock
        self._post, self._at_rest = post, at_rest
        self._outside = Outside(bench, clock, scene.votes, scene.ends, scene.summary)
        self._world = World([bench.bound(activity) for activity in ACTIVITIES])
        self._steps = self._rests = self._deaths = 0

    async def to_the_end(self, starts: Sequence[Start], deaths: Iterable[int], days_down: float) -> Played:
        for last in chain(deaths, [None]):
            async with self._host(last) as (hub, mortal):
                for start in starts:
                    if hub.get(start.id) is None:
                        payload = json.dumps(to_wire(start.request))
                        await hub.start(start.orchestrator.__name__, payload, start.id)
                await self._live(hub, starts[0].id, mortal.dead)
                self._steps += mortal.steps
                if not mortal.dead.is_set():
                    await assert_histories_replay(hub, self._world)
                    return self._seen(hub, starts[0].id)
            self._deaths += 1
            if days_down:
                self._outside.happens()  # and nobody is there to hear of it
                self._clock.advance(days_down * DAY)
        raise AssertionError("the last host does not die")

    @contextlib.asynccontextmanager
    async def _host(self, last: int | None) -> AsyncGenerator[tuple[TaskHub, Mortal]]:
        hubs: list[TaskHub] = []

        async def between() -> None:
            await self._deliver(hubs[0], self._outside.happens())

        mortal = Mortal(self._world, last, between if self._post is Post.EARLY else None)
        async with open_task_hub(self._path, mortal, grace=0, clock=self._clock) as hub:
            hubs.append(hub)
            yield hub, mortal

    async def _live(self, hub: TaskHub, run: str, dead: asyncio.Event) -> None:
        """Until all has ended or the host is dead: what others do happens at once, else time passes."""
        while await self._rest(hub, dead):
            self._rests += 1
            await self._at_rest(Rest(hub, self._bench, run, self._rests))
            if not await self._rest(hub, dead) or not (running := hub.query(Query(statuses=RUNNING))):
                return
            if wakes := self._outside.happens():
                await self._deliver(hub, wakes)
                continue
            due = self._clock.next_due()
            waiting = ", ".join(one.id for one in running)
            assert due is not None, f"nothing will ever wake {waiting}"
            assert due - START.timestamp() < LONGEST, f"{waiting} never ends"
            self._clock.advance(max(0, due - self._clock.now()))

    async def _rest(self, hub: TaskHub, dead: asyncio.Event) -> bool:
        """Wait until nothing moves; False where the host died."""
        waits = [asyncio.create_task(hub.settled()), asyncio.create_task(dead.wait())]
        try:
            done, _ = await asyncio.wait(waits, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
            assert done, f"nothing came to rest within {SECONDS} s"
        finally:
            for task in waits:
                task.cancel()
        return not dead.is_set()

    async def _deliver(self, hub: TaskHub, wakes: Sequence[Wake]) -> None:
        times = 1 if self._post is Post.EARLY else self._post.value
        for wake in wakes:
            for _ in range(times):
                with contextlib.suppress(NoSuchInstance, InstanceFinished):
                    said = json.dumps(wake.status) if wake.status else None
                    await hub.raise_event(wake.instance_id, wake.event, said)

    def _seen(self, hub: TaskHub, run: str) -> Played:
        self._outside.happens()
        instances = hub.query(Query())
        ends = {one.id: (one.status.name, self._told(one)) for one in instances}
        lengths = {one.id: len(hub.history(one.id)) for one in instances}
        played = frozenset(one.name for one in instances)
        return Played(
            run, ends, effects(self._bench), self._steps, self._rests, self._deaths, lengths, played
        )

    def _told(self, instance: Instance) -> Any:
        return None if self._scene.retold else timeless(_said(instance))


def _said(instance: Instance) -> Any:
    """What an instance gave back, or why it failed."""
    return instance.failure.errorMessage if instance.failure else json.loads(instance.output or "null")
