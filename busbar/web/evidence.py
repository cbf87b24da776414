"""The evidence notebook of a release set: a rendered page of a job, shown in a sandbox of its own."""

from collections.abc import Mapping

from busbar.domain.errors import NotFound
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.web.reply import HTML, Reply, unless_known
from busbar.web.shapes import EvidenceReader

# Rendered from data and code of a job: it may show its own styles and images, and nothing else. A sandbox without
# allowances gives it an origin of its own, no scripts, no forms and no windows.
SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
TITLE = "Evidence notebook"


def show(id: str, headers: Mapping[str, str], *, evidence: EvidenceReader) -> Reply:
    """GET /releases/{id}/evidence: the notebook, or a page that says why there is none (yet)."""
    note = evidence.note(id)
    if note is None:
        return Reply.message(404, TITLE, f"No evidence notebook was asked for release set {id}.")
    if note.status is EvidenceStatus.PENDING:
        text = f"It is being made: {note.sentence}. Open this page again in a minute."
        return Reply.message(200, TITLE, text, {"Cache-Control": "no-store"})
    try:
        if note.status is EvidenceStatus.READY:
            return unless_known(Reply(200, evidence.page(id).decode(), HTML, SANDBOX), headers)
    except NotFound:
        note = EvidenceNote(id, EvidenceStatus.MISSING, "its page is gone from the container `releases`")
    return Reply.message(404, TITLE, f"Release set {id} has none: {note.sentence}.")
