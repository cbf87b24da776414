"""How long a job may take: hours from its start, and hours in the queue, counted apart."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from busbar.domain.policies import TrainingPolicy
from busbar.domain.steps import JobState


@dataclass(frozen=True)
class Deadline:
    """A limit that a job missed."""

    job: str
    limit: str
    hours: float

    def __str__(self) -> str:
        return f"{self.job} was {self.limit} for more than {self.hours:g} h and was cancelled"


def _since(state: JobState, now: datetime) -> timedelta | None:
    return now - datetime.fromisoformat(state.started_at) if state.started_at else None


def deadline_passed(
    state: JobState, policy: TrainingPolicy, submitted: datetime, now: datetime
) -> Deadline | None:
    """The deadline that the job missed, if any. Times are aware, UTC."""
    running = _since(state, now)
    if running is None:
        if now - submitted > timedelta(hours=policy.max_queue_hours):
            return Deadline(state.name, "queued", policy.max_queue_hours)
    elif running > timedelta(hours=policy.max_hours):
        return Deadline(state.name, "running", policy.max_hours)
    return None


def is_long_running(policy: TrainingPolicy, submitted: datetime, now: datetime) -> bool:
    """Whether the job takes longer than its owner expects, the queue included: the owner waits for both."""
    return now - submitted > timedelta(hours=policy.long_running_hours)
