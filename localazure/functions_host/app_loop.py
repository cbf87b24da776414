"""An event loop for the app's own coroutines: what blocks it does not hold up the host."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any


class AppLoop:
    """Runs in a thread of its own for as long as the process lives."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="app-loop", daemon=True).start()

    async def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which is cancelled with the caller."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
