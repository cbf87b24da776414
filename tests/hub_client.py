"""The durable client over a task hub in this process: what `Orchestrations` asks of the SDK's, as the SDK answers."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.client import OrchestrationStatus
from durabletask.internal.history_helpers import collect_history_events

from localazure.task_hub.client import TaskHub
from localazure.task_hub.model import Instance

PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class State:
    """What the SDK says of an instance."""

    instance_id: str
    name: str
    runtime_status: OrchestrationStatus
    created_at: datetime
    serialized_input: str | None
    serialized_custom_status: str | None


class HubClient:
    """For a thread of its own: the hub lives in the event loop that made this."""

    def __init__(self, hub: TaskHub):
        self._hub, self._loop = hub, asyncio.get_running_loop()

    def get_orchestration_state(self, instance_id: str) -> State | None:
        found = self._in_loop(lambda: _done(self._hub.get(instance_id)))
        return found and _state(found)

    def get_orchestration_history(self, instance_id: str) -> Any:
        events = self._in_loop(lambda: _done(self._hub.history(instance_id)))
        return collect_history_events(iter([pb.HistoryChunk(events=events)]), None)

    def schedule_new_orchestration(self, orchestrator: str, *, input: Any, instance_id: str) -> str:
        return self._in_loop(lambda: self._hub.start(orchestrator, json.dumps(input), instance_id))

    def suspend_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        self._in_loop(lambda: self._hub.suspend(instance_id, reason))

    def resume_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        self._in_loop(lambda: self._hub.resume(instance_id, reason))

    def terminate_orchestration(
        self, instance_id: str, *, output: Any = None, recursive: bool = True
    ) -> None:
        self._in_loop(lambda: self._hub.terminate(instance_id, json.dumps(output), recursive=recursive))

    def raise_orchestration_event(self, instance_id: str, event: str, *, data: Any = None) -> None:
        payload = None if data is None else json.dumps(data)
        self._in_loop(lambda: self._hub.raise_event(instance_id, event, payload))

    def _in_loop[T](self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def asked() -> T:  # also a plain read belongs in the loop
            return await ask()

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(PATIENCE_SECONDS)


async def _done[T](value: T) -> T:
    return value


def _state(found: Instance) -> State:
    return State(
        found.id,
        found.name,
        OrchestrationStatus(int(found.status)),
        datetime.fromtimestamp(found.created, UTC),
        found.input,
        found.custom_status,
    )
