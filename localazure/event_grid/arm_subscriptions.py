"""Event subscriptions in ARM, with the handshake at their creation."""

import re
import time
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response

from localazure.event_grid import arm_form
from localazure.event_grid.arm_routing import PARENTS, WORKSPACE, Call, Json, Row, listed, not_found
from localazure.event_grid.arm_topics import TopicResources
from localazure.event_grid.delivery import Dispatcher
from localazure.event_grid.handshake import HandshakeError, validate
from localazure.event_grid.sources import WORKSPACES, Sources
from localazure.event_grid.subscriptions import Registered, Subscriptions, subscription_key
from localazure.web import azure_error

_NAME = re.compile(r"[A-Za-z0-9-]{3,64}")


class SubscriptionResources:
    """`resource_group` is where the configuration's own resources are said to be."""

    def __init__(
        self,
        resource_group: str,
        topics: TopicResources,
        sources: Sources,
        subscriptions: Subscriptions,
        dispatcher: Dispatcher,
    ):
        self._resource_group, self._topics, self._sources = resource_group, topics, sources
        self._subscriptions, self._dispatcher = subscriptions, dispatcher

    @property
    def table(self) -> Sequence[Row]:
        rows: list[Row] = []
        for parent in PARENTS:
            one = f"{parent}/eventSubscriptions/{{name}}"
            rows += [
                ("GET", f"{parent}/eventSubscriptions", self.list_subscriptions),
                ("GET", one, self.get_subscription),
                ("PUT", one, self.put_subscription),
                ("PATCH", one, self.patch_subscription),
                ("DELETE", one, self.delete_subscription),
                ("POST", f"{one}/getFullUrl", self.full_url),
            ]
        return rows

    async def list_subscriptions(self, call: Call) -> Response:
        found = self._subscriptions.all(self._source_id(call))
        return listed(self._subscription(one, f"{call.id}/{one.settings.name}") for one in found)

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
            return self._topics.known_system_topic(call).source
        if "topic" in call.path:
            return self._sources.id_of(self._topics.known_topic(call).name)
        id = WORKSPACE.format(**call.path)
        if self._sources.name_of(id) is None:
            raise not_found(WORKSPACES, call.path["workspace"], call.path["group"])
        return id

    def _known(self, call: Call) -> Registered:
        found = self._subscriptions.get(subscription_key(self._source_id(call), call.path["name"]))
        if found is None:
            raise azure_error(
                404, "ResourceNotFound", f"The event subscription '{call.path['name']}' was not found."
            )
        return found

    def _subscription(self, one: Registered, id: str, *, with_secrets: bool = False) -> Json:
        return arm_form.write(one, id, self._resource_group, with_secrets=with_secrets)
