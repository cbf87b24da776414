"""A Functions host that is killed at random moments while releases are on their way."""

import json
import random
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import kill

import httpx

from tests.journeys.stack import Stack

PAUSE = (4.0, 16.0)  # seconds between two kills
WITHIN, AT_MOST = 61.0, 3  # more of them, and the supervisor takes it that the app cannot run


@dataclass
class Killer:
    """SIGKILLs the host of a stack, by its id, `wanted` times or until it is told to stop."""

    stack: Stack
    wanted: int
    chance: random.Random
    stop: threading.Event = field(default_factory=threading.Event)
    kills: list[float] = field(default_factory=list[float])

    @property
    def satisfied(self) -> bool:
        return len(self.kills) >= self.wanted

    def run(self) -> None:
        while not self.satisfied and not self.stop.wait(self._pause()):
            if self._answers():
                kill(self._host(), signal.SIGKILL)
                self.kills.append(time.monotonic())

    def _pause(self) -> float:
        """A random while, and longer where the supervisor would give up."""
        recent = self.kills[-AT_MOST:]
        patience = recent[0] + WITHIN - time.monotonic() if len(recent) == AT_MOST else 0.0
        return max(patience, self.chance.uniform(*PAUSE))

    def _host(self) -> int:
        return json.loads((self.stack.state / "state.json").read_text())["children"]["functions"]

    def _answers(self) -> bool:
        """A host that is still starting is let be: it would only start again."""
        with suppress(httpx.TransportError):
            return self.stack.functions.get("/admin/host/status").is_success
        return False


@contextmanager
def killed_now_and_then(stack: Stack, kills: int, seed: int) -> Generator[Killer]:
    """Until the block ends, or so many kills are done, the host dies at random moments."""
    killer = Killer(stack, kills, random.Random(seed))
    thread = threading.Thread(target=killer.run, name="killer")
    thread.start()
    try:
        yield killer
    finally:
        killer.stop.set()
        thread.join()
