"""Deadlines count from a job's start; the queue has its own."""

from datetime import UTC, datetime, timedelta

import pytest

from busbar.domain.events import JobStatus
from busbar.domain.policies import TrainingPolicy
from busbar.domain.steps import JobState
from busbar.domain.waiting import deadline_passed, is_long_running

POLICY = TrainingPolicy(max_hours=3, max_queue_hours=24, long_running_hours=2)
NOW = datetime(2025, 12, 9, 12, tzinfo=UTC)


def job(hours: float | None) -> JobState:
    started = None if hours is None else (NOW - timedelta(hours=hours)).isoformat()
    return JobState("j-1", JobStatus.RUNNING, started_at=started)


@pytest.mark.parametrize(
    ("running", "submitted", "sentence"),
    [
        (None, 24, None),
        (None, 24.1, "j-1 was queued for more than 24 h and was cancelled"),
        (3, 30, None),
        (3.1, 30, "j-1 was running for more than 3 h and was cancelled"),
        (0, 30, None),
    ],
)
def test_deadlines(running: float | None, submitted: float, sentence: str | None):
    missed = deadline_passed(job(running), POLICY, NOW - timedelta(hours=submitted), NOW)
    assert (str(missed) if missed else None) == sentence


@pytest.mark.parametrize(("submitted", "long"), [(0, False), (2, False), (2.1, True)])
def test_long_running_counts_the_queue_too(submitted: float, long: bool):
    assert is_long_running(POLICY, NOW - timedelta(hours=submitted), NOW) is long
