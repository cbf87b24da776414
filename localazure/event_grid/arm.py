"""Event Grid's control plane: topics, system topics and event subscriptions, as much as a deployment tool asks for."""

import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localazure.event_grid import arm_form, sources
from localazure.event_grid.access import authorize_management
from localazure.event_grid.delivery import Dispatcher
from localazure.event_grid.handshake import HandshakeError, validate
from localazure.event_grid.sources import Sources, SystemTopic, TopicRecord
from localazure.event_grid.subscriptions import Registered, Subscriptions, subscription_key
from localazure.event_grid_config import Topic
from localazure.identity import Tokens
from localazure.service import Runtime
from localazure.web import azure_error, json_body

Json = dict[str, Any]

VERSIONS = (
    "2018-01-01", "2019-01-01", "2019-06-01", "2020-06-01", "2021-12-01", "2022-06-15", "2025-02-15",
)  # fmt: skip
_BODY_LIMIT = 4 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9-]{3,64}")
_PROVIDER = "/providers/Microsoft.EventGrid"
_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"
_TOPIC = f"{_GROUP}{_PROVIDER}/topics/{{topic}}"
_SYSTEM_TOPIC = f"{_GROUP}{_PROVIDER}/systemTopics/{{system_topic}}"
_WORKSPACE = f"{_GROUP}/providers/{sources.WORKSPACES}/{{workspace}}"
_RESULTS = f"{_PROVIDER}/locations/{{location}}/operationResults"
# Where subscriptions hang: in a topic, or as an extension of any source.
_PARENTS = (_TOPIC, _SYSTEM_TOPIC, f"{_TOPIC}{_PROVIDER}", f"{_WORKSPACE}{_PROVIDER}")


@dataclass(frozen=True)
class Call:
    """A request to a resource: the parameters of its path, the id that is its path, and its JSON body."""

    path: Mapping[str, str]
    id: str
    body: Json


