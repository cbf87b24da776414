"""Schedules come due once a period, whatever happens to the timer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from busbar.domain.policies import Stage
from busbar.domain.steps import RefreshRun
from busbar.web import schedules
from tests.activities.bench import repository
from tests.fakes import FakeRecords

DUE = datetime(2026, 1, 20, 2, tzinfo=UTC)


class Hub:
    """Knows what was started, as the durable client does."""

    def __init__(self) -> None:
        self.started: dict[str, Any] = {}

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool:
        assert orchestrator == "scheduled_refresh"
        return self.started.setdefault(instance_id, request) is request

    def raise_event(self, instance_id: str, event: str, data: str = "") -> None:
        raise AssertionError("a schedule wakes nobody")


class Looks:
    """Looks at the sample fleet's schedules at one time after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub, self.records, self.repository = Hub(), FakeRecords(), repository()
        self._patch = monkeypatch

    def at(self, now: datetime) -> list[str]:
        self._patch.setattr(schedules, "_now", lambda: now)
        given: Any = {"repository": self.repository, "records": self.records}
        return schedules.start_due(self.hub, **given)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


def test_the_first_look_of_all_starts_nothing(look: Looks):
    assert look.at(DUE + timedelta(hours=5)) == []
    assert look.at(DUE + timedelta(hours=6)) == []


def test_what_comes_due_is_started_once(look: Looks):
    look.at(DUE - timedelta(minutes=10))
    assert look.at(DUE) == ["refresh-dev-2026-01-20T0200"]
    assert look.at(DUE) == look.at(DUE + timedelta(hours=23)) == []
    assert look.hub.started == {"refresh-dev-2026-01-20T0200": RefreshRun(Stage.DEV, DUE.isoformat())}


def test_after_an_outage_of_days_one_is_started(look: Looks):
    look.at(DUE)
    assert look.at(DUE + timedelta(days=9, hours=3)) == ["refresh-dev-2026-01-29T0200"]
    assert list(look.hub.started) == ["refresh-dev-2026-01-29T0200"]


def test_killed_between_the_start_and_the_note_nothing_is_done_twice(
    look: Looks, monkeypatch: pytest.MonkeyPatch
):
    look.at(DUE - timedelta(days=1))
    with monkeypatch.context() as patch:
        patch.setattr(FakeRecords, "save_schedule", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look.at(DUE)
    first = dict(look.hub.started)
    assert look.at(DUE + timedelta(minutes=10)) == ["refresh-dev-2026-01-20T0200"]
    assert look.hub.started == first


def test_a_fleet_nobody_has_pushed_has_no_schedules(look: Looks):
    look.repository.branches.clear()
    assert look.at(DUE) == []
