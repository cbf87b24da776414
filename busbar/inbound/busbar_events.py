"""The events that the app publishes to its own topic, there and back."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from busbar.domain.errors import BadRequest
from busbar.domain.events import EventType, RepositoryPushed
from busbar.inbound import envelope, fields


def event_id(push: RepositoryPushed) -> str:
    """The same push has the same id, whoever noticed it and however often: webhook, redelivery, reconciling timer."""
    fact = "\0".join((push.repository, push.branch, push.before, push.after))
    return f"push-{hashlib.sha256(fact.encode()).hexdigest()[:32]}"


def to_event_data(push: RepositoryPushed) -> dict[str, Any]:
    """What `Busbar.RepositoryPushed` carries; `read_push_event` reads it back."""
    return asdict(push)


def read_push_event(event: Mapping[str, Any]) -> RepositoryPushed:
    """The push in a `Busbar.RepositoryPushed` event; raises `BadRequest` naming the field."""
    if (found := envelope.event_type(event)) != EventType.REPOSITORY_PUSHED:
        raise BadRequest("eventType", f"{found} is not {EventType.REPOSITORY_PUSHED}")
    data = envelope.event_data(event)
    return RepositoryPushed(
        repository=fields.text(data, "repository", "data.repository"),
        branch=fields.text(data, "branch", "data.branch"),
        before=fields.commit(data, "before", "data.before"),
        after=fields.commit(data, "after", "data.after"),
        requester=fields.text(data, "requester", "data.requester"),
        forced=fields.boolean(data, "forced", "data.forced"),
    )