class Arm:
    def __init__(
        self,
        runtime: Runtime,
        tokens: Tokens,
        sources: Sources,
        subscriptions: Subscriptions,
        dispatcher: Dispatcher,
    ):
        self._config, self._azure, self._tokens = runtime.config, runtime.addresses.azure, tokens
        self._sources, self._subscriptions, self._dispatcher = sources, subscriptions, dispatcher

    @property
    def routes(self) -> list[Route]:
        table = [
            *self._collection(f"{_PROVIDER}/topics", self.list_topics),
            ("GET", _TOPIC, self.get_topic),
            ("PUT", _TOPIC, self.put_topic),
            ("DELETE", _TOPIC, self.delete_topic),
            ("POST", f"{_TOPIC}/listKeys", self.list_keys),
            ("POST", f"{_TOPIC}/regenerateKey", self.regenerate_key),
            *self._collection(f"{_PROVIDER}/systemTopics", self.list_system_topics),
            ("GET", _SYSTEM_TOPIC, self.get_system_topic),
            ("PUT", _SYSTEM_TOPIC, self.put_system_topic),
            ("DELETE", _SYSTEM_TOPIC, self.delete_system_topic),
            ("GET", f"{_SUBSCRIPTION}{_RESULTS}/{{operation}}", self.operation_result),
        ]
        for parent in _PARENTS:
            one = f"{parent}/eventSubscriptions/{{name}}"
            table += [
                ("GET", f"{parent}/eventSubscriptions", self.list_subscriptions),
                ("GET", one, self.get_subscription),
                ("PUT", one, self.put_subscription),
                ("PATCH", one, self.patch_subscription),
                ("DELETE", one, self.delete_subscription),
                ("POST", f"{one}/getFullUrl", self.full_url),
            ]
        return [self._route(*row) for row in table]

    @staticmethod
    def _collection(path: str, handler: "Handler") -> list[tuple[str, str, "Handler"]]:
        return [("GET", f"{_SUBSCRIPTION}{path}", handler), ("GET", f"{_GROUP}{path}", handler)]

    def _route(self, method: str, path: str, handler: "Handler") -> Route:
        async def endpoint(request: Request) -> Response:
            authorize_management(request, self._azure, self._tokens)
            _check_version(request)
            self._check_subscription(request.path_params["subscription"])
            body = await json_body(request, _BODY_LIMIT) if await request.body() else {}
            if not isinstance(body, dict):
                raise azure_error(400, "InvalidRequestContent", "The body must be a JSON object.")
            return await handler(Call(request.path_params, request.url.path.rstrip("/"), body))  # pyright: ignore[reportUnknownArgumentType]  # JSON

        return Route(path, endpoint, methods=[method])

    def _check_subscription(self, id: str) -> None:
        if id.lower() != self._config.subscription_id.lower():
            raise azure_error(404, "SubscriptionNotFound", f"The subscription '{id}' could not be found.")

    def _accepted(self) -> Response:
        """The answer to a deletion, which Event Grid ends later: here it has ended when it is asked for."""
        results = _RESULTS.format(location=self._config.location)
        path = f"/subscriptions/{self._config.subscription_id}{results}/{uuid.uuid4()}"
        return Response(
            status_code=202, headers={"location": f"{self._azure}{path}?api-version={VERSIONS[-1]}"}
        )

    async def operation_result(self, call: Call) -> Response:
        return Response(status_code=200)

    # ---- topics ----------------------------------------------------------------------------------------------

    async def list_topics(self, call: Call) -> Response:
        return _list(self._topic(one) for one in self._sources.topics() if _is_in(call, one.group))

    async def get_topic(self, call: Call) -> Response:
        return JSONResponse(self._topic(self._known_topic(call)))

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
        if topic is None or not _is_in(call, topic.group):
            return Response(status_code=204)
        for one in self._subscriptions.all(self._sources.id_of(topic.name)):
            self._subscriptions.delete(one.key)
        self._sources.delete_topic(topic)
        return self._accepted()

    async def list_keys(self, call: Call) -> Response:
        return JSONResponse(dict(zip(("key1", "key2"), self._known_topic(call).keys, strict=True)))

    async def regenerate_key(self, call: Call) -> Response:
        name = call.body.get("keyName")
        if name not in ("key1", "key2"):
            raise azure_error(400, "InvalidRequest", "keyName: must be key1 or key2.")
        topic = sources.with_new_key(self._known_topic(call), int(name[-1]))
        self._sources.put_topic(topic)
        return JSONResponse(dict(zip(("key1", "key2"), topic.keys, strict=True)))

    def _known_topic(self, call: Call) -> TopicRecord:
        topic = self._sources.topic(call.path["topic"])
        if topic is None or not _is_in(call, topic.group):
            raise _not_found("Microsoft.EventGrid/topics", call.path["topic"], call.path["group"])
        return topic

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

    # ---- system topics ---------------------------------------------------------------------------------------

    async def list_system_topics(self, call: Call) -> Response:
        return _list(
            self._system_topic(one) for one in self._sources.system_topics() if _is_in(call, one.group)
        )

    async def get_system_topic(self, call: Call) -> Response:
        return JSONResponse(self._system_topic(self._known_system_topic(call)))

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

    def _known_system_topic(self, call: Call) -> SystemTopic:
        topic = self._sources.system_topic(call.path["group"], call.path["system_topic"])
        if topic is None:
            raise _not_found(
                "Microsoft.EventGrid/systemTopics", call.path["system_topic"], call.path["group"]
            )
        return topic

    def _system_topic(self, topic: SystemTopic) -> Json:
        id = _SYSTEM_TOPIC.format(
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

    # ---- event subscriptions ---------------------------------------------------------------------------------

    async def list_subscriptions(self, call: Call) -> Response:
        found = self._subscriptions.all(self._source_id(call))
        return _list(self._subscription(one, f"{call.id}/{one.settings.name}") for one in found)

    async def get_subscription(self, call: Call) -> Response:
        return JSONResponse(self._subscription(self._known(call), call.id))

    async def put_subscription(self, call: Call) -> Response:
        if not _NAME.fullmatch(call.path["name"]):
            raise azure_error(
                400, "InvalidRequest", "An event subscription is named with 3-64 letters, digits and hyphens."
            )
        return await self._deploy(call, call.body.get("properties") or {})

    async def patch_subscription(self, call: Call) -> Response:
        """Whole sections of the properties are replaced, as Event Grid's update does."""
        known = self._subscription(self._known(call), call.id, with_secrets=True)["properties"]
        return await self._deploy(call, known | call.body)

    async def delete_subscription(self, call: Call) -> Response:
        gone = self._subscriptions.delete(subscription_key(self._source_id(call), call.path["name"]))
        return Response(status_code=200 if gone else 204)

    async def full_url(self, call: Call) -> Response:
        destination = self._dispatcher.destination(self._known(call))
        query = "&".join(f"{name}={value}" for name, value in destination.params.items())
        return JSONResponse({"endpointUrl": f"{destination.url}?{query}" if query else destination.url})

    async def _deploy(self, call: Call, properties: Json) -> Response:
        source_id = self._source_id(call)
        source = self._sources.name_of(source_id) or ""
        settings = arm_form.read(call.path["name"], source, properties, self._sources.schema_of(source))
        ours = ("topic", "provisioningState")
        kept = {name: value for name, value in properties.items() if name not in ours}
        one = Registered(settings, source_id, False, False, time.time(), properties=kept)
        old = self._subscriptions.get(one.key)
        self._subscriptions.put(one)  # the webhook may ask for the validation URL before it answers
        try:
            agreed = await self._validate(one)
        except HandshakeError as error:
            self._restore(one.key, old)
            raise azure_error(
                400,
                "Url validation",
                f"Webhook validation handshake failed: {error}. For troubleshooting, visit https://aka.ms/esvalidation.",
            ) from None
        if agreed:
            one = self._subscriptions.confirm(one.token) or one
        self._dispatcher.wake()
        return JSONResponse(self._subscription(self._known(call), call.id), 201)

    def _restore(self, key: str, old: Registered | None) -> None:
        if old:
            self._subscriptions.put(old)
        else:
            self._subscriptions.delete(key)

    async def _validate(self, one: Registered) -> bool:
        """A function must exist, a webhook must agree."""
        async with self._dispatcher.client() as http:
            if url := one.settings.webhook:
                is_cloud = self._subscriptions.schema_of(one) == "CloudEventSchemaV1_0"
                return await validate(http, url, self._subscriptions.invitation(one), is_cloud)
            destination = self._dispatcher.destination(one)
            url = f"{destination.url}?functionName={one.settings.function}"
            await validate(http, url, self._subscriptions.invitation(one), is_cloud=False)
            return True

    def _source_id(self, call: Call) -> str:
        if "system_topic" in call.path:
            return self._known_system_topic(call).source
        if "topic" in call.path:
            return self._sources.id_of(self._known_topic(call).name)
        id = _WORKSPACE.format(**call.path)
        if self._sources.name_of(id) is None:
            raise _not_found(sources.WORKSPACES, call.path["workspace"], call.path["group"])
        return id

    def _known(self, call: Call) -> Registered:
        found = self._subscriptions.get(subscription_key(self._source_id(call), call.path["name"]))
        if found is None:
            raise azure_error(
                404, "ResourceNotFound", f"The event subscription '{call.path['name']}' was not found."
            )
        return found

    def _subscription(self, one: Registered, id: str, *, with_secrets: bool = False) -> Json:
        return arm_form.write(one, id, self._config.event_grid.resource_group, with_secrets=with_secrets)


Handler = Callable[[Call], Awaitable[Response]]


def _check_version(request: Request) -> None:
    version = request.query_params.get("api-version")
    if not version:
        raise azure_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if version not in VERSIONS and not version.endswith("-preview"):
        raise azure_error(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' for 'Microsoft.EventGrid'. "
            f"The supported api-versions are '{', '.join(VERSIONS)}'.",
        )


def _is_in(call: Call, group: str) -> bool:
    return call.path.get("group", group).lower() == group.lower()


def _list(resources: "Any") -> Response:
    return JSONResponse({"value": list(resources), "nextLink": None})


def _not_found(kind: str, name: str, group: str) -> Exception:
    return azure_error(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )
