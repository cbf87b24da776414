"""What raises events: custom topics, and workspaces with their system topics. Kept in documents, by ARM id."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from localazure.config import Config
from localazure.documents import Documents
from localazure.event_grid_config import EventSchema

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
WORKSPACE_TOPIC = "Microsoft.MachineLearningServices.Workspaces"


@dataclass(frozen=True)
class TopicRecord:
    """A custom topic. `keys` are base64, either is good; names are unique here, as they are in a region of Azure."""

    name: str
    group: str
    input_schema: EventSchema
    keys: tuple[str, str]
    tags: dict[str, str]
    is_configured: bool = False


@dataclass(frozen=True)
class SystemTopic:
    """The topic of a workspace, whose ARM id is `source`."""

    name: str
    group: str
    source: str
    tags: dict[str, str]


class Sources:
    """Finds sources by name and by id. The configuration's topics are deployed again at every start."""

    def __init__(self, config: Config, documents: Documents, key: str):
        self._config, self._documents = config, documents
        second = hmac.digest(key.encode(), b"key2", hashlib.sha256)
        keys = (key, base64.b64encode(second).decode())
        configured = {topic.name.lower(): topic for topic in config.event_grid.topics}
        for old in self.topics():
            if old.is_configured and old.name.lower() not in configured:
                self.delete_topic(old)
        for topic in configured.values():
            known = self.topic(topic.name)
            kept = known.keys if known and known.is_configured else keys
            group = topic.resource_group or config.event_grid.resource_group
            self.put_topic(TopicRecord(topic.name, group, topic.input_schema, kept, {}, is_configured=True))

    def id_of(self, source: str) -> str:
        """The ARM id of a workspace or a topic by its name."""
        for workspace in self._config.workspaces:
            if workspace.name == source:
                return self._id(workspace.resource_group, WORKSPACES, workspace.name)
        topic = self.topic(source)
        group = topic.group if topic else self._config.event_grid.resource_group
        return self._id(group, "Microsoft.EventGrid/topics", topic.name if topic else source)

    def name_of(self, source_id: str) -> str | None:
        """The name of the workspace or topic with this ARM id, whatever its case; None if there is none."""
        names = (*(one.name for one in self._config.workspaces), *(one.name for one in self.topics()))
        return next((name for name in names if self.id_of(name).lower() == source_id.lower()), None)

    def schema_of(self, source: str) -> EventSchema:
        """What a topic takes; system events are of Event Grid's schema."""
        is_workspace = any(one.name == source for one in self._config.workspaces)
        topic = None if is_workspace else self.topic(source)
        return topic.input_schema if topic else "EventGridSchema"

    def topic(self, name: str) -> TopicRecord | None:
        body = self._documents.get("topics", name.lower())
        return replace(TopicRecord(**body), keys=tuple(body["keys"])) if body else None

    def topics(self) -> Sequence[TopicRecord]:
        found = (self.topic(name) for name, _ in self._documents.list("topics"))
        return [one for one in found if one]

    def put_topic(self, topic: TopicRecord) -> None:
        self._documents.put("topics", topic.name.lower(), asdict(topic))

    def delete_topic(self, topic: TopicRecord) -> bool:
        return self._documents.delete("topics", topic.name.lower())

    def system_topic(self, group: str, name: str) -> SystemTopic | None:
        body = self._documents.get("system_topics", f"{group}/{name}".lower())
        return SystemTopic(**body) if body else None

    def system_topics(self) -> Sequence[SystemTopic]:
        return [SystemTopic(**body) for _, body in self._documents.list("system_topics")]

    def put_system_topic(self, topic: SystemTopic) -> None:
        self._documents.put("system_topics", f"{topic.group}/{topic.name}".lower(), asdict(topic))

    def delete_system_topic(self, topic: SystemTopic) -> bool:
        return self._documents.delete("system_topics", f"{topic.group}/{topic.name}".lower())

    def _id(self, group: str, kind: str, name: str) -> str:
        return f"/subscriptions/{self._config.subscription_id}/resourceGroups/{group}/providers/{kind}/{name}"


def new_keys() -> tuple[str, str]:
    return new_key(), new_key()


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def with_new_key(topic: TopicRecord, number: int) -> TopicRecord:
    """`topic` with its first (1) or second (2) key replaced."""
    first, second = topic.keys
    return replace(topic, keys=(new_key(), second) if number == 1 else (first, new_key()))
