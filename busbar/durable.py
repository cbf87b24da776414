"""The durable client, in the few words that routes and events need."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from azure.durable_functions import SyncDurableFunctionsClient
from durabletask import history

from busbar.codec import to_wire
from busbar.domain.recovery import InstanceStatus, Standing, Trail

VOTED = "voted"


class Orchestrations:
    """Starts and wakes orchestrations; both are harmless when repeated."""

    def __init__(self, client: SyncDurableFunctionsClient):
        self._client = client

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool:
        """Start under `instance_id` unless it is known, running or finished; says whether it was started.

        Durable Functions would overwrite a finished instance: a late duplicate must not train again.
        """
        if self._client.get_orchestration_state(instance_id) is not None:
            return False
        self._client.schedule_new_orchestration(orchestrator, input=to_wire(request), instance_id=instance_id)
        return True

    def standing(self, instance_id: str) -> Standing | None:
        """Where an instance stands, `None` if the task hub knows none of that id."""
        state = self._client.get_orchestration_state(instance_id)
        if state is None:
            return None
        status = InstanceStatus(state.runtime_status.name.lower())
        said, began = _sentence(state.serialized_custom_status), state.created_at.isoformat()
        return Standing(state.instance_id, state.name, status, said, began)

    def trail(self, instance_id: str) -> Trail:
        """What its history says of children and jobs."""
        return read_trail(self._client.get_orchestration_history(instance_id))

    def suspend(self, instance_id: str, reason: str) -> None:
        """Nothing new starts in it; what is under way ends, and what comes meanwhile waits."""
        self._unless_ended(
            instance_id, lambda: self._client.suspend_orchestration(instance_id, reason=reason)
        )

    def resume(self, instance_id: str, reason: str) -> None:
        self._unless_ended(instance_id, lambda: self._client.resume_orchestration(instance_id, reason=reason))

    def terminate(self, instance_id: str, reason: str) -> None:
        """End it, and it alone: not every backend ends what is below it."""
        self._unless_ended(
            instance_id,
            lambda: self._client.terminate_orchestration(instance_id, output=reason, recursive=False),
        )

    def _unless_ended(self, instance_id: str, act: Callable[[], object], *, known: bool = True) -> None:
        """Act on an instance; one that has come to its end meanwhile needs nothing done.

        known: whether one that the task hub does not know is an error; else it needs nothing done either.
        """
        try:
            act()
        except Exception:  # each backend has errors of its own; whatever it was, it is raised if it matters
            standing = self.standing(instance_id)
            needless = standing.ended if standing else not known
            if not needless:
                raise

    def request(self, instance_id: str) -> Any:
        """What it was started with, as plain JSON."""
        state = self._client.get_orchestration_state(instance_id)
        return json.loads(state.serialized_input) if state and state.serialized_input else None

    def again(self, orchestrator: str, instance_id: str, request: Any) -> None:
        """Start under the id of an instance that has ended, in its place."""
        self._client.schedule_new_orchestration(orchestrator, input=to_wire(request), instance_id=instance_id)

    def raise_event(self, instance_id: str, event: str, data: str = "") -> None:
        """Wake an instance; one that is unknown or has finished needs no waking."""
        self._unless_ended(
            instance_id,
            lambda: self._client.raise_orchestration_event(instance_id, event, data=data or None),
            known=False,
        )

    def voted(self, request_id: str) -> None:
        """Tell an approval's orchestration, whose id is the request's, that a vote was cast."""
        self.raise_event(request_id, VOTED)


def _sentence(custom_status: str | None) -> str:
    """An orchestrator's custom status, where it is a sentence."""
    said: object = json.loads(custom_status) if custom_status else ""
    return said if isinstance(said, str) else ""


def read_trail(events: Sequence[history.HistoryEvent]) -> Trail:
    """The children that have not come back and what submissions gave back, in the order of the history."""
    back = {
        event.task_scheduled_id
        for event in events
        if isinstance(
            event,
            (history.SubOrchestrationInstanceCompletedEvent, history.SubOrchestrationInstanceFailedEvent),
        )
    }
    created = [event for event in events if isinstance(event, history.SubOrchestrationInstanceCreatedEvent)]
    asked = {event.event_id: event.name for event in events if isinstance(event, history.TaskScheduledEvent)}
    answered = [
        (asked[event.task_scheduled_id], json.loads(event.result or "null"))
        for event in events
        if isinstance(event, history.TaskCompletedEvent)
    ]
    return Trail(
        tuple(event.instance_id for event in created if event.event_id not in back),
        tuple((name, result) for name, result in answered if name.startswith("submit_")),
    )
