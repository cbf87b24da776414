"""Whatever happens to an instance, and whenever: every event arrives once, in order."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from localazure.task_hub.client import TaskHub, open_task_hub

STEPS = st.lists(st.sampled_from(["event", "event", "suspend", "resume", "reopen", "breathe"]), max_size=25)


def collect(ctx, state):
    """Lives for three events at a time, with activities in between: events arrive during turns and waits."""
    for _ in range(3):
        event = yield ctx.wait_for_external_event("event")
        if event == "end":
            return state
        state = [*state, (yield ctx.call_activity("same", input=event))]
    ctx.continue_as_new(state, save_events=True)


async def play(path: Path, executor, steps: list[str]) -> tuple[list[int], list[int]]:
    """What was sent, and what the orchestrator collected."""
    sent, started = list[int](), False
    sessions = " ".join(steps).split("reopen")
    for session in (*sessions, "end"):
        async with open_task_hub(path, executor) as hub:
            if not started:
                await hub.start("collect", "[]", "i")
                started = True
            for step in session.split():
                await take(hub, step, sent)
            if session == "end":
                async with asyncio.timeout(10):
                    instance = await hub.wait_until_finished("i")
    assert instance is not None
    return sent, json.loads(instance.output)


async def take(hub: TaskHub, step: str, sent: list[int]) -> None:
    match step:
        case "event":
            sent.append(len(sent))
            await hub.raise_event("i", "event", str(sent[-1]))
        case "suspend":
            await hub.suspend("i")
        case "resume":
            await hub.resume("i")
        case "breathe":
            await asyncio.sleep(0.003)
        case "end":
            await hub.resume("i")
            await hub.raise_event("i", "event", '"end"')


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_every_event_arrives_once_and_in_order(functions, steps):
    with TemporaryDirectory() as folder:
        executor = functions([collect], [same])
        sent, collected = asyncio.run(play(Path(folder) / "hub.sqlite", executor, steps))
    assert collected == sent


def same(value):
    return value
