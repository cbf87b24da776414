"""The task hub's values as the messages of its gRPC protocol, and back."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from localazure.task_hub.model import FINISHED, Entity, EntityQuery, FinishedQuery, Instance, Query, Status

LARGEST_REPLY = 16 * 1024 * 1024  # bytes of one page or chunk, unless a single item is larger
EVENTS_PER_CHUNK = 500
_AFTER = "after "


def text(message: Message, field: str) -> str | None:
    """The value of an optional text field."""
    return getattr(message, field).value if message.HasField(field) else None


def seconds(message: Message, field: str) -> float | None:
    """The value of an optional time, in seconds since the epoch."""
    return getattr(message, field).ToDatetime(tzinfo=UTC).timestamp() if message.HasField(field) else None


def timestamp(moment: float) -> Timestamp:
    """`moment` is in seconds since the epoch."""
    message = Timestamp()
    message.FromDatetime(datetime.fromtimestamp(moment, UTC))
    return message


def found(instance: Instance | None, with_payloads: bool) -> pb.GetInstanceResponse:
    if instance is None:
        return pb.GetInstanceResponse(exists=False)
    return pb.GetInstanceResponse(exists=True, orchestrationState=state(instance, with_payloads))


def state(instance: Instance, with_payloads: bool) -> pb.OrchestrationState:
    message = pb.OrchestrationState(
        instanceId=instance.id,
        name=instance.name,
        orchestrationStatus=pb.OrchestrationStatus.Name(instance.status),
        createdTimestamp=timestamp(instance.created),
        lastUpdatedTimestamp=timestamp(instance.updated),
        failureDetails=instance.failure,
    )
    if instance.completed is not None:
        message.completedTimestamp.CopyFrom(timestamp(instance.completed))
    _set_texts(message, executionId=instance.execution, parentInstanceId=instance.parent_id)
    if with_payloads:
        _set_texts(message, input=instance.input, output=instance.output, customStatus=instance.custom_status)
    return message


def metadata(entity: Entity, with_state: bool) -> pb.EntityMetadata:
    message = pb.EntityMetadata(
        instanceId=entity.id,
        lastModifiedTime=timestamp(entity.modified),
        backlogQueueSize=entity.backlog,
    )
    _set_texts(message, lockedBy=entity.locked_by, serializedState=entity.state if with_state else None)
    return message


def instance_query(query: pb.InstanceQuery, limit: int) -> Query:
    return Query(
        statuses=tuple(Status(status) for status in query.runtimeStatus),
        id_prefix=text(query, "instanceIdPrefix") or "",
        created_from=seconds(query, "createdTimeFrom"),
        created_to=seconds(query, "createdTimeTo"),
        limit=limit,
        after=(text(query, "continuationToken") or "").removeprefix(_AFTER),
    )


def next_page(last_id: str) -> StringValue:
    """The token for what comes after this id. The SDK takes a bare "0", which an id may be, for the end."""
    return StringValue(value=_AFTER + last_id)


def purge_query(wanted: pb.PurgeInstanceFilter, limit: int) -> Query:
    """Finished instances only; one without a status matches nothing."""
    asked = {Status(status) for status in wanted.runtimeStatus} or FINISHED
    return Query(
        statuses=tuple(asked & FINISHED),
        created_from=seconds(wanted, "createdTimeFrom"),
        created_to=seconds(wanted, "createdTimeTo"),
        limit=limit,
    )


def finished_query(request: pb.ListInstanceIdsRequest, limit: int) -> FinishedQuery:
    """Raises ValueError for a token that is not one of `finished_token`."""
    completed, _, instance_id = (text(request, "lastInstanceKey") or "").partition(" ")
    return FinishedQuery(
        statuses=tuple(Status(status) for status in request.runtimeStatus),
        completed_from=seconds(request, "completedTimeFrom"),
        completed_to=seconds(request, "completedTimeTo"),
        limit=limit,
        after=(float(completed), instance_id) if completed else None,
    )


def finished_token(instance: Instance) -> str:
    """Where the next page of finished instances begins."""
    return f"{instance.completed!r} {instance.id}"


def entity_query(query: pb.EntityQuery, limit: int) -> EntityQuery:
    return EntityQuery(
        id_prefix=text(query, "instanceIdStartsWith") or "",
        modified_from=seconds(query, "lastModifiedFrom"),
        modified_to=seconds(query, "lastModifiedTo"),
        include_transient=query.includeTransient,
        limit=limit,
        after=(text(query, "continuationToken") or "").removeprefix(_AFTER),
    )


def first_page[Item, M: Message](items: Iterable[Item], size: int, message: Callable[[Item], M]) -> list[M]:
    """As many of `items` as make a reply: at most `size`, and of `LARGEST_REPLY` bytes together."""
    page, weight = list[M](), 0
    for item in items:
        page.append(message(item))
        weight += page[-1].ByteSize()
        if len(page) > 1 and weight > LARGEST_REPLY:
            return page[:-1]
        if len(page) == size:
            break
    return page


def chunks(history: list[pb.HistoryEvent]) -> Iterable[pb.HistoryChunk]:
    """The events in messages that fit through the channel."""
    start = 0
    while start < len(history):
        events = first_page(history[start:], EVENTS_PER_CHUNK, lambda event: event)
        yield pb.HistoryChunk(events=events)
        start += len(events)


def _set_texts(message: Message, **texts: str | None) -> None:
    for field, value in texts.items():
        if value is not None:
            getattr(message, field).value = value
