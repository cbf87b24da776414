"""The board, circuit and run pages, and the same as JSON. All carry an ETag: looking again is cheap."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from busbar import pages
from busbar.codec import to_wire
from busbar.domain.agenda import next_reminder
from busbar.domain.approval import Dossier
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest
from busbar.web import controls, readings
from busbar.web.reply import Reply, unless_known
from busbar.web.shapes import ApprovalReader, RecordReader

NO_HEADERS: Mapping[str, str] = {}


def board(
    headers: Mapping[str, str] = NO_HEADERS, *, records: RecordReader, approvals: ApprovalReader
) -> Reply:
    """GET /"""
    return unless_known(Reply.html(200, pages.board(readings.board(records, approvals))), headers)


def circuit_page(
    plant: str, circuit: str, headers: Mapping[str, str] = NO_HEADERS, *, records: RecordReader
) -> Reply:
    """GET /circuits/{plant}/{circuit}"""
    try:
        view = readings.circuit(CircuitKey.parse(f"{plant}/{circuit}"), records)
    except BadRequest as error:
        return Reply.message(404, "No such circuit", str(error))
    if view is None:
        return Reply.message(
            404, "No such circuit", f"{plant}/{circuit} is not on record: it was never planned."
        )
    return unless_known(Reply.html(200, pages.circuit(view)), headers)


def run_page(
    id: str,
    orchestrations: controls.Orchestrations,
    headers: Mapping[str, str] = NO_HEADERS,
    *,
    records: RecordReader,
) -> Reply:
    """GET /runs/{id}"""
    run = records.run(id)
    if run is None:
        return Reply.message(404, "No such run", f"{id} is not on record.")
    circuits = tuple(record for record in records.circuits() if record.run == id)
    buttons = controls.controls_of(id, orchestrations, records)
    return unless_known(Reply.html(200, pages.run(run, circuits, buttons)), headers)


def circuits_json(
    headers: Mapping[str, str] = NO_HEADERS, *, records: RecordReader, approvals: ApprovalReader
) -> Reply:
    """GET /api/circuits: circuits, deployments, scorings, runs, and pending approvals without addresses or ids."""
    seen = readings.board(records, approvals)
    document = {
        "circuits": [_keyed(record) for record in seen.circuits],
        "deployments": [_keyed(record) for record in seen.deployments],
        "scorings": [_keyed(record) for record in seen.scorings],
        "runs": [to_wire(run) for run in seen.runs],
        "pending": [_asked(pending) for pending in seen.pending],
    }
    return unless_known(Reply.json(200, document), headers)


def approvals_json(headers: Mapping[str, str] = NO_HEADERS, *, approvals: ApprovalReader) -> Reply:
    """GET /api/approvals: what waits for a decision, without addresses or ids."""
    document = {"pending": [_asked(pending) for pending in readings.pending(approvals)]}
    return unless_known(Reply.json(200, document), headers)


def run_json(id: str, headers: Mapping[str, str] = NO_HEADERS, *, records: RecordReader) -> Reply:
    """GET /api/runs/{id}: the run and the circuits whose latest training is of it."""
    run = records.run(id)
    if run is None:
        return Reply.json(404, {"error": f"run {id} is not on record"})
    circuits = [_keyed(record) for record in records.circuits() if record.run == id]
    return unless_known(Reply.json(200, to_wire(run) | {"circuits": circuits}), headers)


def _keyed(record: Any) -> dict[str, Any]:
    """A record as JSON, its key written `PLANT1/CIRC1` beside its parts."""
    return {"circuit": str(record.key)} | to_wire(record)


def _asked(pending: Dossier) -> dict[str, Any]:
    request = pending.request
    reminder = next_reminder(request, datetime.now(UTC))
    return {
        "id": request.id,
        "gate": request.gate,
        "subject": request.subject,
        "requester": request.requester,
        "release_id": request.release_id,
        "quorum": request.quorum,
        "approvers": [person.login for person in request.approvers if person.login != request.requester],
        "votes": [{"login": vote.login, "choice": vote.choice} for vote in pending.votes],
        "people": [_said(voter) for voter in pages.voters(request, pending.votes, pending.notices)],
        "asked_at": request.asked_at,
        "expires_at": request.expires_at,
        "next_reminder_at": reminder.isoformat() if reminder else None,
    }


def _said(voter: pages.Voter) -> str:
    """`ml-lead`, `deputy (for ml-lead) ✓`."""
    return f"{voter.name} ✓" if voter.vote else voter.name
