"""The task hub's gRPC side, `TaskHubSidecarService`: what the SDK's durable clients call."""

import functools
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceServicer
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import BoolValue, StringValue

from localazure.functions_host.durable.messages import (
    chunks,
    entity_query,
    finished_query,
    finished_token,
    first_page,
    found,
    instance_query,
    metadata,
    next_page,
    purge_query,
    seconds,
    state,
    text,
)
from localazure.functions_host.durable.triggers import DurableTriggers, UnknownFunction, entity_name
from localazure.task_hub.client import TaskHub
from localazure.task_hub.model import (
    InstanceExists,
    InstanceFinished,
    NoSuchInstance,
    NotFailed,
    Status,
    TaskHubUnavailable,
)

LARGEST_PAGE = 200
PURGED_AT_ONCE = 100


class _StillRuns(Exception):
    """The operation needs an instance that is finished."""


class _NoSuchExecution(Exception):
    """The history of earlier executions is not kept."""


_CODES: dict[type[Exception], grpc.StatusCode] = {
    InstanceExists: grpc.StatusCode.ALREADY_EXISTS,
    NoSuchInstance: grpc.StatusCode.NOT_FOUND,
    InstanceFinished: grpc.StatusCode.FAILED_PRECONDITION,
    _NoSuchExecution: grpc.StatusCode.NOT_FOUND,
    _StillRuns: grpc.StatusCode.FAILED_PRECONDITION,
    NotFailed: grpc.StatusCode.FAILED_PRECONDITION,
    UnknownFunction: grpc.StatusCode.INVALID_ARGUMENT,
    ValueError: grpc.StatusCode.INVALID_ARGUMENT,
    TaskHubUnavailable: grpc.StatusCode.UNAVAILABLE,
}

type Context = grpc.aio.ServicerContext[Any, Any]


def _answered[Method: Callable[..., Awaitable[Any]]](method: Method) -> Method:
    """`method` with what went wrong answered by the status that Azure's host has for it."""

    @functools.wraps(method)
    async def answered(self: Any, request: Any, context: Context) -> Any:
        try:
            return await method(self, request, context)
        except tuple(_CODES) as error:
            await context.abort(_code(error), str(error))

    return cast(Method, answered)


def _code(error: Exception) -> grpc.StatusCode:
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))


