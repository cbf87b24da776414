"""The durable client, in the few words that routes and events need."""

import json
from typing import Any

from azure.durable_functions import SyncDurableFunctionsClient

from busbar.codec import to_wire
from busbar.domain.recovery import InstanceStatus, Standing

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
        return Standing(state.instance_id, state.name, status, _sentence(state.serialized_custom_status))

    def raise_event(self, instance_id: str, event: str) -> None:
        """Wake an instance; one that is unknown or has finished needs no waking."""
        state = self._client.get_orchestration_state(instance_id)
        if state is not None and state.runtime_status.name not in ("COMPLETED", "FAILED", "TERMINATED"):
            self._client.raise_orchestration_event(instance_id, event)

    def voted(self, request_id: str) -> None:
        """Tell an approval's orchestration, whose id is the request's, that a vote was cast."""
        self.raise_event(request_id, VOTED)


def _sentence(custom_status: str | None) -> str:
    """An orchestrator's custom status, where it is a sentence."""
    said: object = json.loads(custom_status) if custom_status else ""
    return said if isinstance(said, str) else ""
