"""Evidence notebooks of release sets: the rendered page (a blob) and where it stands (a row)."""

import json

from busbar.clients.blobs import Blobs
from busbar.clients.tables import Tables
from busbar.codec import from_wire, to_wire
from busbar.domain.evidence import EvidenceNote
from busbar.settings import Settings

_CONTAINER = "releases"
_PARTITION = "evidence"


class Evidence:
    """By release id. A save replaces what was there."""

    def __init__(self, settings: Settings):
        self._blobs = Blobs(settings)
        self._notes = Tables(settings)["evidence"]

    def note(self, release_id: str) -> EvidenceNote | None:
        """Where the release's notebook stands, `None` if nobody has asked for one."""
        row = self._notes.get(_PARTITION, release_id)
        return None if row is None else from_wire(EvidenceNote, json.loads(row.body))

    def save_note(self, note: EvidenceNote) -> None:
        self._notes.upsert(_PARTITION, note.release_id, json.dumps(to_wire(note)))

    def page(self, release_id: str) -> bytes:
        """The rendered notebook, HTML in UTF-8; raises `NotFound`."""
        return self._blobs.read(_CONTAINER, f"{release_id}/evidence.html")

    def save_page(self, release_id: str, page: bytes) -> None:
        self._blobs.write(_CONTAINER, f"{release_id}/evidence.html", page)
