"""Events on their way to subscriptions: on disk first, then in a queue ordered by when they are due."""

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from localazure.documents import Documents

COUNTERS = ("published", "unmatched")
METRICS = ("matched", "delivered", "failed", "dropped", "dead_lettered")  # `failed`: attempts
KEPT_DEAD_LETTERS = 1000  # of the page; the blobs of a container stay


@dataclass(frozen=True)
class Delivery:
    """One event for one subscription (its key). Times are seconds since the epoch; `attempts` are those already made.

    `reason` is set once it is given up and waits for its place in the dead-letter container.
    """

    key: str
    subscription: str
    event: dict[str, Any]
    published: float
    due: float
    attempts: int = 0
    last_attempt: float | None = None
    last_outcome: str = ""
    reason: str = ""
    given_up: float | None = None

    @property
    def kind(self) -> str:
        """Where the documents keep it."""
        return "undeliverable" if self.reason else "delivery"


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
        kept = [body for kind in ("delivery", "undeliverable") for _, body in documents.list(kind)]
        self._heap = [_Due(one.due, one.key, one) for one in (Delivery(**body) for body in kept)]
        heapq.heapify(self._heap)
        last = documents.get("sequence", "last") or {"value": 0}
        self._sequence = itertools.count(last["value"] + 1)
        self._dead = deque(key for key, _ in documents.list("dead_letter"))
        stored = documents.get("counters", "all") or {}
        self._counters = {name: int(stored.get(name, 0)) for name in COUNTERS}
        self._metrics = {key: dict.fromkeys(METRICS, 0) | body for key, body in documents.list("metrics")}

    def add(self, event: dict[str, Any], delays: Mapping[str, Sequence[float]]) -> None:
        """Queue `event` for each subscription of `delays`, once for each of its delays (seconds); on disk once this
        returns."""
        now = time.time()
        with self._lock, self._documents.transaction():
            self._counters["published"] += 1
            self._counters["unmatched"] += not delays
            self._documents.put("counters", "all", dict(self._counters))
            for subscription, seconds in delays.items():
                self._count(subscription, "matched")
                for delay in seconds:
                    self._put(Delivery(self._next_key(), subscription, event, published=now, due=now + delay))

    def take_due(self, now: float) -> list[Delivery]:
        """Take out what is due by `now`, oldest first; each must come back through one of the methods below."""
        with self._lock:
            taken: list[Delivery] = []
            while self._heap and self._heap[0].at <= now:
                taken.append(heapq.heappop(self._heap).delivery)
            return taken

    def next_due(self) -> float | None:
        with self._lock:
            return self._heap[0].at if self._heap else None

    def done(self, deliveries: Sequence[Delivery]) -> None:
        with self._lock, self._documents.transaction():
            for delivery in deliveries:
                self._documents.delete("delivery", delivery.key)
                self._count(delivery.subscription, "delivered")

    def wait(self, delivery: Delivery) -> None:
        """Keep `delivery` for its (new) due time; nothing was attempted."""
        with self._lock, self._documents.transaction():
            self._put(delivery)

    def retry(self, delivery: Delivery) -> None:
        """Keep `delivery` for its (new) due time after a failed attempt."""
        with self._lock, self._documents.transaction():
            self._put(delivery)
            self._count(delivery.subscription, "failed")

    def give_up(self, delivery: Delivery, *, attempted: bool) -> None:
        """Keep `delivery`, which has a reason now, until it is due for the dead-letter container."""
        with self._lock, self._documents.transaction():
            self._documents.delete("delivery", delivery.key)
            self._put(delivery)
            if attempted:
                self._count(delivery.subscription, "failed")

    def drop(self, delivery: Delivery, reason: str, *, attempted: bool = False) -> None:
        """End `delivery` without a blob; it can still be looked at and redelivered."""
        with self._lock, self._documents.transaction():
            if attempted:
                self._count(delivery.subscription, "failed")
            self._bury(delivery, {"outcome": "dropped", "reason": reason, "blob": None})
            self._count(delivery.subscription, "dropped")

    def dead_lettered(self, deliveries: Sequence[Delivery], blob: str) -> None:
        """End `deliveries`, which are in `blob` (container/path) now."""
        with self._lock, self._documents.transaction():
            for delivery in deliveries:
                self._bury(delivery, {"outcome": "dead-lettered", "blob": blob})
                self._count(delivery.subscription, "dead_lettered")

    def revive(self, key: str) -> bool:
        """Put a dead letter back in the queue, due now; says whether there was one."""
        with self._lock, self._documents.transaction():
            body = self._documents.get("dead_letter", key)
            if body is None:
                return False
            self._documents.delete("dead_letter", key)
            now, subscription, event = time.time(), body["subscription"], body["event"]
            self._put(Delivery(self._next_key(), subscription, event, published=now, due=now))
        return True

    @property
    def counters(self) -> dict[str, int]:
        """Of all topics and subscriptions together."""
        with self._lock:
            sums = {name: sum(one[name] for one in self._metrics.values()) for name in METRICS}
            return {**self._counters, **sums}

    def metrics(self, subscription: str) -> dict[str, int]:
        with self._lock:
            return dict(self._metrics.get(subscription) or dict.fromkeys(METRICS, 0))

    def waiting(self) -> list[dict[str, Any]]:
        return [body for _, body in self._documents.list("delivery")]

    def undeliverable(self) -> list[dict[str, Any]]:
        """What is given up and not yet in its container."""
        return [body for _, body in self._documents.list("undeliverable")]

    def dead_letters(self) -> list[dict[str, Any]]:
        """What was given up last, newest first."""
        return [body for _, body in reversed(self._documents.list("dead_letter"))]

    def _next_key(self) -> str:
        number = next(self._sequence)
        self._documents.put("sequence", "last", {"value": number})
        return f"{number:012d}"

    def _put(self, delivery: Delivery) -> None:
        self._documents.put(delivery.kind, delivery.key, asdict(delivery))
        heapq.heappush(self._heap, _Due(delivery.due, delivery.key, delivery))

    def _bury(self, delivery: Delivery, end: Mapping[str, Any]) -> None:
        body = asdict(replace(delivery, given_up=delivery.given_up or time.time())) | dict(end)
        for kind in ("delivery", "undeliverable"):
            self._documents.delete(kind, delivery.key)
        self._documents.put("dead_letter", delivery.key, body)
        self._dead.append(delivery.key)
        while len(self._dead) > KEPT_DEAD_LETTERS:
            self._documents.delete("dead_letter", self._dead.popleft())

    def _count(self, subscription: str, name: str) -> None:
        metrics = self._metrics.setdefault(subscription, dict.fromkeys(METRICS, 0))
        metrics[name] += 1
        self._documents.put("metrics", subscription, metrics)
