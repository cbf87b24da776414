"""The audit log as a page and as JSON."""

from collections.abc import Mapping

from busbar import pages
from busbar.codec import to_wire
from busbar.domain.audit import Entry, Head
from busbar.domain.errors import BadRequest
from busbar.web.reply import Reply, unless_known
from busbar.web.shapes import AuditReader

MOST, USUAL = 1000, 200
NOTHING: Mapping[str, str] = {}


def entries_json(
    query: Mapping[str, str] = NOTHING, headers: Mapping[str, str] = NOTHING, *, audit: AuditReader
) -> Reply:
    """GET /api/audit?first=&limit=&subject=: entries in order from number `first` on, by default the newest."""
    limit, first = _number(query, "limit", USUAL, MOST), _number(query, "first", 0)
    head = audit.head()
    if subject := query.get("subject", ""):
        found = [entry for entry in audit.entries(max(first, 1)) if _names(entry, subject)]
        entries = found[:limit] if first else found[-limit:]
    else:
        entries = _run(audit, first or head.sequence - limit + 1, limit)
    document = {"head": to_wire(head), "entries": [to_wire(entry) for entry in entries]}
    return unless_known(Reply.json(200, document), headers)


def page(
    query: Mapping[str, str] = NOTHING, headers: Mapping[str, str] = NOTHING, *, audit: AuditReader
) -> Reply:
    """GET /audit?before=&subject=: the entries before a number, by default the newest, newest first."""
    try:
        before = _number(query, "before", 0)
    except BadRequest as error:
        return Reply.message(400, "No such page of the audit log", str(error))
    head, subject = audit.head(), query.get("subject", "")
    view = _filtered(audit, head, subject) if subject else _window(audit, head, before)
    return unless_known(Reply.html(200, pages.audit(view)), headers)


def _window(audit: AuditReader, head: Head, before: int) -> pages.AuditView:
    end = min(before, head.sequence + 1) if before else head.sequence + 1
    entries = _run(audit, end - USUAL, min(USUAL, max(end - 1, 0)))
    return pages.AuditView(head, tuple(entries[::-1]))


def _filtered(audit: AuditReader, head: Head, subject: str) -> pages.AuditView:
    found = [entry for entry in audit.entries() if _names(entry, subject)]
    return pages.AuditView(head, tuple(found[-MOST:][::-1]), subject)


def _run(audit: AuditReader, first: int, count: int) -> list[Entry]:
    start = max(first, 1)
    return audit.entries(start, max(first, 1) + count - 1)


def _names(entry: Entry, subject: str) -> bool:
    """Whether an entry is about `subject`: a release's requests carry its id in theirs."""
    return subject in entry.subject


def _number(query: Mapping[str, str], name: str, default: int, most: int = 10**12 - 1) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 12 or not 0 < int(text) <= most:
        raise BadRequest(name, f"{text!r} is not a number from 1 to {most}")
    return int(text)
