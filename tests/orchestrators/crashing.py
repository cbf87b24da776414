"""A host that dies at its k-th step: what it had begun is begun again by the next one, as after `kill -9`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import durabletask.internal.orchestrator_service_pb2 as pb

from busbar.codec import to_wire
from localazure.task_hub.client import TaskHub, open_task_hub
from localazure.task_hub.model import Instance
from tests.orchestrators.conftest import World
from tests.orchestrators.replay import assert_histories_replay

SECONDS = 30

Deliver = Callable[[TaskHub], Awaitable[None]]
"""Somebody who raises events in a hub's instances for as long as it runs."""


class Mortal:
    """An executor that answers until step `last` and then never again; a step is a turn or an activity.

    It dies when the step's effect is there and nobody has written that down: the worst moment.
    """

    def __init__(self, world: World, last: int):
        self._world, self._last, self.steps = world, last, 0
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
        await self._step()
        return result

    async def _alive(self) -> None:
        if self.dead.is_set():
            await asyncio.Event().wait()

    async def _step(self) -> None:
        await self._alive()
        self.steps += 1
        if self.steps == self._last:
            self.dead.set()
            await asyncio.Event().wait()


async def nobody(hub: TaskHub) -> None:
    """Every event is lost."""


def dies_and_goes_on(
    path: Path,
    world: World,
    orchestrator: Callable[..., object],
    request: object,
    instance_id: str,
    last: int,
    deliver: Deliver = nobody,
) -> tuple[Instance, bool]:
    """Run to the end with a host that dies at step `last` and another after it; the end, and whether one died.

    `deliver` raises what events there are, in either host's time.
    """

    async def scene() -> tuple[Instance, bool]:
        mortal = Mortal(world, last)
        async with open_task_hub(path, mortal, grace=0) as hub:
            await hub.start(orchestrator.__name__, json.dumps(to_wire(request)), instance_id)
            await _first(hub, instance_id, deliver, mortal.dead)
        async with open_task_hub(path, world) as hub:
            await _first(hub, instance_id, deliver, asyncio.Event())
            await assert_histories_replay(hub, world)
            ended = hub.get(instance_id)
        assert ended is not None
        return ended, mortal.dead.is_set()

    return asyncio.run(scene())


async def _first(hub: TaskHub, instance_id: str, deliver: Deliver, dead: asyncio.Event) -> None:
    """Until the instance has finished or the host is dead."""
    postman = asyncio.create_task(deliver(hub))
    waits = [asyncio.create_task(hub.wait_until_finished(instance_id)), asyncio.create_task(dead.wait())]
    try:
        done, _ = await asyncio.wait(waits, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert done, f"{instance_id} neither ended nor died within {SECONDS} s"
    finally:
        for task in (postman, *waits):
            task.cancel()
