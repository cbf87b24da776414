"""The day that nightly work is about."""

from datetime import UTC, date, datetime, timedelta


def yesterday() -> date:
    """The last whole day, UTC."""
    return datetime.now(UTC).date() - timedelta(days=1)
