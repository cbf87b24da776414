"""Event subscriptions: those of the configuration, deployed again at every start, and those made through ARM."""

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from localazure.documents import Documents
from localazure.event_grid.filters import matches
from localazure.event_grid.handshake import Invitation
from localazure.event_grid.schema import Event
from localazure.event_grid.sources import Sources
from localazure.event_grid_config import EventSchema, Subscription

MANUAL_SECONDS = 600.0  # that a validation URL is good for


@dataclass(frozen=True)
class Registered:
    """A subscription in force. `properties` are what ARM was sent; `token` is in the validation URL.

    A configured webhook is validated before its first delivery, one made through ARM when it is made.
    """

    settings: Subscription
    source_id: str
    is_configured: bool
    validated: bool
    since: float
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> str:
        return subscription_key(self.source_id, self.settings.name)

    @property
    def is_webhook(self) -> bool:
        return self.settings.webhook is not None

    @property
    def state(self) -> str:
        """ARM's provisioningState."""
        if self.validated or self.is_configured:
            return "Succeeded"
        return "AwaitingManualAction" if time.time() - self.since < MANUAL_SECONDS else "Failed"


def subscription_key(source_id: str, name: str) -> str:
    return f"{source_id}/{name}".lower()


class Subscriptions:
    """All subscriptions by key. Thread-safe."""

    def __init__(
        self, documents: Documents, sources: Sources, configured: Sequence[Subscription], azure: str
    ):
        self._documents, self._sources, self._azure = documents, sources, azure
        self._lock = threading.Lock()
        self._all = {key: _load(body) for key, body in documents.list("subscriptions")}
        self._deploy(configured)

    def _deploy(self, configured: Sequence[Subscription]) -> None:
        wanted = {subscription_key(self._sources.id_of(one.source), one.name): one for one in configured}
        for old in [one for one in self._all.values() if one.is_configured and one.key not in wanted]:
            self.delete(old.key)
        for key, settings in wanted.items():
            old = self._all.get(key)
            same = old and old.is_configured and old.settings.webhook == settings.webhook
            self.put(
                Registered(
                    settings,
                    self._sources.id_of(settings.source),
                    is_configured=True,
                    validated=settings.webhook is None or bool(same and old and old.validated),
                    since=time.time(),
                )
            )

    def get(self, key: str) -> Registered | None:
        with self._lock:
            return self._all.get(key)

    def all(self, source_id: str | None = None) -> list[Registered]:
        with self._lock:
            found = list(self._all.values())
        return [one for one in found if source_id is None or one.source_id.lower() == source_id.lower()]

    def put(self, one: Registered) -> None:
        with self._lock:
            self._documents.put("subscriptions", one.key, _dump(one))
            self._all[one.key] = one

    def delete(self, key: str) -> bool:
        with self._lock:
            self._documents.delete("subscriptions", key)
            return self._all.pop(key, None) is not None

    def wanting(self, source_id: str, event: Event) -> list[Registered]:
        """The subscriptions in force whose filters let `event` through."""
        found = [one for one in self.all(source_id) if one.state == "Succeeded"]
        return [one for one in found if matches(event, one.settings)]

    def schema_of(self, one: Registered) -> EventSchema:
        """What its deliveries are written in."""
        return one.settings.delivery_schema or self._sources.schema_of(one.settings.source)

    def invitation(self, one: Registered) -> Invitation:
        url = f"{self._azure}/eventsubscriptions/{one.settings.name}/validate?token={one.token}"
        return Invitation(one.settings.name, one.source_id, url)

    def confirm(self, token: str) -> Registered | None:
        """Note that the validation URL with `token` was asked for; None when there is none, or no longer."""
        for one in self.all():
            if secrets.compare_digest(one.token.encode(), token.encode()) and one.state != "Failed":
                confirmed = replace(one, validated=True)
                self.put(confirmed)
                return confirmed
        return None


def _dump(one: Registered) -> dict[str, Any]:
    return asdict(one) | {"settings": one.settings.model_dump(mode="json")}


def _load(body: dict[str, Any]) -> Registered:
    return replace(Registered(**body), settings=Subscription.model_validate(body["settings"]))
