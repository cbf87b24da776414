"""Kills a task hub (SIGKILL) before the first, the second, … statement that it writes with, each time on a
database of its own (every other one of the first version), opens it again and plays the rest.

Usage: python crash_points.py FOLDER FIRST STRIDE
"""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from durabletask import task
from durabletask.entities import EntityInstanceId

from localazure.task_hub.client import TaskHub, open_task_hub
from localazure.task_hub.model import (
    EntityQuery,
    InstanceExists,
    InstanceFinished,
    NoSuchInstance,
    Query,
)
from localazure.task_hub.schema import MIGRATIONS
from tests.localazure.task_hub.conftest import Functions
from tests.localazure.task_hub.consistency import contradictions, outstanding

FROM, TO = EntityInstanceId("register", "from"), EntityInstanceId("register", "to")
RETRY = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=1), max_number_of_attempts=9)


def loop(ctx: Any, seen: list[Any]) -> Any:
    for _ in range(2):
        event = yield ctx.wait_for_external_event("go")
        if event == "end":
            return seen
        seen = [*seen, (yield ctx.call_activity("work", input=event))]
    ctx.continue_as_new(seen, save_events=True)


def parent(ctx: Any, _: Any) -> Any:
    children = [ctx.call_sub_orchestrator("child", input=n, instance_id=f"child-{n}") for n in range(2)]
    return sum((yield task.when_all(children)))


def child(ctx: Any, n: int) -> Any:
    yield ctx.create_timer(timedelta(milliseconds=1))
    return (yield ctx.call_activity("flaky", input=n, retry_policy=RETRY))


def victim(ctx: Any, _: Any) -> Any:
    yield task.when_all([ctx.call_activity("endless"), ctx.wait_for_external_event("never")])


def mover(ctx: Any, amount: int) -> Any:
    with (yield ctx.lock_entities([FROM, TO])):
        yield ctx.call_entity(FROM, "add", -amount)
        yield ctx.call_activity("work", input="move")
        yield ctx.call_entity(TO, "add", amount)


def register(ctx: Any, value: int) -> int:
    ctx.set_state(ctx.get_state(int, 0) + value)
    return ctx.get_state(int)


# What is done to the hub, step by step; a step that was interrupted is done again.
type Step = Callable[[TaskHub], Any]


def begin(name: str, value: Any = None) -> Step:
    return lambda hub: hub.start(name, json.dumps(value), name)


def send(value: Any) -> Step:
    return lambda hub: hub.raise_event("loop", "go", json.dumps(value))


async def until_served(hub: TaskHub) -> None:
    while any(entity.backlog for entity in hub.entities(EntityQuery())):
        await asyncio.sleep(0.001)


STEPS: list[Step] = [
    begin("loop", []),
    send(0),
    begin("parent"),
    send(1),
    begin("victim"),
    begin("mover", 5),
    lambda hub: hub.signal_entity(str(FROM), "add", "1"),
    send(2),
    lambda hub: hub.suspend("loop"),
    send(3),
    lambda hub: hub.resume("loop"),
    lambda hub: hub.wait_until_started("victim"),
    lambda hub: hub.terminate("victim", '"enough"'),
    lambda hub: hub.wait_until_finished("parent"),
    lambda hub: hub.purge("parent", recursive=True),
    send("end"),
    lambda hub: hub.wait_until_finished("loop"),
    lambda hub: hub.wait_until_finished("mover"),
    until_served,
]
DONE_ALREADY = (InstanceExists, InstanceFinished, NoSuchInstance)


