"""Evidence notebooks, on real blobs and tables."""

from uuid import uuid4

import pytest

from busbar.clients.evidence import Evidence
from busbar.clients.records import Records
from busbar.domain.errors import NotFound
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from tests.azure import LocalAzure


def test_a_note_and_a_page_are_kept_by_release(local_azure: LocalAzure):
    evidence, release = Evidence(local_azure.settings), f"r-{uuid4().hex[:12]}"
    assert evidence.note(release) is None
    with pytest.raises(NotFound):
        evidence.page(release)
    for status in (EvidenceStatus.PENDING, EvidenceStatus.READY):
        note = EvidenceNote(release, status, "a sentence")
        evidence.save_note(note)
        assert evidence.note(release) == note
    evidence.save_page(release, "<html>ä</html>".encode())
    evidence.save_page(release, "<html>ö</html>".encode())
    assert evidence.page(release).decode() == "<html>ö</html>"
    assert not any(release in id for id in Records(local_azure.settings).releases())
