"""Where an orchestrator's turns run: in the library's threads, and on the event loop once they are known to be short.

A thread for a turn costs about as much as half the turn itself. But what waits or computes for long on the event loop
holds everything up, and an orchestrator that must not do so may still: it is tried in threads first, and goes back.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

_log = logging.getLogger(__name__)

LONG = 0.1  # seconds that a turn may hold the event loop
TOLD = 1.0  # seconds of a turn that no busy machine explains
TRIAL = 3  # short turns in threads before the first on the event loop

_orchestrator = ContextVar[str | None]("orchestrator", default=None)


@dataclass
class _Conduct:
    """Of an orchestrator: its short turns since its last long one, and how many of them are asked for."""

    short: int = 0
    trial: int = TRIAL

    @property
    def trusted(self) -> bool:
        return self.short >= self.trial

    def note(self, seconds: float) -> None:
        if seconds <= LONG:
            self.short += 1
        else:
            self.short, self.trial = 0, 2 * self.trial


class TurnExecutor(ThreadPoolExecutor):
    """Stands before `pool`; only the turns of orchestrators that are trusted do not get there."""

    def __init__(self, pool: ThreadPoolExecutor, clock: Callable[[], float] = time.perf_counter):
        super().__init__(max_workers=1)  # whose thread never starts
        self._pool, self._clock = pool, clock
        self._conducts = defaultdict[str, _Conduct](_Conduct)

    @contextmanager
    def turn_of(self, orchestrator: str | None) -> Generator[None]:
        """What is submitted in the block is a turn of it; of None, anything else."""
        token = _orchestrator.set(orchestrator)
        try:
            yield
        finally:
            _orchestrator.reset(token)

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        name = _orchestrator.get()
        if name is None:
            return self._pool.submit(fn, *args, **kwargs)
        conduct, work = self._conducts[name], partial(fn, *args, **kwargs)
        if conduct.trusted:
            return _on_the_loop(partial(self._timed, name, work))
        return self._pool.submit(self._timed, name, work)

    def _timed[T](self, name: str, work: Callable[[], T]) -> T:
        started = self._clock()
        try:
            return work()
        finally:
            seconds = self._clock() - started
            self._conducts[name].note(seconds)
            if seconds > TOLD:
                _log.warning(
                    "A turn of the orchestrator '%s' took %.1f s. Orchestrators must not wait or compute for long, "
                    "others wait for them: let an activity do it.",
                    name,
                    seconds,
                )


def _on_the_loop[T](work: Callable[[], T]) -> Future[T]:
    done = Future[T]()
    try:
        with _no_running_loop():
            done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - as a thread of the pool does
        done.set_exception(error)
    return done


@contextmanager
def _no_running_loop() -> Generator[None]:
    """As in a thread: `asyncio.run` works."""
    running = asyncio.get_running_loop()
    asyncio._set_running_loop(None)  # pyright: ignore[reportPrivateUsage] - for those who embed loops
    try:
        yield
    finally:
        asyncio._set_running_loop(running)  # pyright: ignore[reportPrivateUsage]
