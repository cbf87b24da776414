"""`busbar approvals`: what waits for somebody's decision."""

from datetime import UTC, datetime

from busbar.commands.console import LOCAL_URL, Key, Url, ask, show, table
from busbar.domain.approval import instant


def approvals(url: Url = LOCAL_URL, key: Key = "") -> None:
    """What waits for somebody's decision. Deciding is done by the link in the mail, by the person it was sent to."""
    found = table("gate", "votes", "age", "expires", "next reminder", "asked", "subject")
    for pending in ask(lambda api: api.approvals(), url, key):
        votes = f"{len(pending.votes)} of {pending.quorum}"
        times = (age(pending.asked_at), minute(pending.expires_at), minute(pending.next_reminder_at))
        found.add_row(pending.gate, votes, *times, ", ".join(pending.people), pending.subject)
    show(found, "nothing waits for a decision")


def minute(time: str | None) -> str:
    """A time to the minute."""
    return time[:16].replace("T", " ") if time else "–"


def age(since: str | None) -> str:
    """`3 h`, `2 d`: how long ago a time was."""
    if since is None:
        return "–"
    hours = (datetime.now(UTC) - instant(since)).total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"
