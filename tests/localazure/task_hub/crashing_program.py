"""A process that drives a task hub until it is killed. Every activity notes each of its runs in a file.

Usage: python crashing_program.py HUB NOTES CIRCUITS
"""

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask import task

from localazure.task_hub.client import open_task_hub
from localazure.task_hub.model import InstanceFinished


def circuit(ctx: Any, n: int) -> Any:
    total = 0
    for step in range(3):
        total += yield ctx.call_activity("work", input=[n, step])
    yield ctx.create_timer(timedelta(milliseconds=30))
    total += yield ctx.wait_for_external_event("go")
    return total


def fleet(ctx: Any, count: int) -> Any:
    children = [ctx.call_sub_orchestrator("circuit", input=n, instance_id=f"c{n}") for n in range(count)]
    return (yield task.when_all(children))


class Program:
    def __init__(self, notes: Path):
        self._notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._orchestrators = {f.__name__: df.Orchestrator.create(f) for f in (circuit, fleet)}

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        request = pb.OrchestratorRequest(instanceId=instance_id, pastEvents=past, newEvents=new)
        answer = self._orchestrators[name](base64.b64encode(request.SerializeToString()).decode())
        return pb.OrchestratorResponse.FromString(base64.b64decode(answer))

    async def activity(self, name: str, payload: str | None) -> str | None:
        await asyncio.sleep(0.005)
        os.write(self._notes, f"{payload}\n".encode())
        return "1"


async def main(hub_path: Path, notes: Path, count: int) -> None:
    async with open_task_hub(hub_path, Program(notes), activities=4) as hub:
        if hub.get("fleet") is None:
            await hub.start("fleet", json.dumps(count), "fleet")
        while not all(hub.get(f"c{n}") for n in range(count)):
            await asyncio.sleep(0.001)
        for n in range(count):
            with contextlib.suppress(InstanceFinished):  # it takes the first, the others are left over
                await hub.raise_event(f"c{n}", "go", str(100 * n))
        print("ready", flush=True)
        finished = await hub.wait_until_finished("fleet")
        assert finished is not None
        print(finished.output, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
