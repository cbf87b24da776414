"""The events that the app publishes to its own topic, there and back."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from busbar.domain.events import EventType, RepositoryPushed
from busbar.inbound import envelope, fields


@dataclass(frozen=True)
class OutgoingEvent:
    """What a publisher needs. The same fact has the same `id`, whoever noticed it and however often."""

    event_type: str
    subject: str
    data: Mapping[str, Any]
    id: str


def outgoing(push: RepositoryPushed) -> OutgoingEvent:
    """A push as an event; webhook, redelivery and the reconciling timer make the same one."""
    fact = "\0".join((push.repository, push.branch, push.before, push.after))
    digest = hashlib.sha256(fact.encode()).hexdigest()[:32]
    subject = f"{push.repository}/{push.branch}"
    return OutgoingEvent(EventType.REPOSITORY_PUSHED, subject, asdict(push), f"push-{digest}")


def read_event(event: Mapping[str, Any]) -> RepositoryPushed | None:
    """The push in an event of ours; `None` for events of other types. Raises `BadRequest` naming the field."""
    if envelope.event_type(event) != EventType.REPOSITORY_PUSHED:
        return None
    data = envelope.event_data(event)
    return RepositoryPushed(
        repository=fields.text(data, "repository", "data.repository"),
        branch=fields.text(data, "branch", "data.branch"),
        before=fields.text(data, "before", "data.before"),
        after=fields.text(data, "after", "data.after"),
        requester=fields.text(data, "requester", "data.requester"),
        forced=fields.boolean(data, "forced"),
    )