class TaskHubService(TaskHubSidecarServiceServicer):
    """Calls that only a stand-alone worker makes answer UNIMPLEMENTED, as the generated base class does."""

    def __init__(self, hub: TaskHub, triggers: DurableTriggers):
        self._hub, self._triggers = hub, triggers

    async def Hello(self, request: Empty, context: Context) -> Empty:
        return Empty()

    # One instance.

    @_answered
    async def StartInstance(
        self, request: pb.CreateInstanceRequest, context: Context
    ) -> pb.CreateInstanceResponse:
        self._triggers.require_orchestrator(request.name)
        policy = request.orchestrationIdReusePolicy
        started = await self._hub.start(
            request.name,
            text(request, "input"),
            request.instanceId or None,
            start_at=seconds(request, "scheduledStartTimestamp"),
            replaceable=[Status(status) for status in policy.replaceableStatus]
            if request.HasField("orchestrationIdReusePolicy")
            else None,
            version=self._triggers.versions.of_new(text(request, "version")),
        )
        return pb.CreateInstanceResponse(instanceId=started)

    @_answered
    async def GetInstance(self, request: pb.GetInstanceRequest, context: Context) -> pb.GetInstanceResponse:
        return found(self._hub.get(request.instanceId), request.getInputsAndOutputs)

    @_answered
    async def WaitForInstanceStart(
        self, request: pb.GetInstanceRequest, context: Context
    ) -> pb.GetInstanceResponse:
        return found(await self._hub.wait_until_started(request.instanceId), request.getInputsAndOutputs)

    @_answered
    async def WaitForInstanceCompletion(
        self, request: pb.GetInstanceRequest, context: Context
    ) -> pb.GetInstanceResponse:
        return found(await self._hub.wait_until_finished(request.instanceId), request.getInputsAndOutputs)

    @_answered
    async def RaiseEvent(self, request: pb.RaiseEventRequest, context: Context) -> pb.RaiseEventResponse:
        payload = text(request, "input")
        await self._hub.raise_event(request.instanceId, request.name, payload)
        return pb.RaiseEventResponse()

    @_answered
    async def TerminateInstance(self, request: pb.TerminateRequest, context: Context) -> pb.TerminateResponse:
        output = text(request, "output")
        await self._hub.terminate(request.instanceId, output, recursive=request.recursive)
        return pb.TerminateResponse()

    @_answered
    async def SuspendInstance(self, request: pb.SuspendRequest, context: Context) -> pb.SuspendResponse:
        await self._hub.suspend(request.instanceId, text(request, "reason"))
        return pb.SuspendResponse()

    @_answered
    async def ResumeInstance(self, request: pb.ResumeRequest, context: Context) -> pb.ResumeResponse:
        await self._hub.resume(request.instanceId, text(request, "reason"))
        return pb.ResumeResponse()

    @_answered
    async def RewindInstance(
        self, request: pb.RewindInstanceRequest, context: Context
    ) -> pb.RewindInstanceResponse:
        await self._hub.rewind(request.instanceId, text(request, "reason"))
        return pb.RewindInstanceResponse()

    @_answered
    async def RestartInstance(
        self, request: pb.RestartInstanceRequest, context: Context
    ) -> pb.RestartInstanceResponse:
        try:
            restarted = await self._hub.restart(request.instanceId, new_id=request.restartWithNewInstanceId)
        except InstanceExists as error:
            raise _StillRuns(str(error)) from None
        return pb.RestartInstanceResponse(instanceId=restarted)

    async def StreamInstanceHistory(
        self, request: pb.StreamInstanceHistoryRequest, context: Context
    ) -> AsyncIterator[pb.HistoryChunk]:
        try:
            history = self._history(request)
        except tuple(_CODES) as error:
            await context.abort(_code(error), str(error))
        for chunk in chunks(history):
            yield chunk

    def _history(self, request: pb.StreamInstanceHistoryRequest) -> list[pb.HistoryEvent]:
        instance = self._hub.get(request.instanceId)
        if instance is None:
            raise NoSuchInstance(request.instanceId)
        if text(request, "executionId") not in (None, "", instance.execution):
            raise _NoSuchExecution(
                f"The instance '{instance.id}' has only the execution {instance.execution}."
            )
        return self._hub.history(instance.id)

    # Many instances.

    @_answered
    async def QueryInstances(
        self, request: pb.QueryInstancesRequest, context: Context
    ) -> pb.QueryInstancesResponse:
        query = request.query
        size = min(query.maxInstanceCount or LARGEST_PAGE, LARGEST_PAGE)
        instances = self._hub.query(instance_query(query, size + 1))
        page = first_page(instances, size, lambda instance: state(instance, query.fetchInputsAndOutputs))
        more = next_page(page[-1].instanceId) if len(instances) > len(page) else None
        return pb.QueryInstancesResponse(orchestrationState=page, continuationToken=more)

    @_answered
    async def ListInstanceIds(
        self, request: pb.ListInstanceIdsRequest, context: Context
    ) -> pb.ListInstanceIdsResponse:
        size = min(request.pageSize or LARGEST_PAGE, LARGEST_PAGE)
        instances = self._hub.finished(finished_query(request, size + 1))
        page = instances[:size]
        more = StringValue(value=finished_token(page[-1])) if len(instances) > size else None
        return pb.ListInstanceIdsResponse(
            instanceIds=[instance.id for instance in page], lastInstanceKey=more
        )

    @_answered
    async def PurgeInstances(
        self, request: pb.PurgeInstancesRequest, context: Context
    ) -> pb.PurgeInstancesResponse:
        if request.HasField("purgeInstanceFilter"):
            return await self._purge_matching(request.purgeInstanceFilter, request.recursive)
        ids = [request.instanceId] if request.instanceId else request.instanceBatch.instanceIds
        purged = [await self._purge_if_finished(instance_id, request.recursive) for instance_id in ids]
        return _purged(sum(purged), complete=True)

    async def _purge_if_finished(self, instance_id: str, recursive: bool) -> int:
        try:
            return await self._hub.purge(instance_id, recursive=recursive)
        except (NoSuchInstance, InstanceExists):
            return 0

    async def _purge_matching(
        self, wanted: pb.PurgeInstanceFilter, recursive: bool
    ) -> pb.PurgeInstancesResponse:
        """Purge in portions, until all are gone or the time that the caller allows is over."""
        query = purge_query(wanted, PURGED_AT_ONCE)
        if not query.statuses:
            return _purged(0, complete=True)
        allowed = wanted.timeout.ToTimedelta().total_seconds() if wanted.HasField("timeout") else math.inf
        deadline, purged = time.monotonic() + allowed, 0
        while portion := await self._hub.purge_matching(query, recursive=recursive):
            purged += portion
            if time.monotonic() >= deadline:
                return _purged(purged, complete=False)
        return _purged(purged, complete=True)

    # Entities.

    @_answered
    async def SignalEntity(
        self, request: pb.SignalEntityRequest, context: Context
    ) -> pb.SignalEntityResponse:
        self._triggers.require_entity(entity_name(request.instanceId))
        await self._hub.signal_entity(
            request.instanceId,
            request.name,
            text(request, "input"),
            at=seconds(request, "scheduledTime"),
            request_id=request.requestId or None,
        )
        return pb.SignalEntityResponse()

    @_answered
    async def GetEntity(self, request: pb.GetEntityRequest, context: Context) -> pb.GetEntityResponse:
        entity = self._hub.entity(request.instanceId)
        if entity is None or entity.state is None:
            return pb.GetEntityResponse(exists=False)
        return pb.GetEntityResponse(exists=True, entity=metadata(entity, request.includeState))

    @_answered
    async def QueryEntities(
        self, request: pb.QueryEntitiesRequest, context: Context
    ) -> pb.QueryEntitiesResponse:
        query = request.query
        size = min(query.pageSize.value or LARGEST_PAGE, LARGEST_PAGE)
        entities = self._hub.entities(entity_query(query, size + 1))
        page = first_page(entities, size, lambda entity: metadata(entity, query.includeState))
        more = next_page(page[-1].instanceId) if len(entities) > len(page) else None
        return pb.QueryEntitiesResponse(entities=page, continuationToken=more)

    @_answered
    async def CleanEntityStorage(
        self, request: pb.CleanEntityStorageRequest, context: Context
    ) -> pb.CleanEntityStorageResponse:
        removed, released = await self._hub.clean_entities(
            remove_empty=request.removeEmptyEntities, release_orphaned_locks=request.releaseOrphanedLocks
        )
        return pb.CleanEntityStorageResponse(emptyEntitiesRemoved=removed, orphanedLocksReleased=released)


def _purged(count: int, *, complete: bool) -> pb.PurgeInstancesResponse:
    return pb.PurgeInstancesResponse(deletedInstanceCount=count, isComplete=BoolValue(value=complete))
