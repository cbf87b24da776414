"""One thread that writes: transitions are committed in groups, and reported after their commit."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localazure.task_hub.clock import Clock
from localazure.task_hub.transitions import Effects, Transitions

LARGEST_GROUP = 256


@dataclass
class _Request:
    transition: Callable[[Transitions], Any]
    done: asyncio.Future[tuple[Any, Effects]]
    result: Any = None
    effects: Effects | None = None
    error: BaseException | None = None


class Writer:
    """Owns a connection and its thread from construction to `close`."""

    def __init__(self, db: sqlite3.Connection, loop: asyncio.AbstractEventLoop, clock: Clock):
        self._db, self._loop, self._clock = db, loop, clock
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="task-hub-writer", daemon=True)
        self._thread.start()

    async def apply[T](self, transition: Callable[[Transitions], T]) -> tuple[T, Effects]:
        """Run `transition` in a transaction; returns its result and effects once they are durable."""
        request = _Request(transition, self._loop.create_future())
        self._requests.put(request)
        return await request.done

    async def close(self) -> None:
        """Commit what was handed in, then stop."""
        self._requests.put(None)
        await asyncio.to_thread(self._thread.join)
        self._db.close()

    def _run(self) -> None:
        running = True
        while running:
            group = self._next_group()
            running = None not in group
            requests = [request for request in group if request is not None]
            if requests:
                self._commit(requests)
                self._loop.call_soon_threadsafe(_report, requests)

    def _next_group(self) -> list[_Request | None]:
        group = [self._requests.get()]
        while len(group) < LARGEST_GROUP and group[-1] is not None:
            try:
                group.append(self._requests.get_nowait())
            except queue.Empty:
                break
        return group

    def _commit(self, requests: list[_Request]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for request in requests:
                self._run_one(request)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:  # the disk is full or broken: nobody's transition happened
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            for request in requests:
                request.error = error

    def _run_one(self, request: _Request) -> None:
        transitions = Transitions(self._db, self._clock.now())
        self._db.execute("SAVEPOINT one")
        try:
            request.result = request.transition(transitions)
            request.effects = transitions.effects
        except Exception as error:
            self._db.execute("ROLLBACK TO one")
            request.error = error
        self._db.execute("RELEASE one")


def _report(requests: list[_Request]) -> None:
    for request in requests:
        if request.done.done():  # its caller was cancelled
            continue
        if request.error is not None:
            request.done.set_exception(request.error)
        else:
            request.done.set_result((request.result, request.effects or Effects()))
