"""What may happen to an event between its acceptance and its first delivery: Azure keeps no order and may repeat."""

import random
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from localazure.event_grid_config import Disorder


class Disturb(Protocol):
    """Decides on one event for one subscription: the seconds by which each of its copies is late.

    `(0,)` delivers as usual, `()` loses the event, `(0, 0)` duplicates it, `(5,)` delays it, different delays reorder.
    Called from any thread, before the event is on disk; what it decides is kept across a restart.
    """

    def __call__(self, subscription: str, event: Mapping[str, Any]) -> Sequence[float]: ...


def on_time(subscription: str, event: Mapping[str, Any]) -> Sequence[float]:
    """The `Disturb` that does nothing."""
    return (0.0,)


class Shuffle:
    """Delivers out of order and now and then twice, by a seed."""

    def __init__(self, settings: Disorder):
        self._settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - repeatable, not secret
        self._lock = threading.Lock()

    def __call__(self, subscription: str, event: Mapping[str, Any]) -> Sequence[float]:
        with self._lock:
            copies = 2 if self._random.random() < self._settings.duplicates else 1
            return [self._random.uniform(0, self._settings.within_seconds) for _ in range(copies)]
