"""One thread that writes: transitions are committed in groups, and reported after their commit."""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localazure.task_hub.clock import Clock
from localazure.task_hub.model import TaskHubUnavailable
from localazure.task_hub.transaction import Effects
from localazure.task_hub.transitions import Transitions

_log = logging.getLogger(__name__)

LARGEST_GROUP = 256
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds between attempts to persist

# The machine's fault, not a transition's: the same transition may well be committed later.
_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)


@dataclass
class _Request:
    transition: Callable[[Transitions], Any]
    committed: Callable[[Effects], None]
    done: asyncio.Future[Any]
    work: object  # the same for every attempt to persist the same
    result: Any = None
    effects: Effects = field(default_factory=Effects)
    error: BaseException | None = None

    def report(self) -> None:
        """Let the effects happen, even if nobody waits for the result any more."""
        if self.error is None:
            self.committed(self.effects)
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(self.result)
        else:
            self.done.set_exception(self.error)


class _Outage:
    """Keeps why the database cannot be written, and logs the beginning and the end of it."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.waiting = set[object]()  # the work that is to be persisted and could not be

    def note(self, requests: list[_Request]) -> None:
        refused = [request for request in requests if isinstance(request.error, TaskHubUnavailable)]
        before = self.trouble
        if not refused and not before:
            return
        self.waiting -= {request.work for request in requests}
        self.waiting |= {request.work for request in refused if request.work is not None}
        if refused:
            self.trouble = str(refused[0].error)
        elif not self.waiting:
            self.trouble = None
        if self.trouble and not before:
            _log.error("%s What is under way is tried again until it can be kept.", self.trouble)
        elif before and not self.trouble:
            _log.warning("The task hub can be written again.")


class Writer:
    """Writes to a connection from a thread of its own, from construction to `close`."""

    def __init__(self, db: sqlite3.Connection, loop: asyncio.AbstractEventLoop, clock: Clock):
        self._db, self._loop, self._clock = db, loop, clock
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._outage = _Outage()
        self._thread = threading.Thread(target=self._run, name="task-hub-writer", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why what was handed in last, or still waits to be persisted, cannot be written; None when all is well."""
        return self._outage.trouble

    async def apply[T](
        self, transition: Callable[[Transitions], T], committed: Callable[[Effects], None]
    ) -> T:
        """Run `transition` in a transaction; once it is durable, call `committed` and return its result.

        Raises what the transition raises, and `TaskHubUnavailable`: then nothing has happened.
        """
        return await self._hand_in(transition, committed, None)

    async def persist[T](
        self, transition: Callable[[Transitions], T], committed: Callable[[Effects], None]
    ) -> T:
        """Do the same, however long it takes until the database can be written."""
        pause, work = SHORTEST_PAUSE, object()
        try:
            while True:
                try:
                    return await self._hand_in(transition, committed, work)
                except TaskHubUnavailable:  # the outage is logged once for all
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._outage.waiting.discard(work)

    async def _hand_in[T](
        self, transition: Callable[[Transitions], T], committed: Callable[[Effects], None], work: object
    ) -> T:
        request = _Request(transition, committed, self._loop.create_future(), work)
        self._requests.put(request)
        return await request.done

    async def close(self) -> None:
        """Commit what was handed in, then stop."""
        self._requests.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        running = True
        while running:
            group = self._next_group()
            running = None not in group
            requests = [request for request in group if request is not None]
            if requests:
                self._commit(requests)
                self._loop.call_soon_threadsafe(self._report, requests)

    def _next_group(self) -> list[_Request | None]:
        group = [self._requests.get()]
        while len(group) < LARGEST_GROUP and group[-1] is not None:
            try:
                group.append(self._requests.get_nowait())
            except queue.Empty:
                break
        return group

    def _report(self, requests: list[_Request]) -> None:
        self._outage.note(requests)
        for request in requests:
            request.report()

    def _commit(self, requests: list[_Request]) -> None:
        error = self._commit_together(requests)
        if len(requests) > 1 and _code(error) == sqlite3.SQLITE_FULL:
            for request in requests:  # what is small may still fit
                self._commit_together([request])

    def _commit_together(self, requests: list[_Request]) -> sqlite3.Error | None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._run_one(requests[0], "ROLLBACK", "BEGIN IMMEDIATE")
            for request in requests[1:]:
                self._db.execute("SAVEPOINT one")
                self._run_one(request, "ROLLBACK TO one")
                self._db.execute("RELEASE one")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:  # nobody's transition happened
            self._roll_back()
            for request in requests:
                request.error = TaskHubUnavailable(_explained(error))
            return error
        return None

    def _run_one(self, request: _Request, *undo: str) -> None:
        transitions = Transitions(self._db, self._clock.now())
        try:
            request.result, request.error = request.transition(transitions), None
            request.effects = transitions.effects
        except Exception as error:
            if _code(error) in _OUTAGES:
                raise
            request.error = error
            for statement in undo:
                self._db.execute(statement)

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # SQLite has rolled back on some errors by itself
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                _log.exception("A transaction of the task hub could not be rolled back")


def _code(error: Exception | None) -> int | None:
    """SQLite's primary error code."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _explained(error: sqlite3.Error) -> str:
    remedy = _REMEDIES.get(_code(error) or 0, "See that its disk is in order.")
    return f"The task hub cannot be written: {error}. {remedy}"


_REMEDIES = {
    sqlite3.SQLITE_FULL: "Free space on its disk.",
    sqlite3.SQLITE_BUSY: "End the other program that has its database open.",
    sqlite3.SQLITE_READONLY: "Give this user the right to write its database.",
}
