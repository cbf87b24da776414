"""The page of Event Grid and its JSON: what is subscribed, what waits, what was given up; publish and redeliver."""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from localazure.event_grid.outbox import Outbox
from localazure.event_grid.schema import MAX_BYTES, InvalidEventError, event_type
from localazure.event_grid.sources import Sources
from localazure.event_grid.subscriptions import Registered, Subscriptions
from localazure.event_grid_config import AdvancedFilter, Subscription
from localazure.web import azure_error, page

PAGE = "/admin/event_grid"
SHOWN = 50  # rows of one table of the page


class Admin:
    """`publish` takes a topic's name and events, `wake` makes the dispatcher look again."""

    def __init__(
        self,
        sources: Sources,
        subscriptions: Subscriptions,
        outbox: Outbox,
        publish: Callable[[str, Any], int],
        wake: Callable[[], None],
    ):
        self._sources, self._subscriptions, self._outbox = sources, subscriptions, outbox
        self._publish, self._wake = publish, wake

    @property
    def routes(self) -> Sequence[Route]:
        return [
            Route(PAGE, self.show),
            Route(f"{PAGE}/publish", self.publish, methods=["POST"]),
            Route(f"{PAGE}/dead_letters/{{key}}/redeliver", self.redeliver, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """HTML for browsers, JSON otherwise."""
        if _wants_html(request):
            return page(
                "event_grid.html",
                **self._view(),
                **self._form(request),
                said=request.query_params.get("said"),
            )
        return JSONResponse(self._state())

    async def publish(self, request: Request) -> Response:
        """Publish what the form says; a mistake is shown beside it."""
        body = await request.body()
        if len(body) > 2 * MAX_BYTES:
            raise azure_error(413, "RequestEntityTooLarge", f"The limit is {MAX_BYTES} bytes.")
        form = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        try:
            event = self._event(form)
            await run_in_threadpool(self._publish, form.get("topic", ""), [event])
        except (InvalidEventError, ValueError) as error:
            return page("event_grid.html", **self._view(), form=form, error=str(error), said=None)
        return _back(f"Published {event_type(event)} as {event['id']}")

    async def redeliver(self, request: Request) -> Response:
        key = request.path_params["key"]
        if not self._outbox.revive(key):
            raise azure_error(404, "NotFound", f"There is no dead letter {key!r}.")
        self._wake()
        return _back("Queued for delivery") if _wants_html(request) else JSONResponse({"queued": key}, 202)

    def _event(self, form: Mapping[str, str]) -> dict[str, Any]:
        topic = self._sources.topic(form.get("topic", ""))
        if topic is None:
            raise InvalidEventError(f"There is no topic {form.get('topic')!r}")
        kind, subject = form.get("type", ""), form.get("subject", "")
        now, id = datetime.now(UTC).isoformat().replace("+00:00", "Z"), str(uuid.uuid4())
        data = json.loads(form.get("data") or "null")
        if topic.input_schema == "CloudEventSchemaV1_0":
            cloud = {"specversion": "1.0", "id": id, "source": PAGE, "type": kind, "time": now, "data": data}
            return cloud | ({"subject": subject} if subject else {})
        event = {"id": id, "eventType": kind, "subject": subject, "eventTime": now}
        return event | {"data": data, "dataVersion": "1.0"}

    def _state(self) -> dict[str, Any]:
        return {
            "counters": self._outbox.counters,
            "topics": [one.name for one in self._sources.topics()],
            "subscriptions": [self._subscription(one) for one in self._subscriptions.all()],
            "waiting": self._outbox.waiting(),
            "undeliverable": self._outbox.undeliverable(),
            "dead_letters": self._outbox.dead_letters(),
        }

    def _subscription(self, one: Registered) -> dict[str, Any]:
        return {
            **one.settings.model_dump(mode="json"),
            "state": one.state,
            "validated": one.validated,
            "source_id": one.source_id,
            "delivery_schema": self._subscriptions.schema_of(one),
            "metrics": self._outbox.metrics(one.key),
        }

    def _view(self) -> dict[str, Any]:
        names = {one.key: one.settings.name for one in self._subscriptions.all()}
        return {
            "counters": self._outbox.counters,
            "topics": self._sources.topics(),
            "subscriptions": [
                {
                    "one": one,
                    "settings": one.settings,
                    "conditions": conditions(one.settings),
                    "schema": self._subscriptions.schema_of(one),
                    "metrics": self._outbox.metrics(one.key),
                }
                for one in self._subscriptions.all()
            ],
            **{
                kind: {"count": len(rows), "rows": [_row(row, names) for row in rows[:SHOWN]]}
                for kind, rows in (
                    ("waiting", sorted(self._outbox.waiting(), key=lambda one: one["due"])),
                    ("undeliverable", self._outbox.undeliverable()),
                    ("dead_letters", self._outbox.dead_letters()),
                )
            },
        }

    def _form(self, request: Request) -> dict[str, Any]:
        asked = dict(request.query_params)
        return {"form": {"data": "{}", **asked}, "error": None}


def conditions(settings: Subscription) -> list[str]:
    """A subscription's filters in words, one each."""
    found = [", ".join(settings.event_types)] if settings.event_types else []
    if settings.subject_begins_with:
        found.append(f"subject begins with {settings.subject_begins_with}")
    if settings.subject_ends_with:
        found.append(f"subject ends with {settings.subject_ends_with}")
    return found + [_words(one) for one in settings.advanced_filters]


def _words(one: AdvancedFilter) -> str:
    value = one.values if one.values else one.value
    if value is None:
        return f"{one.key} {one.operator_type}"
    values = value if isinstance(value, tuple) else (value,)
    return f"{one.key} {one.operator_type} {', '.join(map(json.dumps, values))}"


def _row(body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    subscription = str(body["subscription"])
    return {
        **body,
        "name": names.get(subscription, subscription.rpartition("/")[2]),
        "type": event_type(body["event"]),
        "subject": body["event"].get("subject") or "",
        "when": _from_now(body["due"]),
        "published_at": datetime.fromtimestamp(body["published"], UTC).isoformat(timespec="seconds"),
        "json": json.dumps(body["event"], indent=2, ensure_ascii=False),
    }


def _from_now(due: float) -> str:
    seconds = due - time.time()
    if seconds <= 0:
        return "now"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"in {seconds / size:.0f} {unit}"
    return f"in {seconds:.0f} s"


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _back(said: str) -> Response:
    return RedirectResponse(f"{PAGE}?{urlencode({'said': said})}", 303)
