"""Events lost, repeated, late and overtaken between Event Grid and the function."""

import time
from collections import Counter
from collections.abc import Sequence

import pytest

from localazure.faults import Fault, Faults
from localazure.faults.events import FaultyEvents
from tests.localazure.faults_on_demand.conftest import Stack, until


def publish(stack: Stack, *subjects: str) -> None:
    """Each by itself, in order, with the real SDK."""
    from azure.core.credentials import AzureKeyCredential
    from azure.eventgrid import EventGridEvent, EventGridPublisherClient

    endpoint = f"{stack.runtime.addresses.azure}/topics/orders/api/events"
    with EventGridPublisherClient(
        endpoint, AzureKeyCredential(stack.runtime.secrets["event_grid_key"])
    ) as topic:
        for subject in subjects:
            topic.send(EventGridEvent(subject, "Orders.Placed", {}, "1.0"))


def delivered(stack: Stack) -> list[str]:
    return [event["subject"] for one in stack.receiver.received for event in one.json]


def arrives(stack: Stack, *subjects: str) -> None:
    until(lambda: set(delivered(stack)) >= set(subjects), f"{subjects} to arrive", 20)


def test_a_lost_event_never_arrives(stack: Stack) -> None:
    fault = stack.fault("lose-event", where={"subject": "lost-*"})
    publish(stack, "lost-1", "kept-1")
    arrives(stack, "kept-1")
    assert delivered(stack) == ["kept-1"]
    assert [one["subject"] for one in stack.injected(fault)] == ["lost-1"]
    publish(stack, "lost-1")
    arrives(stack, "lost-1")


def test_a_duplicate_is_the_same_event_again(stack: Stack) -> None:
    stack.fault("duplicate-event", parameters={"copies": 3, "within_seconds": 0.2}, times=1)
    publish(stack, "again", "once")
    until(lambda: len(delivered(stack)) == 4, "four deliveries")
    assert Counter(delivered(stack)) == {"again": 3, "once": 1}
    ids = {event["id"] for one in stack.receiver.received for event in one.json}
    assert len(ids) == 2


def test_a_late_event_is_overtaken(stack: Stack) -> None:
    stack.fault("delay-event", where={"type": "Orders.*"}, parameters={"seconds": 1}, times=1)
    begun = time.monotonic()
    publish(stack, "late", "on time")
    arrives(stack, "late", "on time")
    assert delivered(stack) == ["on time", "late"]
    assert stack.receiver.received[-1].at - begun >= 1


def test_reordered_events_all_arrive_and_not_in_order(stack: Stack) -> None:
    names = [f"order-{number}" for number in range(8)]
    stack.fault("reorder-events", parameters={"within_seconds": 2}, seed=1)
    publish(stack, *names)
    arrives(stack, *names)
    assert sorted(delivered(stack)) == names
    assert delivered(stack) != names


@pytest.mark.parametrize("kind", ["lose-event", "duplicate-event", "delay-event", "reorder-events"])
def test_the_same_events_under_the_same_seed_meet_the_same(kind: str) -> None:
    def fates(seed: int) -> list[Sequence[float]]:
        faults = Faults()
        faults.add(Fault.read({"kind": kind, "probability": 0.5, "seed": seed, "for_seconds": 60}))
        disturbed = FaultyEvents(faults, lambda subscription, event: (0.0,))
        return [disturbed("s", {"eventType": "t", "subject": f"/{number % 5}"}) for number in range(40)]

    assert fates(1) == fates(1) != fates(2)
    assert (0.0,) in [tuple(one) for one in fates(1)]


def test_faults_change_what_was_disordered_already() -> None:
    faults = Faults()
    faults.add(Fault.read({"kind": "delay-event", "parameters": {"seconds": 5}}))
    disturbed = FaultyEvents(faults, lambda subscription, event: (0.5, 1.0))
    assert [disturbed("s", {}), disturbed("s", {})] == [[5.5, 6.0], [0.5, 1.0]]
