"""A task hub whose orchestrators and activities are plain functions of the test."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from azure.durable_functions.worker import DurableFunctionsWorker

from localazure.task_hub.client import TaskHub, open_task_hub
from localazure.task_hub.model import ActivityFailed

Activity = Callable[[Any], Any]


class Functions:
    """An executor: orchestrators and entities through the SDK's worker, activities as (async) functions."""

    def __init__(
        self,
        orchestrators: Sequence[Callable[..., Any]],
        activities: Sequence[Activity],
        entities: Sequence[Callable[..., Any]] = (),
    ):
        self._orchestrators = {f.__name__: df.Orchestrator.create(f) for f in orchestrators}
        self._activities = {f.__name__: f for f in activities}
        self._entities = {f.__name__.lower(): f for f in entities}
        self._entity_worker = DurableFunctionsWorker()
        self.turns: list[tuple[str, int]] = []
        self.batches: list[tuple[str, int]] = []

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        self.turns.append((instance_id, len(past)))
        request = pb.OrchestratorRequest(instanceId=instance_id, pastEvents=past, newEvents=new)
        answer = self._orchestrators[name](base64.b64encode(request.SerializeToString()).decode())
        return pb.OrchestratorResponse.FromString(base64.b64decode(answer))

    async def activity(self, name: str, payload: str | None) -> str | None:
        try:
            result = self._activities[name](json.loads(payload) if payload else None)
            if asyncio.iscoroutine(result):
                result = await result
        except Exception as error:
            raise ActivityFailed(type(error).__name__, str(error)) from error
        return None if result is None else json.dumps(result)

    async def entity(
        self, entity_id: str, state: str | None, operations: Sequence[pb.OperationRequest]
    ) -> pb.EntityBatchResult:
        self.batches.append((entity_id, len(operations)))
        function = self._entities[entity_id.split("@")[1]]
        request = pb.EntityBatchRequest(instanceId=entity_id, operations=operations)
        if state is not None:
            request.entityState.value = state
        encoded = base64.b64encode(request.SerializeToString()).decode()
        answer = self._entity_worker.execute_entity_batch_request(function, encoded)
        return pb.EntityBatchResult.FromString(base64.b64decode(answer))


class Hub:
    """A task hub with the few shortcuts that tests want."""

    def __init__(self, hub: TaskHub):
        self.hub = hub

    async def run(self, name: str, value: Any = None, instance_id: str | None = None) -> Any:
        """Start, wait, and return the instance."""
        started = await self.hub.start(name, json.dumps(value), instance_id)
        return await self.finished(started)

    async def finished(self, instance_id: str) -> Any:
        async with asyncio.timeout(20):
            return await self.hub.wait_until_finished(instance_id)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)


OpenHub = Callable[..., AbstractAsyncContextManager[Hub]]


@pytest.fixture
def open_hub(tmp_path: Path) -> OpenHub:
    """Opens the test's task hub with the given functions; may be closed and opened again."""

    @asynccontextmanager
    async def opened(
        orchestrators: Sequence[Callable[..., Any]] = (),
        activities: Sequence[Activity] = (),
        entities: Sequence[Callable[..., Any]] = (),
        *,
        functions: Functions | None = None,
        limit: int = 10,
        entities_at_once: int = 10,
        **settings: Any,
    ) -> AsyncGenerator[Hub]:
        executor = functions or Functions(orchestrators, activities, entities)
        sizes = {"activities": limit, "entities": entities_at_once}
        async with open_task_hub(tmp_path / "hub.sqlite", executor, **sizes, **settings) as hub:
            yield Hub(hub)

    return opened


@pytest.fixture(scope="session")
def functions() -> type[Functions]:
    return Functions


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    return asyncio.run
