"""Events on their way to subscriptions: on disk first, then in a queue ordered by when they are due."""

import heapq
import itertools
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from localazure.documents import Documents

COUNTERS = ("published", "delivered", "failed", "retried", "dropped", "dead_lettered")


@dataclass(frozen=True)
class Delivery:
    """One event for one subscription. Times are seconds since the epoch; `attempts` are those already made."""

    key: str
    subscription: str
    event: dict[str, Any]
    published: float
    due: float
    attempts: int = 0
    last_attempt: float | None = None
    last_outcome: str = ""


@dataclass(order=True, frozen=True)
class _Due:
    at: float
    key: str
    delivery: Delivery = field(compare=False)


class Outbox:
    """What is still to be delivered, what was given up, and how many there were. Thread-safe."""

    def __init__(self, documents: Documents):
        self._documents = documents
        self._lock = threading.Lock()
        waiting = [Delivery(**body) for _, body in documents.list("delivery")]
        self._heap = [_Due(delivery.due, delivery.key, delivery) for delivery in waiting]
        heapq.heapify(self._heap)
        last = documents.get("sequence", "last") or {"value": 0}
        self._sequence = itertools.count(last["value"] + 1)
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0) | (documents.get("counters", "all") or {})

    def add(self, event: dict[str, Any], subscriptions: Iterable[str]) -> None:
        """Queue `event` for each of `subscriptions`; on disk once this returns."""
        now = time.time()
        with self._lock, self._documents.transaction():
            self._count("published")
            names = list(subscriptions)
            if not names:
                self._count("dropped")
            for name in names:
                number = next(self._sequence)
                self._documents.put("sequence", "last", {"value": number})
                self._put(Delivery(f"{number:012d}", name, event, published=now, due=now))

    def take_due(self, now: float) -> list[Delivery]:
        """Take out what is due by `now`, oldest first; each must come back through `done`, `retry` or `give_up`."""
        with self._lock:
            taken: list[Delivery] = []
            while self._heap and self._heap[0].at <= now:
                taken.append(heapq.heappop(self._heap).delivery)
            return taken

    def next_due(self) -> float | None:
        with self._lock:
            return self._heap[0].at if self._heap else None

    def done(self, delivery: Delivery) -> None:
        with self._lock, self._documents.transaction():
            self._documents.delete("delivery", delivery.key)
            self._count("delivered")

    def retry(self, delivery: Delivery) -> None:
        """Keep `delivery` for its (new) due time."""
        with self._lock, self._documents.transaction():
            self._put(delivery)
            self._count("retried")

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """Move `delivery` to the dead letters."""
        with self._lock, self._documents.transaction():
            self._documents.delete("delivery", delivery.key)
            self._documents.put("dead_letter", delivery.key, asdict(delivery) | {"reason": reason})
            self._count("failed")
            self._count("dead_lettered")

    def revive(self, key: str) -> bool:
        """Put a dead letter back in the queue, due now; says whether there was one."""
        body = self._documents.get("dead_letter", key)
        if body is None:
            return False
        del body["reason"]
        now = time.time()
        with self._lock, self._documents.transaction():
            self._documents.delete("dead_letter", key)
            self._put(replace(Delivery(**body), due=now, published=now, attempts=0))
        return True

    def waiting(self) -> list[dict[str, Any]]:
        return [body for _, body in self._documents.list("delivery")]

    def dead_letters(self) -> list[dict[str, Any]]:
        return [body for _, body in self._documents.list("dead_letter")]

    def _put(self, delivery: Delivery) -> None:
        self._documents.put("delivery", delivery.key, asdict(delivery))
        heapq.heappush(self._heap, _Due(delivery.due, delivery.key, delivery))

    def _count(self, name: str) -> None:
        self.counters[name] += 1
        self._documents.put("counters", "all", self.counters)
