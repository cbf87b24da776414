"""Read models for the pages, put together from the clients."""

from busbar import pages
from busbar.domain.approval import ApprovalRequest, Dossier
from busbar.domain.circuits import CircuitKey
from busbar.domain.release import Pin, ReleaseSet
from busbar.web.shapes import ApprovalReader, RecordReader


def board(records: RecordReader, approvals: ApprovalReader) -> pages.Board:
    return pages.Board(
        circuits=tuple(records.circuits()),
        deployments=tuple(records.deployments()),
        scorings=tuple(records.scorings()),
        runs=tuple(records.runs()),
        pending=pending(approvals),
    )


def pending(approvals: ApprovalReader) -> tuple[Dossier, ...]:
    """What waits for a decision, what expires first first."""
    undecided = (dossier for dossier in approvals.open() if dossier.verdict is None)
    return tuple(sorted(undecided, key=lambda ask: ask.request.expires_at))


def circuit(key: CircuitKey, records: RecordReader) -> pages.CircuitView | None:
    record = records.circuit(key)
    if record is None:
        return None
    run = records.run(record.run)
    release = records.release(run.release_id) if run and run.release_id else None
    return pages.CircuitView(
        record=record,
        deployments=tuple(one for one in records.deployments() if one.key == key),
        scorings=tuple(one for one in records.scorings() if one.key == key),
        run=run,
        pin=_pin(release, key, record.training_hash),
    )


def _pin(release: ReleaseSet | None, key: CircuitKey, training_hash: str) -> Pin | None:
    pins = release.pins if release else ()
    return next((pin for pin in pins if pin.key == key and pin.training_hash == training_hash), None)


def shown_release(request: ApprovalRequest, release: ReleaseSet | None) -> ReleaseSet | None:
    """What the request asks for: its release set less what earlier approvers left out."""
    return release and release.without(request.excluded)
