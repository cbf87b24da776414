"""Orchestrators on the real task hub, in a world of fake activities: what each does is written in the test."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import durabletask.internal.orchestrator_service_pb2 as pb
import pytest

from activities import ACTIVITIES
from busbar import wire
from busbar.codec import from_wire, to_wire
from localazure.task_hub.client import TaskHub, open_task_hub
from localazure.task_hub.clock import Clock
from localazure.task_hub.model import ActivityFailed
from orchestrators import ORCHESTRATORS
from tests.orchestrators.replay import assert_histories_replay

REAL = {activity.__name__: activity for activity in ACTIVITIES}


class World:
    """Activities by name, each `(request) -> result`, typed as the real one; `calls` is what was asked.

    Of two with one name the later counts, so that a test can put its own behind those of a fleet.
    """

    def __init__(
        self,
        fakes: Sequence[Callable[[Any], Any]],
        orchestrators: Sequence[Callable[..., Any]] = ORCHESTRATORS,
    ):
        self._fakes = {fake.__name__: fake for fake in fakes}
        self._orchestrators = {
            function.__name__: df.Orchestrator.create(wire.orchestration(function))
            for function in orchestrators
        }
        self.calls: list[tuple[str, Any]] = []

    def count(self) -> Counter[str]:
        return Counter(name for name, _ in self.calls)

    def asked(self, name: str) -> list[Any]:
        return [request for called, request in self.calls if called == name]

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        request = pb.OrchestratorRequest(instanceId=instance_id, pastEvents=past, newEvents=new)
        answer = self._orchestrators[name](base64.b64encode(request.SerializeToString()).decode())
        return pb.OrchestratorResponse.FromString(base64.b64decode(answer))

    async def activity(self, name: str, payload: str | None) -> str | None:
        request = from_wire(wire.request_type(REAL[name]), json.loads(payload or "null"))
        self.calls.append((name, request))
        if name not in self._fakes:
            raise ActivityFailed("LookupError", f"the test has no activity {name}")
        try:
            return json.dumps(wire.activity(REAL[name], self._fakes[name])(to_wire(request)))
        except Exception as error:
            raise ActivityFailed(type(error).__name__, str(error)) from error


class Stage:
    """A task hub on which orchestrations play."""

    def __init__(self, hub: TaskHub):
        self.hub = hub

    async def start(self, orchestrator: Callable[..., Any], request: Any, instance_id: str) -> str:
        return await self.hub.start(orchestrator.__name__, json.dumps(to_wire(request)), instance_id)

    async def result(self, orchestrator: Callable[..., Any], instance_id: str, seconds: float = 30) -> Any:
        """The typed result; raises `AssertionError` with the failure where the instance failed."""
        async with asyncio.timeout(seconds):
            instance = await self.hub.wait_until_finished(instance_id)
        assert instance is not None
        assert instance.failure is None, instance.failure
        return from_wire(wire.result_type(orchestrator), json.loads(instance.output or "null"))


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Any]:
    """`play(world, script)`: run an async script on a stage in that world, and return what it returns.

    Whatever has ended by then is replayed from its history. Played again in a test, the stage is as it was left;
    time passes as `clock` says.
    """

    def run(world: World, script: Callable[[Stage], Any], clock: Clock | None = None) -> Any:
        async def scene() -> Any:
            async with open_task_hub(tmp_path / "hub.db", world, clock=clock) as hub:
                result = await script(Stage(hub))
                await assert_histories_replay(hub, world)
                return result

        return asyncio.run(scene())

    return run
