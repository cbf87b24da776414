"""The task hub's gRPC side, `TaskHubSidecarService`: what the SDK's durable client calls."""

import uuid
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceServicer
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

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

LARGEST_PAGE = 200
EVENTS_PER_CHUNK = 500

_CODES: dict[type[Exception], grpc.StatusCode] = {
    InstanceExists: grpc.StatusCode.ALREADY_EXISTS,
    NoSuchInstance: grpc.StatusCode.NOT_FOUND,
    InstanceFinished: grpc.StatusCode.FAILED_PRECONDITION,
    UnknownFunction: grpc.StatusCode.INVALID_ARGUMENT,
    ValueError: grpc.StatusCode.INVALID_ARGUMENT,
}

type Context = grpc.aio.ServicerContext[Any, Any]


async def _answer[T](context: Context, work: Awaitable[T]) -> T:
    """The result of `work`; what a caller did wrong becomes the status that Azure's host answers with."""
    try:
        return await work
    except tuple(_CODES) as error:
        code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
        await context.abort(code, str(error))


class TaskHubService(TaskHubSidecarServiceServicer):
    """Entities and rewind answer UNIMPLEMENTED, as the generated base class does."""

    def __init__(self, hub: TaskHub, triggers: DurableTriggers):
        self._hub, self._triggers = hub, triggers

    async def Hello(self, request: Empty, context: Context) -> Empty:
        return Empty()

    async def StartInstance(
        self, request: pb.CreateInstanceRequest, context: Context
    ) -> pb.CreateInstanceResponse:
        return pb.CreateInstanceResponse(instanceId=await _answer(context, self._start(request)))

    async def _start(self, request: pb.CreateInstanceRequest) -> str:
        self._triggers.require_orchestrator(request.name)
        policy = request.orchestrationIdReusePolicy
        return await self._hub.start(
            request.name,
            _text(request, "input"),
            request.instanceId or None,
            start_at=_seconds(request, "scheduledStartTimestamp"),
            replaceable=[Status(status) for status in policy.replaceableStatus]
            if request.HasField("orchestrationIdReusePolicy")
            else None,
        )

    async def GetInstance(self, request: pb.GetInstanceRequest, context: Context) -> pb.GetInstanceResponse:
        return _found(self._hub.get(request.instanceId), request)

    async def WaitForInstanceStart(
        self, request: pb.GetInstanceRequest, context: Context
    ) -> pb.GetInstanceResponse:
        return _found(await self._hub.wait_until_started(request.instanceId), request)

    async def WaitForInstanceCompletion(
        self, request: pb.GetInstanceRequest, context: Context
    ) -> pb.GetInstanceResponse:
        return _found(await self._hub.wait_until_finished(request.instanceId), request)

    async def RaiseEvent(self, request: pb.RaiseEventRequest, context: Context) -> pb.RaiseEventResponse:
        await _answer(
            context, self._hub.raise_event(request.instanceId, request.name, _text(request, "input"))
        )
        return pb.RaiseEventResponse()

    async def TerminateInstance(self, request: pb.TerminateRequest, context: Context) -> pb.TerminateResponse:
        output = _text(request, "output")
        await _answer(context, self._hub.terminate(request.instanceId, output, recursive=request.recursive))
        return pb.TerminateResponse()

    async def SuspendInstance(self, request: pb.SuspendRequest, context: Context) -> pb.SuspendResponse:
        await _answer(context, self._hub.suspend(request.instanceId, _text(request, "reason")))
        return pb.SuspendResponse()

    async def ResumeInstance(self, request: pb.ResumeRequest, context: Context) -> pb.ResumeResponse:
        await _answer(context, self._hub.resume(request.instanceId, _text(request, "reason")))
        return pb.ResumeResponse()

    async def RestartInstance(
        self, request: pb.RestartInstanceRequest, context: Context
    ) -> pb.RestartInstanceResponse:
        return pb.RestartInstanceResponse(instanceId=await _answer(context, self._restart(request)))

    async def _restart(self, request: pb.RestartInstanceRequest) -> str:
        instance = self._hub.get(request.instanceId)
        if instance is None:
            raise NoSuchInstance(request.instanceId)
        chosen = uuid.uuid4().hex if request.restartWithNewInstanceId else instance.id
        return await self._hub.start(instance.name, instance.input, chosen)

    async def QueryInstances(
        self, request: pb.QueryInstancesRequest, context: Context
    ) -> pb.QueryInstancesResponse:
        query = request.query
        size = min(query.maxInstanceCount or LARGEST_PAGE, LARGEST_PAGE)
        found = self._hub.query(_query(query, size + 1))
        response = pb.QueryInstancesResponse(
            orchestrationState=[_state(instance, query.fetchInputsAndOutputs) for instance in found[:size]]
        )
        if len(found) > size:
            response.continuationToken.value = found[size - 1].id
        return response

    async def PurgeInstances(
        self, request: pb.PurgeInstancesRequest, context: Context
    ) -> pb.PurgeInstancesResponse:
        return pb.PurgeInstancesResponse(deletedInstanceCount=await _answer(context, self._purge(request)))

    async def _purge(self, request: pb.PurgeInstancesRequest) -> int:
        if request.HasField("purgeInstanceFilter"):
            chosen = _query(request.purgeInstanceFilter)
            return await self._hub.purge_matching(chosen, recursive=request.recursive)
        ids = [request.instanceId] if request.instanceId else list(request.instanceBatch.instanceIds)
        known = [instance_id for instance_id in ids if self._hub.get(instance_id)]
        return sum([await self._hub.purge(instance_id, recursive=request.recursive) for instance_id in known])

    async def StreamInstanceHistory(
        self, request: pb.StreamInstanceHistoryRequest, context: Context
    ) -> AsyncIterator[pb.HistoryChunk]:
        history = self._hub.history(request.instanceId)
        for start in range(0, len(history), EVENTS_PER_CHUNK):
            yield pb.HistoryChunk(events=history[start : start + EVENTS_PER_CHUNK])