async def play(folder: Path) -> None:
    """Do the steps that are not noted as done, note what came out of them, and have the hub forget it."""
    path, progress, outcome = folder / "hub.sqlite", folder / "progress", folder / "outcome"
    executor = functions(folder / "effects")
    if not outcome.exists():
        async with open_task_hub(path, executor, grace=0) as hub:
            for step in STEPS[progress.stat().st_size if progress.exists() else 0 :]:
                with contextlib.suppress(*DONE_ALREADY):
                    await step(hub)
                with progress.open("a") as file:
                    file.write(".")
            instances = {found.id: (found.status.name, found.output) for found in hub.query(Query())}
            registers = {found.id: int(found.state or 0) for found in hub.entities(EntityQuery())}
        outcome.write_text(json.dumps([instances, registers]))
    async with open_task_hub(path, executor, grace=0, retention=timedelta(0)) as hub:
        while hub.query(Query()):
            await asyncio.sleep(0.001)


def make_an_older_one(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(MIGRATIONS[0])


def functions(effects: Path) -> Functions:
    def note(value: Any) -> None:
        with effects.open("a") as file:
            file.write(f"{value}\n")

    def work(value: Any) -> Any:
        note(f"work {value}")
        return value

    def flaky(value: Any) -> Any:
        note(f"flaky {value}")
        if effects.read_text().count(f"flaky {value}") < 2:
            raise ConnectionError("once")
        return value + 1

    async def endless(value: Any) -> None:
        await asyncio.sleep(3600)

    return Functions([loop, parent, child, victim, mover], [work, flaky, endless], [register])


def in_a_process_of_its_own(work: Callable[[], None]) -> int:
    """Its exit status; negative for a signal."""
    if (process := os.fork()) == 0:
        status = 1
        try:
            work()
            status = 0
        finally:  # or it would go on as its parent
            if status:
                traceback.print_exc()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed_before_statement(number: int, folder: Path) -> bool:
    """Whether there was such a statement at all."""
    count, lock = itertools.count(1), threading.Lock()

    def trace(statement: str) -> None:
        if not statement.startswith("SELECT"):
            with lock:
                if next(count) == number:
                    os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        connect = sqlite3.connect

        def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            db = connect(*arguments, **options)
            db.set_trace_callback(trace)
            return db

        sqlite3.connect = traced  # in this process, which is about to die
        asyncio.run(play(folder))

    status = in_a_process_of_its_own(work)
    assert status in (0, -signal.SIGKILL), f"exit status {status}"
    return status != 0


def play_the_rest(folder: Path) -> None:
    status = in_a_process_of_its_own(lambda: asyncio.run(asyncio.wait_for(play(folder), 30)))
    assert status == 0, f"exit status {status}"


def check_sound(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "hub.sqlite")) as db:
        problems = contradictions(db)
    assert not problems, problems


def check_outcome(folder: Path) -> None:
    instances, registers = json.loads((folder / "outcome").read_text())
    status, output = instances.pop("loop")
    assert status == "COMPLETED", output
    seen = json.loads(output)
    assert len(seen) <= 5, f"{seen}: only the step that was interrupted is done twice"
    assert [n for n, _ in itertools.groupby(seen)] == [0, 1, 2, 3], seen
    assert instances == {"victim": ["TERMINATED", '"enough"'], "mover": ["COMPLETED", None]}
    assert registers.pop(str(TO)) == 5
    assert registers.pop(str(FROM)) in (-4, -3), "-5 + 1, or 2 when that step was interrupted"
    with contextlib.closing(sqlite3.connect(folder / "hub.sqlite")) as db:
        rest = outstanding(db)
    assert not any(rest.values()), rest


def explore(folder: Path, first: int, stride: int) -> int:
    """Returns how many crash points were tried."""
    for tried, number in enumerate(itertools.count(first, stride)):
        place = folder / str(number)
        place.mkdir()
        if tried % 2:
            make_an_older_one(place / "hub.sqlite")
        there = killed_before_statement(number, place)
        try:
            if there:
                check_sound(place)
                play_the_rest(place)
            check_sound(place)
            check_outcome(place)
        except Exception as error:
            error.add_note(f"killed before statement {number}; the database is in {place}")
            raise
        if not there:
            return tried
        shutil.rmtree(place)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    print(explore(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
