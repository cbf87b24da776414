"""The task hub's HTTP management API, at the addresses that `create_check_status_response` hands out."""

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.functions_host.access import Access
from localazure.functions_host.durable_history import history_events
from localazure.functions_host.durable_triggers import DurableTriggers, UnknownFunction
from localazure.task_hub.client import TaskHub
from localazure.task_hub.model import (
    Instance,
    InstanceExists,
    InstanceFinished,
    NoSuchInstance,
    Query,
    Status,
)

PATH = "/runtime/webhooks/durabletask"
LARGEST_PAGE = 1000

STATUS_NAMES = {
    Status.PENDING: "Pending",
    Status.RUNNING: "Running",
    Status.COMPLETED: "Completed",
    Status.CONTINUED_AS_NEW: "ContinuedAsNew",
    Status.FAILED: "Failed",
    Status.CANCELED: "Canceled",
    Status.TERMINATED: "Terminated",
    Status.SUSPENDED: "Suspended",
}
_STATUSES = {name.lower(): status for status, name in STATUS_NAMES.items()}
_CODES: dict[type[Exception], int] = {
    NoSuchInstance: 404,
    InstanceFinished: 410,
    InstanceExists: 409,
    UnknownFunction: 400,
    ValueError: 400,
}


class DurableHttp:
    """Every address needs the host's key."""

    def __init__(self, hub: TaskHub, triggers: DurableTriggers, access: Access):
        self._hub, self._triggers, self._access = hub, triggers, access

    def routes(self) -> list[BaseRoute]:
        instance = "/instances/{instance_id}"
        endpoints = [
            ("/instances", self._list, "GET"),
            ("/instances", self._purge_matching, "DELETE"),
            (instance, self._get, "GET"),
            (instance, self._purge, "DELETE"),
            (instance + "/raiseEvent/{event}", self._raise_event, "POST"),
            (instance + "/terminate", self._terminate, "POST"),
            (instance + "/suspend", self._suspend, "POST"),
            (instance + "/resume", self._resume, "POST"),
            ("/orchestrators/{name}", self._start, "POST"),
            ("/orchestrators/{name}/{instance_id}", self._start, "POST"),
        ]
        return [
            Route(PATH + p, self._access.guard(_checked(e)), methods=[method]) for p, e, method in endpoints
        ]

    async def _get(self, request: Request) -> Response:
        instance = self._require(request)
        body = _summary(instance, with_input=_flag(request, "showInput", default=True))
        if _flag(request, "showHistory"):
            with_output = _flag(request, "showHistoryOutput")
            body["historyEvents"] = history_events(self._hub.history(instance.id), with_output)
        if not instance.status.finished:
            return JSONResponse(body, 202, {"Location": str(request.url), "Retry-After": "10"})
        failed = instance.status == Status.FAILED and _flag(request, "returnInternalServerErrorOnFailure")
        return JSONResponse(body, 500 if failed else 200)

    async def _list(self, request: Request) -> Response:
        size = min(int(request.query_params.get("top") or LARGEST_PAGE), LARGEST_PAGE)
        found = self._hub.query(_query(request, size + 1))
        with_input = _flag(request, "showInput", default=True)
        more = {"x-ms-continuation-token": found[size - 1].id} if len(found) > size else {}
        return JSONResponse([_summary(instance, with_input) for instance in found[:size]], headers=more)

    async def _purge(self, request: Request) -> Response:
        instance = self._require(request)
        return JSONResponse({"instancesDeleted": await self._hub.purge(instance.id)})

    async def _purge_matching(self, request: Request) -> Response:
        count = await self._hub.purge_matching(_query(request, None))
        return JSONResponse({"instancesDeleted": count}, 200 if count else 404)

    async def _raise_event(self, request: Request) -> Response:
        payload = await _json_text(request)
        await self._hub.raise_event(_id(request), request.path_params["event"], payload)
        return Response(status_code=202)

    async def _terminate(self, request: Request) -> Response:
        reason = request.query_params.get("reason")
        await self._hub.terminate(_id(request), json.dumps(reason) if reason else None)
        return Response(status_code=202)

    async def _suspend(self, request: Request) -> Response:
        await self._hub.suspend(_id(request), request.query_params.get("reason"))
        return Response(status_code=202)

    async def _resume(self, request: Request) -> Response:
        await self._hub.resume(_id(request), request.query_params.get("reason"))
        return Response(status_code=202)

    async def _start(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._triggers.require_orchestrator(name)
        payload = await _json_text(request)
        started = await self._hub.start(name, payload, request.path_params.get("instance_id"))
        address = request.url.replace(path=f"{PATH}/instances/{started}")
        return JSONResponse(
            {"id": started, "statusQueryGetUri": str(address)}, 202, {"Location": str(address)}
        )

    def _require(self, request: Request) -> Instance:
        instance = self._hub.get(_id(request))
        if instance is None:
            raise NoSuchInstance(_id(request))
        return instance


def _checked(endpoint: Any) -> Any:
    """`endpoint` with what a caller did wrong answered by Azure's status codes."""

    async def checked(request: Request) -> Response:
        answer: Awaitable[Response] = endpoint(request)
        try:
            return await answer
        except tuple(_CODES) as error:
            code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
            return PlainTextResponse(f"{error}\n", code)

    return checked


def _id(request: Request) -> str:
    return request.path_params["instance_id"]


def _flag(request: Request, name: str, *, default: bool = False) -> bool:
    given = request.query_params.get(name)
    return default if given is None else given.lower() in ("", "true", "1")


def _query(request: Request, limit: int | None) -> Query:
    given = request.query_params
    names = [name for name in given.get("runtimeStatus", "").split(",") if name]
    if unknown := [name for name in names if name.lower() not in _STATUSES]:
        raise ValueError(
            f"runtimeStatus: {', '.join(unknown)} is none of {', '.join(STATUS_NAMES.values())}."
        )
    return Query(
        statuses=tuple(_STATUSES[name.lower()] for name in names),
        id_prefix=given.get("instanceIdPrefix", ""),
        created_from=_time(given.get("createdTimeFrom")),
        created_to=_time(given.get("createdTimeTo")),
        limit=limit,
        after=request.headers.get("x-ms-continuation-token", ""),
    )


def _time(text: str | None) -> float | None:
    """A time in ISO 8601, UTC unless it says otherwise, as seconds since the epoch."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def _json_text(request: Request) -> str | None:
    body = await request.body()
    if not body:
        return None
    json.loads(body)  # raises ValueError: answered with 400
    return body.decode()


def _summary(instance: Instance, with_input: bool) -> dict[str, Any]:
    failure = instance.failure
    output = f"{failure.errorType}: {failure.errorMessage}" if failure else _value(instance.output)
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": STATUS_NAMES[instance.status],
        "input": _value(instance.input) if with_input else None,
        "customStatus": _value(instance.custom_status),
        "output": output,
        "createdTime": _iso(instance.created),
        "lastUpdatedTime": _iso(instance.updated),
    }


def _value(text: str | None) -> Any:
    """A payload as JSON; a text that is none (an SDK may send one) as it is."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