def _found(instance: Instance | None, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
    if instance is None:
        return pb.GetInstanceResponse(exists=False)
    return pb.GetInstanceResponse(
        exists=True, orchestrationState=_state(instance, request.getInputsAndOutputs)
    )


def _state(instance: Instance, with_payloads: bool) -> pb.OrchestrationState:
    state = pb.OrchestrationState(
        instanceId=instance.id,
        name=instance.name,
        orchestrationStatus=pb.OrchestrationStatus.Name(instance.status),
        createdTimestamp=_timestamp(instance.created),
        lastUpdatedTimestamp=_timestamp(instance.updated),
        failureDetails=instance.failure,
    )
    if instance.completed is not None:
        state.completedTimestamp.CopyFrom(_timestamp(instance.completed))
    if with_payloads:
        _set_texts(state, input=instance.input, output=instance.output, customStatus=instance.custom_status)
    return state


def _set_texts(message: Message, **texts: str | None) -> None:
    for field, text in texts.items():
        if text is not None:
            getattr(message, field).value = text


def _query(query: pb.InstanceQuery | pb.PurgeInstanceFilter, limit: int | None = None) -> Query:
    paged = isinstance(query, pb.InstanceQuery)
    return Query(
        statuses=tuple(Status(status) for status in query.runtimeStatus),
        id_prefix=(_text(query, "instanceIdPrefix") or "") if paged else "",
        created_from=_seconds(query, "createdTimeFrom"),
        created_to=_seconds(query, "createdTimeTo"),
        limit=limit,
        after=(_text(query, "continuationToken") or "") if paged else "",
    )


def _text(message: Message, field: str) -> str | None:
    return getattr(message, field).value if message.HasField(field) else None


def _seconds(message: Message, field: str) -> float | None:
    return getattr(message, field).ToDatetime(tzinfo=UTC).timestamp() if message.HasField(field) else None


def _timestamp(seconds: float) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(datetime.fromtimestamp(seconds, UTC))
    return timestamp
