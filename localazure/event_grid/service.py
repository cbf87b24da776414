"""Event Grid put together: the publish endpoint of custom topics, the sink of system sources, ARM and the page."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.event_grid import arm
from localazure.event_grid.access import authorize_publisher
from localazure.event_grid.admin import Admin
from localazure.event_grid.delivery import Dispatcher
from localazure.event_grid.disorder import Disturb, Shuffle, on_time
from localazure.event_grid.outbox import Outbox
from localazure.event_grid.schema import MAX_BYTES, Event, InvalidEventError, published
from localazure.event_grid.sources import Sources
from localazure.event_grid.subscriptions import Subscriptions
from localazure.faults.events import FaultyEvents
from localazure.identity import Tokens
from localazure.service import Runtime
from localazure.web import azure_error, json_body


class EventGrid:
    """Topics, sources and subscriptions; `emit` is the `EventSink` for emulators that raise events.

    `disturb` may be replaced at any time: faults lose, repeat, delay and reorder events through it.
    """

    def __init__(self, runtime: Runtime, tokens: Tokens):
        self._tokens, self._azure = tokens, runtime.addresses.azure
        settings, documents = runtime.config.event_grid, Documents(runtime.state / "event_grid.db")
        usual: Disturb = Shuffle(settings.disorder) if settings.disorder else on_time
        self.disturb: Disturb = FaultyEvents(runtime.faults, usual)
        self._sources = Sources(runtime.config, documents, runtime.secrets["event_grid_key"])
        self._subscriptions = Subscriptions(documents, self._sources, settings.subscriptions, self._azure)
        self._outbox = Outbox(documents)
        self._dispatcher = Dispatcher(runtime, self._outbox, self._subscriptions)
        self._arm = arm.routes(runtime, tokens, self._sources, self._subscriptions, self._dispatcher)
        self._admin = Admin(self._sources, self._subscriptions, self._outbox, self.publish, self._wake)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/topics/{topic}/api/events", self._publish, methods=["POST"]),
            Route("/eventsubscriptions/{name}/validate", self._validate),
            *self._admin.routes,
            *self._arm,
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
        source_id = self._sources.id_of(source)
        self._accept(source_id, _system_event(source_id, event))
        self._wake()

    def publish(self, topic: str, body: Any) -> int:
        """Take what a publisher sends to `topic`, one event or an array; how many there were. All of it is on disk
        once this returns, or `InvalidEventError` is raised. Thread-safe."""
        topic_id = self._sources.id_of(topic)
        events = published(body, topic_id, self._sources.schema_of(topic))
        for event in events:
            self._accept(topic_id, event)
        self._wake()
        return len(events)

    def _accept(self, source_id: str, event: Event) -> None:
        wanting = self._subscriptions.wanting(source_id, event)
        self._outbox.add(event, {one.key: self.disturb(one.settings.name, event) for one in wanting})

    def _wake(self) -> None:
        if loop := self._loop:
            loop.call_soon_threadsafe(self._dispatcher.wake)

    async def _publish(self, request: Request) -> Response:
        name = request.path_params["topic"]
        topic = self._sources.topic(name)
        if topic is None:
            self._tokens.authorize(request)
            raise azure_error(404, "NotFound", f"There is no topic {name!r}: add it to event_grid.topics.")
        endpoint, topic_id = f"{self._azure}/topics/{topic.name}/api/events", self._sources.id_of(topic.name)
        authorize_publisher(request, topic, topic_id, endpoint, self._tokens)
        body = await json_body(request, MAX_BYTES)
        try:
            await run_in_threadpool(self.publish, topic.name, body)
        except InvalidEventError as error:
            raise azure_error(
                400,
                "BadRequest",
                f"This resource is configured to receive events in the schema {topic.input_schema!r}. {error}",
            ) from None
        return JSONResponse({})

    async def _validate(self, request: Request) -> Response:
        """The URL that a webhook was sent: asking for it says yes."""
        confirmed = self._subscriptions.confirm(request.query_params.get("token", ""))
        if confirmed is None:
            raise azure_error(404, "NotFound", "The validation URL is unknown or has expired.")
        self._wake()
        return PlainTextResponse("Webhook successfully validated as a subscription endpoint")


def _system_event(source_id: str, event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "topic": source_id,
        "subject": "",
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "id": str(uuid.uuid4()),
        "data": {},
        "dataVersion": "",
        "metadataVersion": "1",
        **event,
    }
