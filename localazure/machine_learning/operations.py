"""Long-running operations: what a request began, where a client asks whether it is done, and what is then true.

A room hands its resource to `put`, `remove` or `begin`; the operation writes the resource's provisioningState while it
runs and when it ends. How long it takes is `operations` of the configuration, or up to the room (`work=True`, then
`finish`). Operations outlive the server: those that were running end after the next start.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.api_versions import LATEST
from localazure.machine_learning.context import Context, timestamp
from localazure.machine_learning.routing import Call, Json, not_found, route
from localazure.web import azure_error

Change = Literal["Creating", "Updating", "Deleting", "Importing"]

_PATH = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
_KEPT_SECONDS = 24 * 3600.0  # a finished operation can be asked about for a day


@dataclass(frozen=True)
class Operation:
    """`kind` and `key` name the document it is about; `seconds` is None where a room says when it ends.

    `error` is ARM's `{"code", "message"}` of an operation that failed. Faults make it hang until `not_before` (seconds
    since the epoch) and end with `fate`, an error.
    """

    id: str
    kind: str
    key: str
    change: Change
    began: float
    seconds: float | None
    started: str
    ended: str | None = None
    error: Json | None = None
    not_before: float = 0.0
    fate: Json | None = None

    @property
    def status(self) -> str:
        if self.ended is None:
            return "InProgress"
        return "Failed" if self.error else "Succeeded"

    @property
    def due(self) -> float | None:
        """When it ends by itself, in seconds since the epoch."""
        return None if self.seconds is None else max(self.began + self.seconds, self.not_before)

    @classmethod
    def from_document(cls, document: Json) -> Self:
        return cls(**document)


# Told of an ended operation and of its resource as it is now (of a deleted one: as it was), on any thread.
Listener = Callable[[Operation, Json], None]


class Operations:
    """All methods may be called from any thread; each is durable when it returns."""

    def __init__(self, context: Context):
        self._context = context
        self._documents = context.documents
        config = context.runtime.config
        path = _PATH.format(subscription=config.subscription_id, location=config.location)
        self._base = f"{context.runtime.addresses.azure}{path}"
        self._seconds: Mapping[str, float] = config.operations.by_kind
        self._listeners: dict[str, Listener] = {}
        self._open: dict[tuple[str, str], Operation] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._load()

    @property
    def routes(self) -> Sequence[BaseRoute]:
        authorize = self._context.authorize
        return (
            route("GET", f"{_PATH}/mfeOperationsStatus/{{operation}}", self.status, authorize),
            route("GET", f"{_PATH}/mfeOperationResults/{{operation}}", self.result, authorize),
        )

    async def start(self) -> None:
        """Take up what an earlier server left: what is due by now ends at once."""
        self._loop = asyncio.get_running_loop()
        for operation in list(self._open.values()):
            self._end_when_due(operation)

    async def stop(self) -> None:
        self._loop = None

    def listen(self, kind: str, listener: Listener) -> None:
        """Have `listener` told when an operation on a document of `kind` has ended; one listener per kind."""
        self._listeners[kind] = listener

    def put(self, kind: str, key: str, resource: Json, *, is_new: bool, work: bool = False) -> Response:
        """Write `resource` as Creating or Updating and answer 201 or 200 for it, with `Azure-AsyncOperation`.

        It becomes Succeeded when the operation ends. Refuses with 409 while another operation on it runs.
        """
        with self._documents.transaction():
            operation = self._opened(kind, key, "Creating" if is_new else "Updating", work)
            shown = _in_state(resource, operation.change)
            self._documents.put(kind, key, shown)
        self._end_when_due(operation)
        return JSONResponse(shown, 201 if is_new else 200, headers=self._headers(operation))

    def remove(self, kind: str, key: str, resource: Json, *, work: bool = False) -> Response:
        """Mark `resource` as Deleting and answer 202; its document is gone when the operation ends.

        Refuses with 409 while another operation on it runs.
        """
        with self._documents.transaction():
            operation = self._opened(kind, key, "Deleting", work)
            self._documents.put(kind, key, _in_state(resource, "Deleting"))
        self._end_when_due(operation)
        headers = {**self._headers(operation), "Location": self._result_url(operation)}
        return Response(status_code=202, headers=headers)

    def begin(self, kind: str, key: str, change: Change, *, work: bool = False) -> Operation:
        """An operation that is about no document with a provisioningState; its caller answers for it."""
        with self._documents.transaction():
            operation = self._opened(kind, key, change, work)
        self._end_when_due(operation)
        return operation

    def finish(self, kind: str, key: str, error: Json | None = None) -> None:
        """End the running operation on a document; with ARM's `error` (code, message) it and the resource Failed."""
        if operation := self.running(kind, key):
            self._end(operation, error)

    def running(self, kind: str, key: str) -> Operation | None:
        return self._open.get((kind, key))

    def unfinished(self, kind: str) -> list[Operation]:
        """What runs on documents of `kind`: at start, the work that a room has to take up again."""
        return [operation for operation in self._open.values() if operation.kind == kind]

    def get(self, operation_id: str) -> Operation:
        """Refuses with 404 an operation that never was, or ended long ago."""
        if document := self._documents.get("operations", operation_id):
            return Operation.from_document(document)
        raise not_found(f"The operation {operation_id}")

    def status(self, call: Call) -> Json:
        """The status document that `Azure-AsyncOperation` points to."""
        operation = self.get(call.path["operation"])
        document: Json = {
            "id": call.url_path,
            "name": operation.id,
            "status": operation.status,
            "startTime": operation.started,
            "percentComplete": 0.0 if operation.ended is None else 100.0,
        }
        ended: Json = {"endTime": operation.ended} if operation.ended else {}
        return document | ended | ({"error": operation.error} if operation.error else {})

    def result(self, call: Call) -> Response:
        """What `Location` points to: 202 while it runs, then the outcome."""
        return self.outcome(self.get(call.path["operation"]))

    def outcome(self, operation: Operation, url: str | None = None) -> Response:
        """202 (ask again at `url`, by default this server's own) while it runs, then 200, or the error as a refusal."""
        if operation.ended is None:
            headers = {"Location": url or self._result_url(operation), "Retry-After": self._retry_after}
            return Response(status_code=202, headers=headers)
        if operation.error:
            raise azure_error(400, operation.error["code"], operation.error["message"])
        return Response(status_code=200)

    def accepted(self, resource: Json, status: int) -> Response:
        """The answer to a PUT that is done already: the resource and where to ask whether it is done."""
        operation = self.begin("done", str(uuid.uuid4()), "Updating")
        return JSONResponse(resource, status, headers=self._headers(operation))

    def accepted_empty(self) -> Response:
        """The answer to a POST or DELETE that is done already and gives nothing back."""
        operation = self.begin("done", str(uuid.uuid4()), "Updating")
        headers = {"Location": self._result_url(operation), "Retry-After": self._retry_after}
        return Response(status_code=202, headers=headers)

    def _opened(self, kind: str, key: str, change: Change, work: bool) -> Operation:
        if running := self._open.get((kind, key)):
            raise azure_error(
                409,
                "ResourceOperationInProgress",
                f"{key.rpartition('/')[2]} is {running.change}: wait until that operation has ended.",
            )
        operation = self._doomed(
            Operation(
                id=str(uuid.uuid4()),
                kind=kind,
                key=key,
                change=change,
                began=time.time(),
                seconds=None if work else self._seconds.get(kind, 0.0),
                started=timestamp(),
            )
        )
        self._documents.put("operations", operation.id, asdict(operation))
        self._open[kind, key] = operation
        return operation

    def _doomed(self, operation: Operation) -> Operation:
        """The operation with what faults have in store for it."""
        faults = self._context.runtime.faults
        place = {"resource": operation.kind, "name": operation.key.rpartition("/")[2]}
        if hanging := faults.meet("deployment-hangs", **place):
            operation = replace(operation, not_before=operation.began + hanging.number("seconds"))
        if failing := faults.meet("deployment-fails", **place):
            fate = {"code": failing.text("code"), "message": failing.text("message")}
            operation = replace(operation, fate=fate)
        return operation

    def _end_when_due(self, operation: Operation) -> None:
        if operation.due is None:
            return
        remaining = operation.due - time.time()
        if remaining <= 0:
            self._end(operation)
        else:
            self._end_after(remaining, operation)

    def _end_after(self, seconds: float, operation: Operation, error: Json | None = None) -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, self._end_later, operation, error)

    def _end_later(self, operation: Operation, error: Json | None) -> None:
        if self._loop:
            self._loop.run_in_executor(None, self._end, operation, error)

    def _end(self, operation: Operation, error: Json | None = None) -> None:
        if (remaining := operation.not_before - time.time()) > 0:
            self._end_after(remaining, operation, error)
            return
        with self._documents.transaction():
            if self._open.get((operation.kind, operation.key)) != operation:
                return
            ended = replace(operation, ended=timestamp(), error=error or operation.fate)
            self._documents.put("operations", ended.id, asdict(ended))
            resource = self._settle(ended)
            del self._open[operation.kind, operation.key]
        if (listener := self._listeners.get(operation.kind)) and resource is not None:
            listener(ended, resource)

    def _settle(self, operation: Operation) -> Json | None:
        """The resource as the ended operation leaves it."""
        resource = self._documents.get(operation.kind, operation.key)
        if resource is None or "properties" not in resource:
            return resource
        if operation.change == "Deleting" and not operation.error:
            self._documents.delete(operation.kind, operation.key)
            return resource
        settled = _in_state(resource, operation.status)
        self._documents.put(operation.kind, operation.key, settled)
        return settled

    def _load(self) -> None:
        oldest = time.time() - _KEPT_SECONDS
        for key, document in self._documents.list("operations"):
            operation = Operation.from_document(document)
            if operation.ended is None:
                self._open[operation.kind, operation.key] = operation
            elif operation.began < oldest:
                self._documents.delete("operations", key)

    def _headers(self, operation: Operation) -> dict[str, str]:
        return {
            "Azure-AsyncOperation": f"{self._base}/mfeOperationsStatus/{operation.id}?api-version={LATEST}",
            "x-ms-async-operation-timeout": "PT1H",
            "Retry-After": self._retry_after,
        }

    def _result_url(self, operation: Operation) -> str:
        return f"{self._base}/mfeOperationResults/{operation.id}?api-version={LATEST}"

    @property
    def _retry_after(self) -> str:
        return "1"


def _in_state(resource: Json, state: str) -> Json:
    return {**resource, "properties": {**resource["properties"], "provisioningState": state}}
