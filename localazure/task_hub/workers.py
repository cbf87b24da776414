"""Tasks that do one piece of work after another, and can be stopped between two of them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import cast

_log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE = 5.0  # seconds

type Piece = Coroutine[None, None, None]


class Workers:
    """The workers of a task hub, from `start` to `stop`. Lives on one event loop."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._busy = set[asyncio.Task[None]]()
        self._one_is_done = asyncio.Event()
        self.stopping = False

    def start(self, workers: Iterable[Piece]) -> None:
        """Each of them waits for work and does it by `do`, until `stopping`."""
        self._tasks = [asyncio.create_task(worker) for worker in workers]

    async def stop(self, grace: float) -> None:
        """Have no more work begun, and give what is under way `grace` seconds."""
        self.stopping = True
        await _cancel([task for task in self._tasks if task not in self._busy])
        if self._busy:
            await asyncio.wait(self._busy, timeout=grace)
        await _cancel(self._tasks)

    async def do(self, work: Piece, what: str, again: Callable[[], None]) -> None:
        """Do a piece of work. If it fails, its worker goes on, and `again` is called after a pause."""
        worker = cast(asyncio.Task[None], asyncio.current_task())
        self._busy.add(worker)
        try:
            await work
        except Exception:  # whatever it was, the other instances go on
            _log.exception(
                "The task hub failed at a %s; it is tried again in %s s", what, PAUSE_AFTER_FAILURE
            )
            asyncio.get_running_loop().call_later(PAUSE_AFTER_FAILURE, again)
        finally:
            self._busy.discard(worker)
            self._one_is_done.set()

    @property
    def busy(self) -> bool:
        """Whether a piece of work is under way."""
        return bool(self._busy)

    async def pause(self) -> None:
        """Let others go on, until a piece of work is done if one is under way."""
        if not self._busy:
            await asyncio.sleep(0)
            return
        self._one_is_done.clear()
        await self._one_is_done.wait()


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
