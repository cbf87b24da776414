"""The events that the app publishes to its own topic, there and back."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from busbar.domain.errors import BadRequest
from busbar.domain.events import DriftDetected, EventType, RepositoryPushed
from busbar.domain.policies import Stage
from busbar.inbound import envelope, fields


def event_id(push: RepositoryPushed) -> str:
    """The same push has the same id, whoever noticed it and however often: webhook, redelivery, reconciling timer."""
    fact = "\0".join((push.repository, push.branch, push.before, push.after))
    return f"push-{hashlib.sha256(fact.encode()).hexdigest()[:32]}"


def to_event_data(fact: RepositoryPushed | DriftDetected) -> dict[str, Any]:
    """What `Busbar.RepositoryPushed` or `Busbar.DriftDetected` carries; the functions below read it back."""
    return asdict(fact)


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


def read_drift_event(event: Mapping[str, Any]) -> DriftDetected:
    """The incident in a `Busbar.DriftDetected` event; raises `BadRequest` naming the field."""
    if (found := envelope.event_type(event)) != EventType.DRIFT_DETECTED:
        raise BadRequest("eventType", f"{found} is not {EventType.DRIFT_DETECTED}")
    data = envelope.event_data(event)
    stage = fields.text(data, "stage", "data.stage")
    if stage not in set(Stage):
        raise BadRequest("data.stage", f"{stage!r} is not one of {', '.join(Stage)}")
    return DriftDetected(
        incident=fields.text(data, "incident", "data.incident"),
        stage=Stage(stage),
        sentence=fields.text(data, "sentence", "data.sentence"),
    )
