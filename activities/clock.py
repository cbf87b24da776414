"""The time, for records. Orchestrators never import this: theirs is the context's."""

from datetime import UTC, datetime


def now() -> str:
    """ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def moment() -> str:
    """ISO 8601, UTC, to the millisecond: what happens in the same second has an order, too."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
