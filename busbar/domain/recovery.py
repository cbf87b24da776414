"""What an operator may do with an orchestration: pause, resume, cancel, retry; and why not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CLEANED = "all that it had under way is ended; a minute later it is looked for once more"
"""What the orchestration that cleans up after a cancelled run says of itself once it has been through."""


class InstanceStatus(StrEnum):
    """Where a durable orchestration stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    FAILED = "failed"
    TERMINATED = "terminated"

    @property
    def ended(self) -> bool:
        return self in (InstanceStatus.COMPLETED, InstanceStatus.FAILED, InstanceStatus.TERMINATED)


@dataclass(frozen=True)
class Standing:
    """An orchestration as the task hub knows it; `said` is its own status, a sentence; `began` is ISO 8601."""

    id: str
    orchestrator: str
    status: InstanceStatus
    said: str = ""
    began: str = ""

    @property
    def ended(self) -> bool:
        return self.status.ended


@dataclass(frozen=True)
class Trail:
    """What an orchestration's history says: its children that have not come back, and the results of its submissions.

    A submission's result is what the activity gave back, plain JSON, under the activity's name.
    """

    children: tuple[str, ...] = ()
    submitted: tuple[tuple[str, Any], ...] = ()


class Control(StrEnum):
    """What an operator asks for."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"


def refusal(control: Control, standing: Standing) -> str:
    """Why a control does nothing with an orchestration, empty where it does."""
    name, status = standing.id, standing.status
    if control is Control.RETRY:
        return (
            "" if status.ended else f"{name} is {status}: it can be retried once it has ended, or cancel it"
        )
    if status is InstanceStatus.TERMINATED:
        return f"{name} was cancelled already"
    if status.ended:
        return f"{name} has ended already: it {status}"
    paused = status is InstanceStatus.SUSPENDED
    if control is Control.PAUSE and paused:
        return f"{name} is paused already"
    if control is Control.RESUME and not paused:
        return f"{name} is not paused, it is {status}"
    return ""


def allowed(standing: Standing) -> tuple[Control, ...]:
    """The controls that do something with an orchestration, for buttons."""
    return tuple(control for control in Control if not refusal(control, standing))
