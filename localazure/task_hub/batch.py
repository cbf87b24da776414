"""What a batch of operations on an entity came to. Pure: no clock, no store."""

from dataclasses import dataclass

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.model import capped, failure_details
from localazure.task_hub.store import Batch


@dataclass(frozen=True)
class Conclusion:
    """The state to keep and the outcomes of the first operations; the others go on waiting."""

    state: str | None
    outcomes: tuple[pb.OperationResult, ...]
    actions: tuple[pb.OperationAction, ...] = ()


def requests(batch: Batch) -> list[pb.OperationRequest]:
    """The operations as the app's code takes them."""
    return [_request(event) for event in batch.events]


def conclude(batch: Batch, result: pb.EntityBatchResult) -> Conclusion:
    """Turn what the app's code returned into outcomes. At least one operation gets one."""
    if result.HasField("failureDetails"):
        return failed(batch, result.failureDetails)
    if not result.results:
        message = f"The entity '{batch.id}' was given {len(batch.keys)} operations and reported on none."
        return failed(batch, failure_details("RuntimeError", message))
    outcomes = tuple(_outcome(batch, outcome) for outcome in result.results[: len(batch.keys)])
    return Conclusion(result.entityState.value or None, outcomes, tuple(result.actions))


def failed(batch: Batch, failure: pb.TaskFailureDetails) -> Conclusion:
    """Every operation failed; the state is as it was."""
    return Conclusion(batch.state, (_failure(failure),) * len(batch.keys))


def _outcome(batch: Batch, outcome: pb.OperationResult) -> pb.OperationResult:
    match outcome.WhichOneof("resultType"):
        case "success":
            return outcome
        case "failure":
            return _failure(outcome.failure.failureDetails)
        case _:
            message = f"The entity '{batch.id}' reported neither success nor failure of an operation."
            return _failure(failure_details("RuntimeError", message))


def _failure(details: pb.TaskFailureDetails) -> pb.OperationResult:
    return pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=capped(details)))


def _request(event: pb.HistoryEvent) -> pb.OperationRequest:
    operation = (
        event.entityOperationCalled
        if event.HasField("entityOperationCalled")
        else event.entityOperationSignaled
    )
    request = pb.OperationRequest(operation=operation.operation, requestId=operation.requestId)
    if operation.HasField("input"):
        request.input.CopyFrom(operation.input)
    return request
