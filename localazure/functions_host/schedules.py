"""When timers fire: NCRONTAB expressions (seconds first), and time spans."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from localazure.functions_host.settings import SettingsError, time_span

if TYPE_CHECKING:
    from croniter import croniter

ZONE_SETTING = "WEBSITE_TIME_ZONE"


def time_zone() -> tzinfo:
    """The zone of NCRONTAB expressions: UTC unless the app setting names another. Raises `SettingsError`."""
    name = os.environ.get(ZONE_SETTING)
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise SettingsError(f"{ZONE_SETTING}: {name!r} is not a time zone, such as Europe/Berlin.") from None


@dataclass(frozen=True)
class Schedule:
    """An NCRONTAB expression of six fields, or five without the seconds, or a span such as `00:05:00`.

    Raises `SettingsError` for anything else.
    """

    expression: str
    zone: tzinfo = UTC
    span: timedelta | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "span", time_span(self.expression))
        fields = self.expression.split()
        if self.span or (
            len(fields) in (5, 6) and _croniter().is_valid(self._cron, second_at_beginning=True)
        ):
            return
        raise SettingsError(
            f"Timer schedule {self.expression!r} is not NCRONTAB (five fields, or six with the seconds first) "
            "and not a time span such as 00:05:00."
        )

    @property
    def _cron(self) -> str:
        return f"0 {self.expression}" if len(self.expression.split()) == 5 else self.expression

    def after(self, moment: datetime) -> datetime:
        """The first time after `moment`, in UTC."""
        if self.span:
            return moment + self.span
        # With day_or=False, a day must fit both its fields, as in NCRONTAB.
        cron = _croniter()(self._cron, moment.astimezone(self.zone), second_at_beginning=True, day_or=False)
        return cron.get_next(datetime).astimezone(UTC)

    def is_frequent(self, moment: datetime) -> bool:
        """Whether it fires more often than once a minute: such a timer is not watched by default."""
        first = self.after(moment)
        return self.after(first) - first < timedelta(minutes=1)


def _croniter() -> "type[croniter]":
    """Imported by the first NCRONTAB expression: the start of an app without timers does not pay for it."""
    from croniter import croniter

    return croniter
