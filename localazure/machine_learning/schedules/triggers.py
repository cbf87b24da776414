"""When a schedule fires: Azure ML's cron and recurrence triggers. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from croniter import croniter

from localazure.machine_learning.schedules.zones import zone

Json = dict[str, Any]

_CRON_FIELD = re.compile(r"[\dA-Za-z*,/-]+")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
_PATTERNS = {"day": (), "week": ("weekDays",), "month": ("weekDays", "monthDays")}
_MONTHS_SEARCHED = 60  # a pattern that fits no day of five years fits none


class InvalidTrigger(ValueError):
    """The trigger cannot fire as written; the message says what to change."""


@dataclass(frozen=True)
class Trigger:
    """The days of a rule, each with `times`, in `zone`, from `start` to `end`; or every `span` from `start`.

    `start` is when the schedule begins; `frequency` is day, week or month, `weekdays` count from Monday.
    """

    zone: tzinfo
    start: datetime
    end: datetime | None
    interval: int = 1
    frequency: str = "day"
    times: tuple[time, ...] = ()
    weekdays: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    span: timedelta | None = None

    def after(self, moment: datetime) -> datetime | None:
        """The first time to fire after `moment`, in UTC; None when there is none before the end."""
        # A start that is itself a time to fire counts.
        earliest = max(moment, self.start - timedelta(microseconds=1))
        found = self._next_of_spans(self.span, earliest) if self.span else self._next_of_days(earliest)
        return None if found is None or (self.end and found > self.end) else found

    def _next_of_spans(self, span: timedelta, earliest: datetime) -> datetime:
        step = span * self.interval
        return self.start + max(0, (earliest - self.start) // step + 1) * step

    def _next_of_days(self, earliest: datetime) -> datetime | None:
        for day in self._days(earliest.astimezone(self.zone).date()):
            due = sorted(datetime.combine(day, at, self.zone).astimezone(UTC) for at in self.times)
            if found := next((moment for moment in due if moment > earliest), None):
                return found
        return None

    def _days(self, first: date) -> Iterator[date]:
        anchor = self.start.astimezone(self.zone).date()
        if self.frequency == "day":
            return self._every_day(anchor, first)
        if self.frequency == "week":
            return self._of_weeks(anchor, first)
        return self._of_months(anchor, first)

    def _every_day(self, anchor: date, first: date) -> Iterator[date]:
        gone = max(0, -(-(first - anchor).days // self.interval))
        for number in range(gone, gone + 9):
            day = anchor + timedelta(days=number * self.interval)
            if not self.weekdays or day.weekday() in self.weekdays:
                yield day

    def _of_weeks(self, anchor: date, first: date) -> Iterator[date]:
        monday = anchor - timedelta(days=anchor.weekday())
        gone = max(0, (first - monday).days // (7 * self.interval))
        for number in range(gone, gone + 3):
            week = monday + timedelta(weeks=number * self.interval)
            days = sorted(self.weekdays or {anchor.weekday()})
            yield from (day for one in days if (day := week + timedelta(days=one)) >= first)

    def _of_months(self, anchor: date, first: date) -> Iterator[date]:
        passed = (first.year - anchor.year) * 12 + first.month - anchor.month
        gone = max(0, passed // self.interval)
        for number in range(gone, gone + _MONTHS_SEARCHED):
            month = anchor.month - 1 + number * self.interval
            days = _days_of(anchor.year + month // 12, month % 12 + 1)
            yield from (day for day in days if day >= first and self._is_day_of_month(day, anchor))

    def _is_day_of_month(self, day: date, anchor: date) -> bool:
        if not self.weekdays and not self.month_days:
            return day.day == anchor.day
        return day.day in self.month_days or day.weekday() in self.weekdays


def parse_trigger(wire: Json, created: datetime) -> Trigger:
    """The trigger that the service is sent; a schedule without a start begins when it is `created`.

    Raises `InvalidTrigger`.
    """
    name = str(wire.get("timeZone") or "UTC")
    where = zone(name)
    if where is None:
        raise InvalidTrigger(f"The time zone {name!r} is none of Windows' time zones, such as 'UTC'.")
    start, end = _moment(wire, "startTime", where), _moment(wire, "endTime", where)
    if start and end and end <= start:
        raise InvalidTrigger(f"The endTime {wire['endTime']} is not after the startTime {wire['startTime']}.")
    match str(wire.get("triggerType", "")).lower():
        case "cron":
            return _cron(wire, where, start or created, end)
        case "recurrence":
            return _recurrence(wire, where, start or created, end)
        case other:
            raise InvalidTrigger(f"The triggerType {other!r} is neither Cron nor Recurrence.")


def _cron(wire: Json, where: tzinfo, start: datetime, end: datetime | None) -> Trigger:
    """Azure ML takes the fields for days and months as `*`, whatever they say."""
    expression = str(wire.get("expression") or "")
    fields = expression.split()
    is_cron = len(fields) == 5 and all(_CRON_FIELD.fullmatch(field) for field in fields)
    if not is_cron or not croniter.is_valid(expression):
        raise InvalidTrigger(
            f"The cron expression {expression!r} is not of the form MINUTES HOURS DAYS MONTHS DAYS-OF-WEEK."
        )
    minutes, hours, _, _, days = croniter.expand(expression)[0]
    return Trigger(
        zone=where,
        start=start,
        end=end,
        times=_times(_listed(hours, range(24)), _listed(minutes, range(60))),
        weekdays=frozenset((day - 1) % 7 for day in _listed(days, range(7))),  # cron's weeks begin on Sunday
    )


def _recurrence(wire: Json, where: tzinfo, start: datetime, end: datetime | None) -> Trigger:
    frequency, interval = str(wire.get("frequency", "")).lower(), wire.get("interval")
    if type(interval) is not int or interval < 1:
        raise InvalidTrigger(f"The interval {interval!r} is not a whole number of at least 1.")
    pattern = {name: value for name, value in (wire.get("schedule") or {}).items() if value}
    if span := _SPANS.get(frequency):
        if pattern:
            raise InvalidTrigger(f"A recurrence by the {frequency} takes no schedule: {', '.join(pattern)}.")
        return Trigger(where, start, end, interval, span=span)
    if frequency not in _PATTERNS:
        raise InvalidTrigger(f"The frequency {frequency!r} is none of minute, hour, day, week, month.")
    if unknown := pattern.keys() - {"hours", "minutes", *_PATTERNS[frequency]}:
        raise InvalidTrigger(f"A recurrence by the {frequency} takes no {', '.join(sorted(unknown))}.")
    local = start.astimezone(where)
    hours = _numbers(pattern, "hours", range(24)) or (local.hour,)
    minutes = _numbers(pattern, "minutes", range(60)) or ((0,) if pattern.get("hours") else (local.minute,))
    return Trigger(
        zone=where,
        start=start,
        end=end,
        interval=interval,
        frequency=frequency,
        times=_times(hours, minutes) if pattern else (local.time(),),
        weekdays=frozenset(_weekdays(pattern)),
        month_days=frozenset(_numbers(pattern, "monthDays", range(1, 32))),
    )


def _moment(wire: Json, name: str, where: tzinfo) -> datetime | None:
    """A time without an offset is one of the trigger's zone."""
    if not wire.get(name):
        return None
    try:
        moment = datetime.fromisoformat(str(wire[name]))
    except ValueError:
        raise InvalidTrigger(f"The {name} {wire[name]!r} is not of the form 2022-06-01T00:00:01.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=where)).astimezone(UTC)


def _times(hours: Sequence[int], minutes: Sequence[int]) -> tuple[time, ...]:
    return tuple(time(hour, minute) for hour in hours for minute in minutes)


def _listed(field: Sequence[int | str], every: range) -> tuple[int, ...]:
    """The numbers of a cron field."""
    return tuple(every) if "*" in field else tuple(int(number) for number in field)


def _numbers(pattern: Json, name: str, allowed: range) -> tuple[int, ...]:
    numbers: list[Any] = pattern.get(name) or []
    for number in numbers:
        if type(number) is not int or number not in allowed:
            raise InvalidTrigger(
                f"{name}: {number!r} is not a number from {allowed.start} to {allowed.stop - 1}."
            )
    return tuple(sorted(set(numbers)))


def _weekdays(pattern: Json) -> Iterator[int]:
    for name in pattern.get("weekDays") or ():
        if str(name).lower() not in _WEEKDAYS:
            raise InvalidTrigger(f"weekDays: {name!r} is none of {', '.join(_WEEKDAYS)}.")
        yield _WEEKDAYS.index(str(name).lower())


def _days_of(year: int, month: int) -> Iterator[date]:
    day = date(year, month, 1)
    while day.month == month:
        yield day
        day += timedelta(days=1)
