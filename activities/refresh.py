"""New cutoff dates, committed to the fleet's repository: the ordinary commit path trains."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from activities.clock import now
from busbar.clients.audit import Audit
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain.circuits import Circuit, CircuitKey, Fleet
from busbar.domain.policies import GateName, Stage
from busbar.domain.refresh import CutoffMove, asked_for, due_by_age, due_by_schedule, sentence, up_to_date
from busbar.domain.steps import Refreshed, RefreshRun
from busbar.fleet.repository import CONFIG, fleet_at, training_head

CIRCUITS = f"{CONFIG}/circuits.yaml"


def refresh_cutoffs(
    request: RefreshRun, *, repository: Repository, records: Records, audit: Audit
) -> Refreshed:
    """One commit on the training branch for all circuits that are due; run again, it finds none due any more.

    Circuits that were asked for and are where they were to go count as moved, by this or an earlier commit.
    Raises `Conflict` when somebody changes the file at the same time: tried again, it reads theirs.
    """
    training = training_head(repository)
    if training is None:
        return Refreshed("no branch trains yet, so no cutoff date moves")
    branch, head = training
    fleet = fleet_at(repository, head)
    moves = _due(request, fleet, records)
    if not moves and (
        there := up_to_date(fleet.circuits, _newest(fleet.circuits, records), request.circuits)
    ):
        return Refreshed(f"{', '.join(map(str, there))}: at the newest cutoff date already", there, head)
    if not moves:
        return Refreshed("no circuit has readings new enough for another cutoff date")
    message = sentence(moves, _cause(request, fleet))
    before = repository.file(CIRCUITS, head)
    after = _edited(before, moves)
    keys = tuple(move.key for move in moves)
    audit.append(
        id=f"refresh-{hashlib.sha256(after).hexdigest()[:16]}",
        kind="refresh",
        subject=branch,
        actor=_actor(request),
        sentence=message.partition("\n")[0],
        details={"moves": [move.sentence for move in moves], "due": request.due},
    )
    commit = repository.commit_file(CIRCUITS, branch, after, message, replaces=before)
    return Refreshed(message.partition("\n")[0], keys, commit)


def _due(request: RefreshRun, fleet: Fleet, records: Records) -> tuple[CutoffMove, ...]:
    newest = _newest(fleet.circuits, records)
    if request.circuits:
        return asked_for(fleet.circuits, newest, request.circuits)
    if request.stage is None:
        return due_by_age(fleet.circuits, newest, fleet.policies.refresh)
    schedule = fleet.policies.schedules.get(request.stage)
    return due_by_schedule(_of(request.stage, fleet, records), newest, schedule) if schedule else ()


def _of(stage: Stage, fleet: Fleet, records: Records) -> list[Circuit]:
    """Dev trains every circuit; of the other stages those count that are deployed there."""
    deployed = {record.key for record in records.deployments(stage)}
    return [circuit for circuit in fleet.circuits if stage is Stage.DEV or circuit.key in deployed]


def _newest(circuits: Iterable[Circuit], records: Records) -> dict[CircuitKey, datetime]:
    """Each circuit's newest reading, as the last merge told; none is later than now, whatever a sensor's clock says."""
    merge = next((merge for merge in records.merges() if not merge.error), None)
    latest = {circuit.key: merge.newest(str(circuit.key)) for circuit in circuits} if merge else {}
    at_most = datetime.fromisoformat(now())
    return {key: min(found, at_most) for key, found in latest.items() if found}


def _actor(request: RefreshRun) -> str:
    if request.circuits:
        return f"gate {GateName.DRIFT_RETRAIN}"
    return f"schedule {request.stage}" if request.stage else "refresh"


def _cause(request: RefreshRun, fleet: Fleet) -> str:
    if request.cause:
        return request.cause
    if request.stage:
        return f"the schedule of {request.stage} is due"
    return f"readings are more than {fleet.policies.refresh.max_age_days} days newer"


def _edited(content: bytes, moves: Iterable[CutoffMove]) -> bytes:
    from busbar.fleet.edit import CircuitEdit, edit_circuits  # ruamel.yaml: the app's own import stays cheap

    edits = [CircuitEdit(move.key, move.after, move.training_days) for move in moves]
    return edit_circuits(content.decode(), edits).encode()
