"""Faults of events: lost, repeated, late, overtaken."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localazure.faults.registry import Faults

# Of one event for one subscription: the seconds by which each of its copies is late.
type Delays = Callable[[str, Mapping[str, Any]], Sequence[float]]


class FaultyEvents:
    """The delays of `usual`, changed by the faults that the event meets."""

    def __init__(self, faults: Faults, usual: Delays):
        self._faults, self._usual = faults, usual

    def __call__(self, subscription: str, event: Mapping[str, Any]) -> Sequence[float]:
        delays = list(self._usual(subscription, event))
        if not self._faults.any():
            return delays
        place = {
            "subscription": subscription,
            "type": str(event.get("eventType") or event.get("type") or ""),
            "subject": str(event.get("subject") or ""),
        }
        if self._faults.meet("lose-event", **place):
            return ()
        if again := self._faults.meet("duplicate-event", **place):
            within, copies = again.number("within_seconds"), int(again.number("copies"))
            delays += [within * again.draw(f"copy {number}") for number in range(1, copies)]
        if late := self._faults.meet("delay-event", **place):
            delays = [delay + late.number("seconds") for delay in delays]
        if mixed := self._faults.meet("reorder-events", **place):
            within = mixed.number("within_seconds")
            delays = [delay + within * mixed.draw(f"late {number}") for number, delay in enumerate(delays)]
        return delays
