"""The publish endpoint of custom topics, the sink of system sources, and the admin page."""

import asyncio
import hmac
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.event_grid.delivery import Dispatcher
from localazure.event_grid.outbox import Outbox
from localazure.event_grid.schema import MAX_BYTES, InvalidEventError, matches, published
from localazure.identity import Tokens
from localazure.service import Runtime
from localazure.web import azure_error, json_body, page

AUDIENCE = "https://eventgrid.azure.net"


class EventGrid:
    """Topics and sources of the configuration; `emit` is the `EventSink` for emulators that raise events."""

    def __init__(self, runtime: Runtime, tokens: Tokens):
        self._config, self._tokens = runtime.config, tokens
        self._settings = runtime.config.event_grid
        self._sas_key = runtime.secrets["event_grid_key"]
        self._outbox = Outbox(Documents(runtime.state / "event_grid.db"))
        self._dispatcher = Dispatcher(
            self._settings, self._outbox, runtime.addresses.functions, runtime.secrets["functions_key"]
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/topics/{topic}/api/events", self._publish, methods=["POST"]),
            Route("/admin/event_grid", self._admin),
            Route("/admin/event_grid/dead_letters/{key}/redeliver", self._redeliver, methods=["POST"]),
        ]

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._dispatcher.run())

    async def stop(self) -> None:
        self._loop = None
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def emit(self, source: str, event: Mapping[str, Any]) -> None:
        """Take an event (EventGridSchema; `id`, `eventTime`, `topic` are filled in) that happened at `source`.

        On disk once this returns. Thread-safe.
        """
        self._accept(source, self._system_event(source, event))
        if loop := self._loop:
            loop.call_soon_threadsafe(self._dispatcher.wake)

    def _accept(self, source: str, event: dict[str, Any]) -> None:
        self._outbox.add(
            event,
            (
                one.name
                for one in self._settings.subscriptions
                if one.source == source
                and matches(event, one.event_types, one.subject_begins_with, one.subject_ends_with)
            ),
        )

    def _system_event(self, source: str, event: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "topic": self._workspace_id(source),
            "subject": "",
            "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "id": str(uuid.uuid4()),
            "data": {},
            "dataVersion": "",
            "metadataVersion": "1",
            **event,
        }

    def _workspace_id(self, source: str) -> str:
        group = next((one.resource_group for one in self._config.workspaces if one.name == source), None)
        if group is None:
            return self._topic_id(source)
        return self._resource_id(group, "Microsoft.MachineLearningServices/workspaces", source)

    def _topic_id(self, topic: str) -> str:
        return self._resource_id(self._settings.resource_group, "Microsoft.EventGrid/topics", topic)

    def _resource_id(self, group: str, kind: str, name: str) -> str:
        return f"/subscriptions/{self._config.subscription_id}/resourceGroups/{group}/providers/{kind}/{name}"

    async def _publish(self, request: Request) -> Response:
        self._authorize(request)
        topic = request.path_params["topic"]
        if topic not in self._settings.topics:
            raise azure_error(404, "NotFound", f"There is no topic {topic!r}: add it to event_grid.topics.")
        try:
            events = published(await json_body(request, MAX_BYTES), self._topic_id(topic))
        except InvalidEventError as error:
            raise azure_error(
                400, "BadRequest", f"This resource is configured for valid events. {error}"
            ) from None
        await run_in_threadpool(lambda: [self._accept(topic, event) for event in events])
        self._dispatcher.wake()
        return JSONResponse({})

    def _authorize(self, request: Request) -> None:
        key = request.headers.get("aeg-sas-key")
        if key is None:
            self._tokens.authorize(request, AUDIENCE)
        elif not hmac.compare_digest(key.encode(), self._sas_key.encode()):
            raise azure_error(401, "Unauthorized", "aeg-sas-key is not the topic's key.")

    async def _admin(self, request: Request) -> Response:
        """Subscriptions, counters, what waits and what was given up: HTML for browsers, JSON otherwise."""
        state = {
            "counters": self._outbox.counters,
            "subscriptions": [one.model_dump(mode="json") for one in self._settings.subscriptions],
            "waiting": self._outbox.waiting(),
            "dead_letters": self._outbox.dead_letters(),
        }
        if "text/html" in request.headers.get("accept", ""):
            return page("event_grid.html", **state)
        return JSONResponse(state)

    async def _redeliver(self, request: Request) -> Response:
        key = request.path_params["key"]
        if not self._outbox.revive(key):
            raise azure_error(404, "NotFound", f"There is no dead letter {key!r}.")
        self._dispatcher.wake()
        return JSONResponse({"queued": key}, 202)
