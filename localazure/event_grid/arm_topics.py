"""Topics and system topics in ARM."""

import uuid
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response

from localazure.config import Config
from localazure.event_grid import sources
from localazure.event_grid.arm_routing import (
    PROVIDER,
    RESULTS,
    SUBSCRIPTION,
    SYSTEM_TOPIC,
    TOPIC,
    VERSIONS,
    Call,
    Json,
    Row,
    collection,
    is_in,
    listed,
    not_found,
)
from localazure.event_grid.sources import Sources, SystemTopic, TopicRecord
from localazure.event_grid.subscriptions import Subscriptions
from localazure.event_grid_config import Topic
from localazure.web import azure_error


class TopicResources:
    def __init__(self, config: Config, azure: str, sources: Sources, subscriptions: Subscriptions):
        self._config, self._azure = config, azure
        self._sources, self._subscriptions = sources, subscriptions

    @property
    def table(self) -> Sequence[Row]:
        return [
            *collection(f"{PROVIDER}/topics", self.list_topics),
            ("GET", TOPIC, self.get_topic),
            ("PUT", TOPIC, self.put_topic),
            ("DELETE", TOPIC, self.delete_topic),
            ("POST", f"{TOPIC}/listKeys", self.list_keys),
            ("POST", f"{TOPIC}/regenerateKey", self.regenerate_key),
            *collection(f"{PROVIDER}/systemTopics", self.list_system_topics),
            ("GET", SYSTEM_TOPIC, self.get_system_topic),
            ("PUT", SYSTEM_TOPIC, self.put_system_topic),
            ("DELETE", SYSTEM_TOPIC, self.delete_system_topic),
            ("GET", f"{SUBSCRIPTION}{RESULTS}/{{operation}}", self.operation_result),
        ]

    def known_topic(self, call: Call) -> TopicRecord:
        topic = self._sources.topic(call.path["topic"])
        if topic is None or not is_in(call, topic.group):
            raise not_found("Microsoft.EventGrid/topics", call.path["topic"], call.path["group"])
        return topic

    def known_system_topic(self, call: Call) -> SystemTopic:
        topic = self._sources.system_topic(call.path["group"], call.path["system_topic"])
        if topic is None:
            raise not_found("Microsoft.EventGrid/systemTopics", call.path["system_topic"], call.path["group"])
        return topic

    async def list_topics(self, call: Call) -> Response:
        return listed(self._topic(one) for one in self._sources.topics() if is_in(call, one.group))

    async def get_topic(self, call: Call) -> Response:
        return JSONResponse(self._topic(self.known_topic(call)))

    async def put_topic(self, call: Call) -> Response:
        name, properties = call.path["topic"], call.body.get("properties") or {}
        known = self._sources.topic(name)
        if known and known.group.lower() != call.path["group"].lower():
            raise azure_error(409, "Conflict", f"The name {name!r} is taken by a topic of {known.group}.")
        schema = properties.get("inputSchema") or "EventGridSchema"
        if known and known.input_schema != schema:
            raise azure_error(400, "InvalidRequest", "The inputSchema of a topic cannot be changed.")
        try:
            settings = Topic(name=name, input_schema=schema)
        except ValueError as error:
            raise azure_error(400, "InvalidRequest", str(error)) from None
        topic = TopicRecord(
            settings.name,
            call.path["group"],
            settings.input_schema,
            known.keys if known else sources.new_keys(),
            call.body.get("tags") or {},
            is_configured=bool(known and known.is_configured),
        )
        self._sources.put_topic(topic)
        return JSONResponse(self._topic(topic), 201)

    async def delete_topic(self, call: Call) -> Response:
        topic = self._sources.topic(call.path["topic"])
        if topic is None or not is_in(call, topic.group):
            return Response(status_code=204)
        for one in self._subscriptions.all(self._sources.id_of(topic.name)):
            self._subscriptions.delete(one.key)
        self._sources.delete_topic(topic)
        return self._accepted()

    async def list_keys(self, call: Call) -> Response:
        return JSONResponse(dict(zip(("key1", "key2"), self.known_topic(call).keys, strict=True)))

    async def regenerate_key(self, call: Call) -> Response:
        name = call.body.get("keyName")
        if name not in ("key1", "key2"):
            raise azure_error(400, "InvalidRequest", "keyName: must be key1 or key2.")
        topic = sources.with_new_key(self.known_topic(call), int(name[-1]))
        self._sources.put_topic(topic)
        return JSONResponse(dict(zip(("key1", "key2"), topic.keys, strict=True)))

    def _topic(self, topic: TopicRecord) -> Json:
        return {
            **self._tracked(self._sources.id_of(topic.name), "Microsoft.EventGrid/topics", topic.name),
            "tags": topic.tags,
            "properties": {
                "endpoint": f"{self._azure}/topics/{topic.name}/api/events",
                "inputSchema": topic.input_schema,
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled",
                "disableLocalAuth": False,
            },
        }

    def _tracked(self, id: str, kind: str, name: str) -> Json:
        return {"id": id, "name": name, "type": kind, "location": self._config.location}

    async def list_system_topics(self, call: Call) -> Response:
        return listed(
            self._system_topic(one) for one in self._sources.system_topics() if is_in(call, one.group)
        )

    async def get_system_topic(self, call: Call) -> Response:
        return JSONResponse(self._system_topic(self.known_system_topic(call)))

    async def put_system_topic(self, call: Call) -> Response:
        properties = call.body.get("properties") or {}
        source = str(properties.get("source") or "")
        if str(properties.get("topicType")).lower() != sources.WORKSPACE_TOPIC.lower():
            raise azure_error(
                400, "InvalidRequest", f"localazure has system topics of {sources.WORKSPACE_TOPIC} alone."
            )
        if self._sources.name_of(source) is None:
            raise azure_error(400, "InvalidRequest", f"The source {source!r} was not found.")
        for other in self._sources.system_topics():
            is_other = (other.group, other.name) != (call.path["group"], call.path["system_topic"])
            if is_other and other.source.lower() == source.lower():
                raise azure_error(
                    409, "Conflict", f"The source has a system topic already, {other.name!r}: one is all."
                )
        topic = SystemTopic(
            call.path["system_topic"], call.path["group"], source, call.body.get("tags") or {}
        )
        self._sources.put_system_topic(topic)
        return JSONResponse(self._system_topic(topic), 201)

    async def delete_system_topic(self, call: Call) -> Response:
        topic = self._sources.system_topic(call.path["group"], call.path["system_topic"])
        if topic is None:
            return Response(status_code=204)
        for one in self._subscriptions.all(topic.source):
            if not one.is_configured:
                self._subscriptions.delete(one.key)
        self._sources.delete_system_topic(topic)
        return self._accepted()

    def _system_topic(self, topic: SystemTopic) -> Json:
        id = SYSTEM_TOPIC.format(
            subscription=self._config.subscription_id, group=topic.group, system_topic=topic.name
        )
        return {
            **self._tracked(id, "Microsoft.EventGrid/systemTopics", topic.name),
            "tags": topic.tags,
            "properties": {
                "source": topic.source,
                "topicType": sources.WORKSPACE_TOPIC.lower(),
                "provisioningState": "Succeeded",
            },
        }

    def _accepted(self) -> Response:
        """The answer to a deletion, which Event Grid ends later: here it has ended when it is asked for."""
        results = RESULTS.format(location=self._config.location)
        path = f"/subscriptions/{self._config.subscription_id}{results}/{uuid.uuid4()}"
        return Response(
            status_code=202, headers={"location": f"{self._azure}{path}?api-version={VERSIONS[-1]}"}
        )

    async def operation_result(self, call: Call) -> Response:
        return Response(status_code=200)
