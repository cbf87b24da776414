from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localazure.machine_learning.schedules.triggers import InvalidTrigger, parse_trigger
from localazure.machine_learning.schedules.zones import zone

NOW = datetime(2026, 11, 21, 15, 7, 30, tzinfo=UTC)  # a Saturday


def cron(expression: str, **more: Any) -> dict[str, Any]:
    return {"triggerType": "Cron", "expression": expression, **more}


def every(frequency: str, interval: int = 1, **more: Any) -> dict[str, Any]:
    schedule = {
        name: more.pop(name) for name in ("hours", "minutes", "weekDays", "monthDays") if name in more
    }
    return {
        "triggerType": "Recurrence",
        "frequency": frequency,
        "interval": interval,
        "schedule": {"hours": [], "minutes": [], **schedule},
        **more,
    }


def times(wire: dict[str, Any], count: int, after: datetime = NOW) -> list[str]:
    trigger, found = parse_trigger(wire, NOW), []
    while len(found) < count and (moment := trigger.after(after)):
        found.append(f"{moment:%Y-%m-%d %H:%M:%S}")
        after = moment
    return found


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (cron("15 16 * * 1"), ["2026-11-23 16:15:00", "2026-11-30 16:15:00"]),
        (cron("15 16 * * MON"), ["2026-11-23 16:15:00", "2026-11-30 16:15:00"]),
        # Azure ML takes days and months as `*`.
        (cron("0 3 1 2 *"), ["2026-11-22 03:00:00", "2026-11-23 03:00:00"]),
        (cron("*/20 * * * *"), ["2026-11-21 15:20:00", "2026-11-21 15:40:00"]),
        (
            cron("0 8 * * *", timeZone="W. Europe Standard Time"),
            ["2026-11-22 07:00:00", "2026-11-23 07:00:00"],
        ),
        (cron("0 8 * * *", startTime="2026-12-01T09:00:00"), ["2026-12-02 08:00:00"]),
        (cron("0 8 * * *", endTime="2026-11-23 07:00:00"), ["2026-11-22 08:00:00"]),
        (every("minute", 5), ["2026-11-21 15:12:30", "2026-11-21 15:17:30"]),
        (every("Hour", 6, startTime="2026-11-21T00:00:00"), ["2026-11-21 18:00:00", "2026-11-22 00:00:00"]),
        (every("day", 2, startTime="2026-11-01T05:00:00"), ["2026-11-23 05:00:00", "2026-11-25 05:00:00"]),
        (every("day", hours=[3], minutes=[15, 45]), ["2026-11-22 03:15:00", "2026-11-22 03:45:00"]),
        (
            every("week", 2, hours=[10], minutes=[0], weekDays=["Monday"]),
            ["2026-11-30 10:00:00", "2026-12-14 10:00:00"],
        ),
        (
            every("week", hours=[10], minutes=[0], weekDays=["friday", "monday"]),
            ["2026-11-23 10:00:00", "2026-11-27 10:00:00"],
        ),
        # Months without the day are left out.
        (
            every("month", hours=[10], minutes=[0], monthDays=[31]),
            ["2026-12-31 10:00:00", "2027-01-31 10:00:00", "2027-03-31 10:00:00"],
        ),
        (every("month", 3), ["2027-02-21 15:07:30", "2027-05-21 15:07:30"]),
        (every("month", 12, startTime="2024-02-29T00:00:00"), ["2028-02-29 00:00:00"]),
    ],
)
def test_the_times_of_a_trigger(wire: dict[str, Any], expected: list[str]) -> None:
    assert times(wire, len(expected)) == expected


def test_a_new_schedule_without_a_start_fires_at_once() -> None:
    assert parse_trigger(every("hour"), NOW).after(NOW - timedelta(microseconds=1)) == NOW


def test_an_hour_that_the_clocks_skip_or_repeat_fires_once() -> None:
    daily = cron("30 2 * * *", timeZone="W. Europe Standard Time")
    spring = times(daily, 3, datetime(2027, 3, 27, 12, tzinfo=UTC))
    assert spring == ["2027-03-28 01:30:00", "2027-03-29 00:30:00", "2027-03-30 00:30:00"]
    autumn = times(daily, 3, datetime(2027, 10, 30, 12, tzinfo=UTC))
    assert autumn == ["2027-10-31 00:30:00", "2027-11-01 01:30:00", "2027-11-02 01:30:00"]


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (cron("61 * * * *"), "'61 * * * *'"),
        (cron("* * * *"), "MINUTES HOURS"),
        (cron("0 0 3 * * *"), "MINUTES HOURS"),
        (cron("@daily"), "MINUTES HOURS"),
        (cron(""), "MINUTES HOURS"),
        (cron("0 3 * * *", timeZone="Europe/Berlin"), "time zone 'Europe/Berlin'"),
        (cron("0 3 * * *", startTime="soon"), "startTime 'soon'"),
        (
            cron("0 3 * * *", startTime="2027-01-02T00:00:00", endTime="2027-01-01T00:00:00"),
            "not after the startTime",
        ),
        (every("day", 0), "interval 0"),
        (every("fortnight"), "frequency 'fortnight'"),
        (every("hour", hours=[3]), "takes no schedule: hours"),
        (every("day", weekDays=["Monday"]), "takes no weekDays"),
        (every("week", weekDays=["Moonday"]), "'Moonday'"),
        (every("day", hours=[24]), "hours: 24"),
        ({"triggerType": "Event"}, "'event'"),
    ],
)
def test_what_cannot_fire_is_refused(wire: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTrigger, match=message.replace("*", r"\*")):
        parse_trigger(wire, NOW)


def test_every_time_zone_of_the_sdk_is_known() -> None:
    from azure.ai.ml.constants import TimeZone

    assert [one.value for one in TimeZone if zone(one.value) is None] == []


FROM, TO = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01")


@settings(max_examples=200)
@given(
    frequency=st.sampled_from(["minute", "hour", "day", "week", "month"]),
    interval=st.integers(1, 40),
    start=st.datetimes(FROM, TO),
    after=st.datetimes(FROM, TO),
    name=st.sampled_from(["UTC", "W. Europe Standard Time", "Nepal Standard Time"]),
)
def test_times_go_up_and_never_precede_the_start(
    frequency: str, interval: int, start: datetime, after: datetime, name: str
) -> None:
    wire = every(frequency, interval, startTime=start.isoformat(), timeZone=name)
    trigger, moment = parse_trigger(wire, NOW), after.replace(tzinfo=UTC)
    for _ in range(3):
        found = trigger.after(moment)
        assert found is not None
        assert found > moment
        assert found >= start.replace(tzinfo=zone(name) or ZoneInfo("UTC")).astimezone(UTC)
        moment = found
