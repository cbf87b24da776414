"""What a task hub keeps and what it asks of the code that runs in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.entities import EntityInstanceId

LONGEST_FAILURE_TEXT = 64 * 1024  # bytes, of a message and of a stack trace each


class Status(IntEnum):
    """A runtime status; the numbers are the protocol's own."""

    RUNNING = pb.ORCHESTRATION_STATUS_RUNNING
    COMPLETED = pb.ORCHESTRATION_STATUS_COMPLETED
    CONTINUED_AS_NEW = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    FAILED = pb.ORCHESTRATION_STATUS_FAILED
    CANCELED = pb.ORCHESTRATION_STATUS_CANCELED
    TERMINATED = pb.ORCHESTRATION_STATUS_TERMINATED
    PENDING = pb.ORCHESTRATION_STATUS_PENDING
    SUSPENDED = pb.ORCHESTRATION_STATUS_SUSPENDED

    @property
    def finished(self) -> bool:
        return self in FINISHED


FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED})


class TaskHubError(Exception):
    """Base of the errors a caller of the task hub can cause."""


class InstanceExists(TaskHubError):
    """The id belongs to an instance that has not finished."""

    def __init__(self, instance_id: str, status: Status):
        super().__init__(
            f"An orchestration instance with the ID {instance_id} already exists and is {status.name}."
        )


class NoSuchInstance(TaskHubError):
    def __init__(self, instance_id: str):
        super().__init__(f"No instance with ID '{instance_id}' was found.")


class InstanceFinished(TaskHubError):
    """The operation needs an instance that still runs."""

    def __init__(self, instance_id: str, status: Status):
        super().__init__(f"The orchestration instance '{instance_id}' is already {status.name}.")


class NotFailed(TaskHubError):
    """Only a failed instance can be rewound."""

    def __init__(self, instance_id: str, status: Status):
        super().__init__(f"The orchestration instance '{instance_id}' is {status.name}, not FAILED.")
        self.status = status


class TaskHubUnavailable(Exception):
    """The task hub cannot take work, or cannot keep it, for a reason outside the program: see its text."""


class TaskHubLocked(TaskHubUnavailable):
    """Another process has the database open."""


class TaskHubUnusable(TaskHubUnavailable):
    """The file is not a database that this version can use. It has been left as it is."""

    def __init__(self, path: Path, reason: str, remedy: str):
        super().__init__(f"The task hub {path} cannot be used: {reason}. {remedy}")


class ActivityFailed(Exception):
    """Raised by an `Executor`: the activity's own failure, as the orchestrator shall see it."""

    def __init__(self, error_type: str, message: str, stack_trace: str = ""):
        super().__init__(message)
        self.error_type, self.message, self.stack_trace = error_type, message, stack_trace


class TurnDeclined(Exception):
    """Raised by an `Executor`: not now. What the turn was for waits until the next start, or the next event."""


class Executor(Protocol):
    """Runs the app's code. Payloads are JSON texts, `None` for no value."""

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        """Replay `past`, apply `new` and say what comes next. Raising fails the instance.

        Raises `TurnDeclined` to leave the instance as it is.
        """
        ...

    async def activity(self, name: str, payload: str | None) -> str | None:
        """Run an activity. Raises `ActivityFailed`; may be called again for the same work after a crash."""
        ...

    async def entity(
        self, entity_id: str, state: str | None, operations: Sequence[pb.OperationRequest]
    ) -> pb.EntityBatchResult:
        """Run operations on an entity's state, in order. Results fewer than operations leave the rest waiting.

        Raising fails all of them and leaves the state as it is.
        """
        ...


@dataclass(frozen=True)
class Instance:
    """An orchestration instance. Times are seconds since the epoch; payloads are JSON texts."""

    id: str
    execution: str
    name: str
    status: Status
    input: str | None
    output: str | None
    custom_status: str | None
    failure: pb.TaskFailureDetails | None
    parent_id: str | None
    created: float
    updated: float
    completed: float | None
    version: str | None = None


@dataclass(frozen=True)
class Query:
    """Which instances to list; empty fields do not restrict. `limit` is the size of a page."""

    statuses: tuple[Status, ...] = ()
    id_prefix: str = ""
    created_from: float | None = None
    created_to: float | None = None
    limit: int | None = None
    after: str = ""


@dataclass(frozen=True)
class FinishedQuery:
    """Which finished instances to list, by the time of their end and then by id.

    `completed_to` is exclusive; `after` is the end and the id of the last instance of the page before.
    """

    statuses: tuple[Status, ...] = ()
    completed_from: float | None = None
    completed_to: float | None = None
    limit: int | None = None
    after: tuple[float, str] | None = None


@dataclass(frozen=True)
class Entity:
    """An entity. `state` is a JSON text, None for one without state; `backlog` counts waiting operations."""

    id: str
    state: str | None
    modified: float
    backlog: int
    locked_by: str | None


@dataclass(frozen=True)
class EntityQuery:
    """Which entities to list; empty fields do not restrict. Transient ones have no state."""

    id_prefix: str = ""
    modified_from: float | None = None
    modified_to: float | None = None
    include_transient: bool = False
    limit: int | None = None
    after: str = ""


def entity_id(text: str) -> str:
    """The id of an entity, `@name@key`, its name in lower case. Raises ValueError."""
    return str(EntityInstanceId.parse(text))


def failure_details(error_type: str, message: str, stack_trace: str = "") -> pb.TaskFailureDetails:
    """Failure details whose texts fit into history."""
    details = pb.TaskFailureDetails(errorType=error_type, errorMessage=_cut(message))
    if stack_trace:
        details.stackTrace.value = _cut(stack_trace)
    return details


def capped(details: pb.TaskFailureDetails) -> pb.TaskFailureDetails:
    """`details` with every text, inner failures included, cut to `LONGEST_FAILURE_TEXT`."""
    details.errorMessage = _cut(details.errorMessage)
    if details.HasField("stackTrace"):
        details.stackTrace.value = _cut(details.stackTrace.value)
    if details.HasField("innerFailure"):
        capped(details.innerFailure)
    return details


def _cut(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= LONGEST_FAILURE_TEXT:
        return encoded.decode()
    mark = f"… [cut, {len(encoded)} bytes in all]"
    return encoded[: LONGEST_FAILURE_TEXT - len(mark.encode())].decode("utf-8", "ignore") + mark
