"""Storage that does not answer: Azurite's process stopped by SIGSTOP for a while, and always continued."""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from localazure.faults.registry import Faults

if TYPE_CHECKING:
    import psutil

KIND = "blob-unavailable"
_log = logging.getLogger(__name__)


class StorageGate:
    """Holds the Azurite of `state` still while a fault is in force. No standstill outlives the server: the others could
    not start."""

    def __init__(self, state: Path, faults: Faults):
        self._state, self._faults = state, faults
        self._changed = asyncio.Event()
        self._may_be_still = faults.has(KIND)  # an earlier server may have died in a standstill
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for planted in self._faults.all():
            if planted.fault.kind == KIND:
                self._faults.clear(planted.id)
        await asyncio.to_thread(self._release)
        loop = asyncio.get_running_loop()
        self._faults.listen(lambda: loop.call_soon_threadsafe(self._changed.set))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while True:
                self._changed.clear()
                until = self._faults.until(KIND)
                await asyncio.to_thread(self._hold if until else self._release)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), until and max(0.0, until - time.time()))
        finally:
            self._release()

    def _hold(self) -> None:
        self._may_be_still = True
        for process in _azurites(self._state):
            process.send_signal(signal.SIGSTOP)
            self._faults.meet(KIND, process=str(process.pid))
            _log.warning("Azurite, process %d, stands still", process.pid)

    def _release(self) -> None:
        if not self._may_be_still:
            return
        for process in _azurites(self._state):
            process.send_signal(signal.SIGCONT)
            _log.warning("Azurite, process %d, goes on", process.pid)
        self._may_be_still = False


def _azurites(state: Path) -> "list[psutil.Process]":
    from localazure import leftovers  # only who stops storage pays for looking at processes

    return [process for process in leftovers.find(state) if "--location" in process.cmdline()]
