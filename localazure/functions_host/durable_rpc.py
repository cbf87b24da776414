"""The task hub's gRPC side, `TaskHubSidecarService`: what the SDK's durable clients call."""

import math
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceServicer
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import BoolValue, StringValue

from localazure.functions_host.durable_messages import (
    chunks,
    entity_query,
    finished_query,
    finished_token,
    first_page,
    found,
    instance_query,
    metadata,
    purge_query,
    seconds,
    state,
    text,
)
from localazure.functions_host.durable_triggers import DurableTriggers, UnknownFunction, entity_name
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


_CODES: dict[type[Exception], grpc.StatusCode] = {
    InstanceExists: grpc.StatusCode.ALREADY_EXISTS,
    NoSuchInstance: grpc.StatusCode.NOT_FOUND,
    InstanceFinished: grpc.StatusCode.FAILED_PRECONDITION,
    _StillRuns: grpc.StatusCode.FAILED_PRECONDITION,
    NotFailed: grpc.StatusCode.FAILED_PRECONDITION,
    UnknownFunction: grpc.StatusCode.INVALID_ARGUMENT,
    ValueError: grpc.StatusCode.INVALID_ARGUMENT,
    TaskHubUnavailable: grpc.StatusCode.UNAVAILABLE,
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
    """Calls that only a stand-alone worker makes answer UNIMPLEMENTED, as the generated base class does."""

    def __init__(self, hub: TaskHub, triggers: DurableTriggers):
        self._hub, self._triggers = hub, triggers

    async def Hello(self, request: Empty, context: Context) -> Empty:
        return Empty()

    # One instance.

    async def StartInstance(
        self, request: pb.CreateInstanceRequest, context: Context
    ) -> pb.CreateInstanceResponse:
        return pb.CreateInstanceResponse(instanceId=await _answer(context, self._start(request)))

    async def _start(self, request: pb.CreateInstanceRequest) -> str:
        self._triggers.require_orchestrator(request.name)
        policy = request.orchestrationIdReusePolicy
        return await self._hub.start(
            request.name,
            text(request, "input"),
            request.instanceId or None,
            start_at=seconds(request, "scheduledStartTimestamp"),
            replaceable=[Status(status) for status in policy.replaceableStatus]
            if request.HasField("orchestrationIdReusePolicy")
            else None,
            version=self._triggers.versions.of_new(text(request, "version")),
        )

    async def GetInstance(self, request: pb.GetInstanceRequest, context: Context) -> pb.GetInstanceResponse:
        return found(self._hub.get(request.instanceId), request.getInputsAndOutputs)

    async def WaitForInstanceStart(
        self, request: pb.GetInstanceRequest, context: Context
    ) -> pb.GetInstanceResponse:
        return found(await self._hub.wait_until_started(request.instanceId), request.getInputsAndOutputs)

    async def WaitForInstanceCompletion(
        self, request: pb.GetInstanceRequest, context: Context
    ) -> pb.GetInstanceResponse:
        return found(await self._hub.wait_until_finished(request.instanceId), request.getInputsAndOutputs)

    async def RaiseEvent(self, request: pb.RaiseEventRequest, context: Context) -> pb.RaiseEventResponse:
        payload = text(request, "input")
        await _answer(context, self._hub.raise_event(request.instanceId, request.name, payload))
        return pb.RaiseEventResponse()

    async def TerminateInstance(self, request: pb.TerminateRequest, context: Context) -> pb.TerminateResponse:
        output = text(request, "output")
        await _answer(context, self._hub.terminate(request.instanceId, output, recursive=request.recursive))
        return pb.TerminateResponse()

    async def SuspendInstance(self, request: pb.SuspendRequest, context: Context) -> pb.SuspendResponse:
        await _answer(context, self._hub.suspend(request.instanceId, text(request, "reason")))
        return pb.SuspendResponse()

    async def ResumeInstance(self, request: pb.ResumeRequest, context: Context) -> pb.ResumeResponse:
        await _answer(context, self._hub.resume(request.instanceId, text(request, "reason")))
        return pb.ResumeResponse()

    async def RewindInstance(
        self, request: pb.RewindInstanceRequest, context: Context
    ) -> pb.RewindInstanceResponse:
        await _answer(context, self._hub.rewind(request.instanceId, text(request, "reason")))
        return pb.RewindInstanceResponse()

    async def RestartInstance(
        self, request: pb.RestartInstanceRequest, context: Context
    ) -> pb.RestartInstanceResponse:
        return pb.RestartInstanceResponse(instanceId=await _answer(context, self._restart(request)))

    async def _restart(self, request: pb.RestartInstanceRequest) -> str:
        try:
            return await self._hub.restart(request.instanceId, new_id=request.restartWithNewInstanceId)
        except InstanceExists as error:
            raise _StillRuns(str(error)) from None

    async def StreamInstanceHistory(
        self, request: pb.StreamInstanceHistoryRequest, context: Context
    ) -> AsyncIterator[pb.HistoryChunk]:
        instance = self._hub.get(request.instanceId)
        if instance is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(NoSuchInstance(request.instanceId)))
        execution = text(request, "executionId")
        if execution not in (None, "", instance.execution):
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"The instance '{instance.id}' has no execution '{execution}' any more.",
            )
        for chunk in chunks(self._hub.history(instance.id)):
            yield chunk

    # Many instances.

    async def QueryInstances(
        self, request: pb.QueryInstancesRequest, context: Context
    ) -> pb.QueryInstancesResponse:
        query = request.query
        size = min(query.maxInstanceCount or LARGEST_PAGE, LARGEST_PAGE)
        instances = self._hub.query(instance_query(query, size + 1))
        page = first_page(instances, size, lambda instance: state(instance, query.fetchInputsAndOutputs))
        more = StringValue(value=page[-1].instanceId) if len(instances) > len(page) else None
        return pb.QueryInstancesResponse(orchestrationState=page, continuationToken=more)

    async def ListInstanceIds(
        self, request: pb.ListInstanceIdsRequest, context: Context
    ) -> pb.ListInstanceIdsResponse:
        return await _answer(context, self._list_ids(request))

    async def _list_ids(self, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
        size = min(request.pageSize or LARGEST_PAGE, LARGEST_PAGE)
        instances = self._hub.finished(finished_query(request, size + 1))
        page = instances[:size]
        more = StringValue(value=finished_token(page[-1])) if len(instances) > size else None
        return pb.ListInstanceIdsResponse(
            instanceIds=[instance.id for instance in page], lastInstanceKey=more
        )

    async def PurgeInstances(
        self, request: pb.PurgeInstancesRequest, context: Context
    ) -> pb.PurgeInstancesResponse:
        return await _answer(context, self._purge(request))

    async def _purge(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
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

    async def SignalEntity(
        self, request: pb.SignalEntityRequest, context: Context
    ) -> pb.SignalEntityResponse:
        await _answer(context, self._signal(request))
        return pb.SignalEntityResponse()

    async def _signal(self, request: pb.SignalEntityRequest) -> None:
        self._triggers.require_entity(entity_name(request.instanceId))
        await self._hub.signal_entity(
            request.instanceId,
            request.name,
            text(request, "input"),
            at=seconds(request, "scheduledTime"),
            request_id=request.requestId or None,
        )

    async def GetEntity(self, request: pb.GetEntityRequest, context: Context) -> pb.GetEntityResponse:
        entity = self._hub.entity(request.instanceId)
        if entity is None or entity.state is None:
            return pb.GetEntityResponse(exists=False)
        return pb.GetEntityResponse(exists=True, entity=metadata(entity, request.includeState))

    async def QueryEntities(
        self, request: pb.QueryEntitiesRequest, context: Context
    ) -> pb.QueryEntitiesResponse:
        query = request.query
        size = min(query.pageSize.value or LARGEST_PAGE, LARGEST_PAGE)
        entities = self._hub.entities(entity_query(query, size + 1))
        page = first_page(entities, size, lambda entity: metadata(entity, query.includeState))
        more = StringValue(value=page[-1].instanceId) if len(entities) > len(page) else None
        return pb.QueryEntitiesResponse(entities=page, continuationToken=more)

    async def CleanEntityStorage(
        self, request: pb.CleanEntityStorageRequest, context: Context
    ) -> pb.CleanEntityStorageResponse:
        cleaned = self._hub.clean_entities(
            remove_empty=request.removeEmptyEntities, release_orphaned_locks=request.releaseOrphanedLocks
        )
        removed, released = await _answer(context, cleaned)
        return pb.CleanEntityStorageResponse(emptyEntitiesRemoved=removed, orphanedLocksReleased=released)


def _purged(count: int, *, complete: bool) -> pb.PurgeInstancesResponse:
    return pb.PurgeInstancesResponse(deletedInstanceCount=count, isComplete=BoolValue(value=complete))
