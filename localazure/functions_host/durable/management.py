"""The task hub's HTTP management API, at the addresses that `create_check_status_response` hands out."""

import asyncio
import json
import re
from collections.abc import Awaitable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.functions_host.access import Access
from localazure.functions_host.durable.history import history_events
from localazure.functions_host.durable.shapes import (
    BodyTooLarge,
    entity_query,
    entity_summary,
    flag,
    instance_query,
    more,
    number,
    page_size,
    read_body,
    read_json,
    summary,
    value,
)
from localazure.functions_host.durable.triggers import DurableTriggers, UnknownFunction
from localazure.task_hub.client import TaskHub
from localazure.task_hub.model import (
    Instance,
    InstanceExists,
    InstanceFinished,
    NoSuchInstance,
    NotFailed,
    Status,
    TaskHubUnavailable,
)

PATH = "/runtime/webhooks/durabletask"
POLL_AFTER = "10"  # seconds that a caller is asked to wait before it looks again

_CODES: dict[type[Exception], int] = {
    NoSuchInstance: 404,
    UnknownFunction: 404,
    InstanceFinished: 410,
    InstanceExists: 409,
    BodyTooLarge: 413,
    ValueError: 400,
    TaskHubUnavailable: 503,
}


class DurableHttp:
    """Every address needs the host's key. `query` is what addresses that are handed out carry."""

    def __init__(self, hub: TaskHub, triggers: DurableTriggers, access: Access, query: str):
        self._hub, self._triggers, self._access, self._query = hub, triggers, access, query

    def routes(self) -> list[BaseRoute]:
        instance, entity = "/instances/{instance_id}", "/entities/{name}/{key}"
        endpoints = [
            ("/orchestrators/{name}", self._start, "POST"),
            ("/orchestrators/{name}/{instance_id}", self._start, "POST"),
            ("/instances", self._list, "GET"),
            ("/instances", self._purge_matching, "DELETE"),
            (instance, self._get, "GET"),
            (instance, self._purge, "DELETE"),
            (instance + "/raiseEvent/{event}", self._raise_event, "POST"),
            (instance + "/terminate", self._terminate, "POST"),
            (instance + "/suspend", self._suspend, "POST"),
            (instance + "/resume", self._resume, "POST"),
            (instance + "/rewind", self._rewind, "POST"),
            (instance + "/restart", self._restart, "POST"),
            ("/entities", self._list_entities, "GET"),
            ("/entities/{name}", self._list_entities, "GET"),
            (entity, self._get_entity, "GET"),
            (entity, self._signal_entity, "POST"),
            (entity, self._signal_entity, "DELETE"),
        ]
        return [
            _Route(PATH + path, self._access.guard(_checked(endpoint)), methods=[method])
            for path, endpoint, method in endpoints
        ]

    # Orchestrations.

    async def _start(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._triggers.require_orchestrator(name)
        payload = await read_json(request)
        version = self._triggers.versions.of_new(None)
        started = await self._hub.start(
            name, payload, request.path_params.get("instance_id"), version=version
        )
        return await self._outcome_or_links(request, started)

    async def _restart(self, request: Request) -> Response:
        new_id = flag(request, "restartWithNewInstanceId", default=True)
        restarted = await self._hub.restart(_id(request), new_id=new_id)
        return await self._outcome_or_links(request, restarted)

    async def _outcome_or_links(self, request: Request, instance_id: str) -> Response:
        """The outcome, if it is there within the seconds that `timeout` says, else where to ask for it."""
        timeout = number(request, "timeout")
        if timeout is not None:
            try:
                async with asyncio.timeout(timeout):
                    finished = await self._hub.wait_until_finished(instance_id)
            except TimeoutError:
                finished = None
            if finished is not None and finished.status == Status.COMPLETED:
                return JSONResponse(value(finished.output))
            if finished is not None:
                return self._status(request, finished)
        links = self._links(request, instance_id)
        headers = {"Location": links["statusQueryGetUri"], "Retry-After": POLL_AFTER}
        return JSONResponse(links, 202, headers)

    def _links(self, request: Request, instance_id: str) -> dict[str, str]:
        """The management addresses of an instance, behind the origin that the caller used."""
        address = f"{request.url.scheme}://{request.url.netloc}{PATH}/instances/{quote(instance_id, safe='')}"
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{address}?{self._query}",
            "sendEventPostUri": f"{address}/raiseEvent/{{eventName}}?{self._query}",
            "terminatePostUri": f"{address}/terminate?reason={{text}}&{self._query}",
            "suspendPostUri": f"{address}/suspend?reason={{text}}&{self._query}",
            "resumePostUri": f"{address}/resume?reason={{text}}&{self._query}",
            "rewindPostUri": f"{address}/rewind?reason={{text}}&{self._query}",
            "restartPostUri": f"{address}/restart?{self._query}",
            "purgeHistoryDeleteUri": f"{address}?{self._query}",
        }

    async def _get(self, request: Request) -> Response:
        return self._status(request, self._require(request))

    def _status(self, request: Request, instance: Instance) -> Response:
        with_input = flag(request, "showInput", default=True)
        body = summary(instance, with_input)
        if flag(request, "showHistory"):
            with_output = flag(request, "showHistoryOutput")
            body["historyEvents"] = history_events(self._hub.history(instance.id), with_input, with_output)
        if not instance.status.finished:
            return JSONResponse(body, 202, {"Location": str(request.url), "Retry-After": POLL_AFTER})
        failed = instance.status == Status.FAILED and flag(request, "returnInternalServerErrorOnFailure")
        return JSONResponse(body, 500 if failed else 200)

    async def _list(self, request: Request) -> Response:
        size = page_size(request)
        found = self._hub.query(instance_query(request, size + 1))
        with_input = flag(request, "showInput", default=True)
        page = [summary(instance, with_input) for instance in found[:size]]
        return JSONResponse(page, headers=more([instance.id for instance in found], size))

    async def _purge(self, request: Request) -> Response:
        instance = self._require(request)
        return JSONResponse({"instancesDeleted": await self._hub.purge(instance.id)})

    async def _purge_matching(self, request: Request) -> Response:
        count = await self._hub.purge_matching(instance_query(request, None))
        return JSONResponse({"instancesDeleted": count}, 200 if count else 404)

    async def _raise_event(self, request: Request) -> Response:
        payload = await read_json(request)
        if payload is not None and not _is_json(request):
            raise ValueError("Only application/json request content is supported: set Content-Type.")
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

    async def _rewind(self, request: Request) -> Response:
        try:
            await self._hub.rewind(_id(request), request.query_params.get("reason"))
        except NotFailed as error:
            return PlainTextResponse(f"{error}\n", 410 if error.status.finished else 409)
        return Response(status_code=202)

    def _require(self, request: Request) -> Instance:
        instance = self._hub.get(_id(request))
        if instance is None:
            raise NoSuchInstance(_id(request))
        return instance

    # Entities.

    async def _list_entities(self, request: Request) -> Response:
        size = page_size(request)
        found = self._hub.entities(entity_query(request, request.path_params.get("name", ""), size + 1))
        with_state = flag(request, "fetchState")
        page = [entity_summary(entity, with_state) for entity in found[:size]]
        return JSONResponse(page, headers=more([entity.id for entity in found], size))

    async def _get_entity(self, request: Request) -> Response:
        entity = self._hub.entity(_entity_id(request))
        if entity is None or entity.state is None:
            return PlainTextResponse(f"No entity with ID '{_entity_id(request)}' was found.\n", 404)
        return JSONResponse(value(entity.state))

    async def _signal_entity(self, request: Request) -> Response:
        self._triggers.require_entity(request.path_params["name"])
        operation = "delete" if request.method == "DELETE" else request.query_params.get("op", "")
        if _is_json(request):
            payload = await read_json(request)
        else:
            payload = json.dumps(body.decode()) if (body := await read_body(request)) else None
        await self._hub.signal_entity(_entity_id(request), operation, payload)
        return Response(status_code=202)


class _Route(Route):
    """A route that minds neither case nor a slash at the end, as those of Azure's host."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + "/?$", re.IGNORECASE)


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


def _entity_id(request: Request) -> str:
    return f"@{request.path_params['name'].lower()}@{request.path_params['key']}"


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
