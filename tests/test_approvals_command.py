"""What `busbar approvals` says of times."""

from datetime import UTC, datetime, timedelta

import pytest

from busbar.commands.approvals import age, minute


@pytest.mark.parametrize(
    ("hours", "said"), [(0, "0 h"), (3.2, "3 h"), (47, "47 h"), (48.5, "2 d"), (720, "30 d")]
)
def test_an_age_is_hours_then_days(hours: float, said: str):
    assert age((datetime.now(UTC) - timedelta(hours=hours)).isoformat()) == said


def test_times_are_to_the_minute_and_a_missing_one_is_a_dash():
    assert minute("2025-12-12T14:30:09+00:00") == "2025-12-12 14:30"
    assert minute(None) == age(None) == "–"
