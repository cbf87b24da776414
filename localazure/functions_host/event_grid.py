"""The Event Grid webhook: `/runtime/webhooks/eventgrid?functionName=X`, for both event schemas."""

import asyncio
import json
import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from localazure.functions_host.messages import TypedData
from localazure.functions_host.report import report_failure
from localazure.functions_host.worker import Function, InvocationFailed, Worker

_log = logging.getLogger(__name__)

PATH = "/runtime/webhooks/eventgrid"


class EventGridWebhook:
    """Delivers events to the Event Grid triggers of an app; each event is one invocation."""

    def __init__(self, worker: Worker):
        self._worker = worker
        self._functions = {f.name.lower(): f for f in worker.of_kind("eventgridtrigger")}

    async def serve(self, request: Request) -> Response:
        """202 when every event was handled; 500 when one was not, so that the batch is delivered again."""
        name = request.query_params.get("functionName", "")
        function = self._functions.get(name.lower())
        if function is None:
            known = ", ".join(one.name for one in self._functions.values()) or "none"
            return PlainTextResponse(
                f"The app has no Event Grid function named {name!r}; its Event Grid functions: {known}.\n",
                404,
            )
        if request.method == "OPTIONS":
            return _allow(request)
        try:
            events = _events(await request.body())
        except (ValueError, RecursionError) as error:
            return PlainTextResponse(f"The body is no event and no array of events: {error}\n", 400)
        return await self._take(request.headers.get("aeg-event-type", "Notification"), function, events)

    async def _take(self, kind: str, function: Function, events: list[dict[str, Any]]) -> Response:
        match kind.lower():
            case "subscriptionvalidation":
                return _validate(events)
            case "unsubscribe":
                return Response(status_code=200)
            case "notification":
                return await self._deliver(function, events)
            case _:
                return PlainTextResponse(f"aeg-event-type {kind!r} is not known here.\n", 400)

    async def _deliver(self, function: Function, events: list[dict[str, Any]]) -> Response:
        outcomes = await asyncio.gather(*(self._invoke(function, event) for event in events))
        failures = [outcome for outcome in outcomes if outcome is not None]
        for failure in failures:
            report_failure(_log, failure)
        return (
            PlainTextResponse("\n".join(map(str, failures)), 500) if failures else Response(status_code=202)
        )

    async def _invoke(self, function: Function, event: dict[str, Any]) -> InvocationFailed | None:
        try:
            await self._worker.invoke(function, TypedData(json=json.dumps(event)))
        except InvocationFailed as error:
            return error
        return None


def _events(body: bytes) -> list[dict[str, Any]]:
    content = json.loads(body)
    events = content if isinstance(content, list) else [content]
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("every event is a JSON object")
    return events


def _validate(events: list[dict[str, Any]]) -> Response:
    """Event Grid's handshake: whoever can say the code back may be sent events."""
    try:
        return JSONResponse({"validationResponse": events[0]["data"]["validationCode"]})
    except (LookupError, TypeError):
        return PlainTextResponse("A SubscriptionValidation event carries data.validationCode.\n", 400)


def _allow(request: Request) -> Response:
    """The CloudEvents handshake."""
    origin = request.headers.get("webhook-request-origin", "*")
    return Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
