"""When cutoff dates move, and to where."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.circuits import Circuit, CircuitKey
from busbar.domain.policies import Every, RefreshPolicy, SchedulePolicy, Weekday
from busbar.domain.refresh import CutoffMove, due_by_age, due_by_schedule, last_due, sentence, whole_day

FIRST, SECOND = CircuitKey("PLANT1", "CIRC1"), CircuitKey("PLANT1", "CIRC2")
CUTOFF = date(2025, 12, 1)
CIRCUIT = Circuit(FIRST, ("a",), CUTOFF, 90, 60, {})
OTHER = replace(CIRCUIT, key=SECOND)
DAILY = SchedulePolicy(Every.DAY)
SUNDAYS = SchedulePolicy(Every.WEEK, "03:30", Weekday.SUNDAY)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("newest", "minutes", "day"),
    [
        ("2025-12-09T13:00", 60, date(2025, 12, 8)),
        ("2025-12-09T23:00", 60, date(2025, 12, 9)),
        ("2025-12-09T23:00", 30, date(2025, 12, 8)),
        ("2025-12-09T00:00", 1440, date(2025, 12, 9)),
        ("2025-12-09T00:00", 60, date(2025, 12, 8)),
    ],
)
def test_the_last_whole_day(newest: str, minutes: int, day: date):
    assert whole_day(at(newest), minutes) == day


@pytest.mark.parametrize(
    ("days", "limit", "moves"), [(30, 30, False), (31, 30, True), (31, None, False), (-5, 1, False)]
)
def test_age_moves_a_cutoff_date_beyond_the_limit(days: int, limit: int | None, moves: bool):
    newest = {FIRST: at("2025-12-01T23:00") + timedelta(days=days)}
    expected = (CutoffMove(FIRST, CUTOFF, CUTOFF + timedelta(days=days)),) if moves else ()
    assert due_by_age([CIRCUIT, OTHER], newest, RefreshPolicy(limit)) == expected


@pytest.mark.parametrize(("lookback", "days"), [(None, None), (90, None), (30, 30)])
def test_a_schedule_moves_whatever_has_newer_readings(lookback: int | None, days: int | None):
    newest = {FIRST: at("2025-12-03T12:00"), SECOND: at("2025-12-01T23:00")}
    moved = due_by_schedule([CIRCUIT, OTHER], newest, replace(DAILY, lookback_days=lookback))
    assert moved == (CutoffMove(FIRST, CUTOFF, date(2025, 12, 2), days),)


@pytest.mark.parametrize(
    ("policy", "now", "due"),
    [
        (DAILY, "2025-12-09T02:00", "2025-12-09T02:00"),
        (DAILY, "2025-12-09T01:59", "2025-12-08T02:00"),
        (DAILY, "2025-12-09T23:59", "2025-12-09T02:00"),
        (SUNDAYS, "2025-12-07T03:30", "2025-12-07T03:30"),
        (SUNDAYS, "2025-12-07T03:29", "2025-11-30T03:30"),
        (SUNDAYS, "2025-12-13T23:00", "2025-12-07T03:30"),
    ],
)
def test_when_a_schedule_was_last_due(policy: SchedulePolicy, now: str, due: str):
    assert last_due(policy, at(now)) == at(due)


@given(
    st.datetimes(timezones=st.just(UTC)).filter(lambda when: 1971 < when.year < 9000),
    st.sampled_from([DAILY, SUNDAYS]),
)
def test_a_schedule_is_due_once_a_period(now: datetime, policy: SchedulePolicy):
    due = last_due(policy, now)
    period = timedelta(days=7 if policy.every is Every.WEEK else 1)
    assert due <= now < due + period
    assert last_due(policy, due) == due
    assert last_due(policy, due + period) == due + period


def test_the_message_names_the_circuits():
    one = CutoffMove(FIRST, CUTOFF, date(2025, 12, 9), 30)
    assert sentence((one,), "it is time") == (
        "Move the cutoff date of PLANT1/CIRC1: it is time\n\n"
        "PLANT1/CIRC1: cutoff_date 2025-12-01 → 2025-12-09, training_days → 30"
    )
    many = tuple(CutoffMove(CircuitKey("P", f"C{number}"), CUTOFF, date(2025, 12, 9)) for number in range(7))
    first, _, lines = sentence(many, "it is time").partition("\n\n")
    assert (
        first == "Move the cutoff dates of 7 circuits (P/C0, P/C1, P/C2, P/C3, P/C4 and 2 more): it is time"
    )
    assert len(lines.splitlines()) == 7
