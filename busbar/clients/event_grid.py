"""Event Grid: publish a fact to Busbar's own topic."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from busbar.clients.session import credential, load, translated
from busbar.settings import Settings

if TYPE_CHECKING:
    from azure.eventgrid import EventGridPublisherClient


class Events:
    """The topic. Delivery is at least once and unordered: an event's `id` tells a repeat."""

    def __init__(self, settings: Settings):
        load("azure.eventgrid")
        self._endpoint = settings.event_grid_endpoint

    @cached_property
    def _client(self) -> "EventGridPublisherClient":
        from azure.eventgrid import EventGridPublisherClient

        return EventGridPublisherClient(self._endpoint, credential(), retry_total=2)

    def publish(self, event_type: str, subject: str, data: Mapping[str, Any], *, id: str) -> None:
        """Publish one event (at most 1 MB); the same `id` again is a repeat that every reader drops."""
        from azure.eventgrid import EventGridEvent

        event = EventGridEvent(subject, event_type, dict(data), "1", id=id)
        with translated(f"publish {event_type} {id}"):
            self._client.send(event)
