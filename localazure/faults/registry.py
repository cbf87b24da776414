"""The faults that were asked for: whether one happens here and now, and what happened so far; kept over restarts."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localazure.documents import Document, Documents
from localazure.faults.fault import Fault, Injection, place_key

KEPT_LOG = 1000
_KEPT_SECONDS = 3600.0  # an ended fault is shown for an hour

type Clock = Callable[[], float]


@dataclass(frozen=True)
class Planted:
    """A fault in the registry. `added` is in seconds since the epoch; of what it covers it `met` and hit so many."""

    id: str
    fault: Fault
    added: float
    met: int = 0
    injected: int = 0

    @property
    def until(self) -> float:
        return self.added + (self.fault.for_seconds or 0.0)

    def is_live(self, now: float) -> bool:
        times = self.fault.times
        return now < self.until and (times is None or self.injected < times)

    def document(self) -> Document:
        numbers = {"id": self.id, "added": self.added, "met": self.met, "injected": self.injected}
        return {**numbers, "fault": self.fault.model_dump(mode="json")}

    @classmethod
    def from_document(cls, document: Document) -> "Planted":
        rest = {name: value for name, value in document.items() if name != "fault"}
        return cls(fault=Fault.model_validate(document["fault"]), **rest)


class Faults:
    """Safe for threads; costs nothing while there is no fault of the kind that is asked about."""

    def __init__(self, path: Path | str = ":memory:", clock: Clock = time.time):
        self._documents = Documents(path)
        self._clock = clock
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], object]] = []
        found = (Planted.from_document(body) for _, body in self._documents.list("fault"))
        self._planted = {one.id: one for one in sorted(found, key=lambda one: one.added)}
        self._logged = max((int(key) for key, _ in self._documents.list("log")), default=0)

    def add(self, fault: Fault) -> Planted:
        """Have `fault` happen from now on; on disk once this returns."""
        with self._lock, self._documents.transaction():
            self._forget_ended()
            planted = Planted(uuid.uuid4().hex[:8], fault, self._clock())
            self._keep(planted)
        self._tell()
        return planted

    def clear(self, identifier: str | None = None) -> int:
        """End one fault, or all; how many there were."""
        with self._lock, self._documents.transaction():
            ended = [one for one in self._planted if identifier in (None, one)]
            for one in ended:
                self._forget(one)
        self._tell()
        return len(ended)

    def all(self) -> list[Planted]:
        with self._lock:
            return list(self._planted.values())

    def is_live(self, planted: Planted) -> bool:
        return planted.is_live(self._clock())

    def log(self) -> list[Document]:
        """What was injected into what, newest first: `at` (seconds since the epoch), `fault`, `kind`, `into`."""
        return [body for _, body in reversed(self._documents.list("log"))]

    def meet(self, kind: str, **place: str) -> Injection | None:
        """Whether a fault of `kind` happens at `place` now; if so it is counted and logged."""
        if not self.has(kind):
            return None
        with self._lock, self._documents.transaction():
            now = self._clock()
            for planted in self.all():
                if planted.fault.kind != kind or not planted.is_live(now) or not planted.fault.covers(place):
                    continue
                if injection := self._meet(planted, place, now):
                    return injection
        return None

    def any(self) -> bool:
        """Whether there is any fault at all, live or not: what every request asks first."""
        return bool(self._planted)

    def has(self, kind: str) -> bool:
        """Whether there is a fault of `kind`, live or not."""
        return any(one.fault.kind == kind for one in self.all())

    def in_force(self, kind: str) -> Injection | None:
        """The first live fault of `kind`; only looks."""
        now = self._clock()
        live = (one for one in self.all() if one.fault.kind == kind and one.is_live(now))
        return next((Injection(one.fault.parameters, one.id) for one in live), None)

    def until(self, kind: str) -> float | None:
        """When the last live fault of `kind` ends, in seconds since the epoch."""
        now = self._clock()
        return max(
            (one.until for one in self.all() if one.fault.kind == kind and one.is_live(now)), default=None
        )

    def listen(self, listener: Callable[[], object]) -> None:
        """Have `listener` called, on any thread, whenever faults were added or cleared."""
        self._listeners.append(listener)

    def close(self) -> None:
        self._documents.close()

    def _meet(self, planted: Planted, place: Mapping[str, str], now: float) -> Injection | None:
        met, fault = planted.met + 1, planted.fault
        key = place_key(place)
        injection = Injection(
            fault.parameters, f"{fault.seed}|{fault.kind}|{key}|{self._count(planted, key)}"
        )
        happens = met % fault.every == 0 and injection.draw("happens") < fault.probability
        self._keep(replace(planted, met=met, injected=planted.injected + happens))
        if not happens:
            return None
        self._write(planted, place)
        return injection

    def _count(self, planted: Planted, key: str) -> int:
        """The how-manieth time this is at one place: draws follow it, whatever happens elsewhere meanwhile."""
        document = f"{planted.id}/{key}"
        count = (self._documents.get("seen", document) or {"count": 0})["count"] + 1
        self._documents.put("seen", document, {"count": count})
        return count

    def _write(self, planted: Planted, into: Mapping[str, str]) -> None:
        self._logged += 1
        entry: dict[str, Any] = {
            "number": self._logged,
            "at": self._clock(),
            "fault": planted.id,
            "kind": planted.fault.kind,
            "into": dict(into),
        }
        self._documents.put("log", f"{self._logged:012d}", entry)
        self._documents.delete("log", f"{self._logged - KEPT_LOG:012d}")

    def _keep(self, planted: Planted) -> None:
        self._planted[planted.id] = planted
        self._documents.put("fault", planted.id, planted.document())

    def _forget_ended(self) -> None:
        now = self._clock()
        for planted in self.all():
            if not planted.is_live(now) and now - planted.added > _KEPT_SECONDS:
                self._forget(planted.id)

    def _forget(self, identifier: str) -> None:
        del self._planted[identifier]
        self._documents.delete("fault", identifier)
        for key, _ in self._documents.list("seen", f"{identifier}/"):
            self._documents.delete("seen", key)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
