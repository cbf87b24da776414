"""The stages' schedules: which of them came due since the last look."""

from datetime import UTC, datetime
from typing import Protocol

from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.policies import Stage
from busbar.domain.refresh import last_due
from busbar.domain.steps import RefreshRun
from busbar.fleet.repository import fleet_at, training_head
from busbar.web.events import Orchestrations


class ScheduleRecords(Protocol):
    """Until when each stage's schedule was looked at, ISO 8601; `None` before the first look."""

    def schedule(self, stage: Stage) -> str | None: ...
    def save_schedule(self, stage: Stage, due: str) -> None: ...


def _now() -> datetime:
    return datetime.now(UTC)


def start_due(
    orchestrations: Orchestrations, *, repository: Repository, records: ScheduleRecords
) -> list[str]:
    """Start what came due; gives back what was started.

    However many periods went by unseen, the last one is started, once. The first look of all starts nothing: what
    was due before there was a Busbar is not late.
    """
    training = training_head(repository)
    schedules = fleet_at(repository, training[1]).policies.schedules if training else {}
    started: list[str] = []
    for stage, schedule in schedules.items():
        due = last_due(schedule, _now())
        known = records.schedule(stage)
        if known is not None and datetime.fromisoformat(known) < due:
            run = names.refresh_run(stage, due)
            orchestrations.start("scheduled_refresh", run, RefreshRun(stage, due.isoformat()))
            started.append(run)
        if known is None or datetime.fromisoformat(known) < due:
            records.save_schedule(stage, due.isoformat())
    return started
