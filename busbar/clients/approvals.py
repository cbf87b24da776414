"""Approval requests, the links that lead to them, votes and verdicts."""

import json
import random
import time
from collections.abc import Callable, Mapping

from busbar.clients.blobs import Blobs
from busbar.clients.tables import Row, Tables
from busbar.codec import from_wire, to_wire
from busbar.domain import names
from busbar.domain.approval import ApprovalRequest, Dossier, Notice, Vote
from busbar.domain.changes import ConfigChange
from busbar.domain.circuits import Person
from busbar.domain.errors import Conflict, NotFound, TemporarilyUnavailable, VersionConflict
from busbar.domain.policies import GateName
from busbar.settings import Settings

_OPEN, _CLOSED = "open", "closed"  # partitions: who asks what is pending never reads what is decided
_CHANGES = (
    "approvals"  # the container: a dossier stays small, so that a thousand open ones are listed quickly
)
_ATTEMPTS = 100


class Approvals:
    """One row a request, so that votes and verdict change together or not at all. A token is known by its hash only."""

    def __init__(self, settings: Settings):
        tables = Tables(settings)
        self._blobs = Blobs(settings)
        self._dossiers = tables["approvals"]
        self._tokens = tables["approvaltokens"]

    def create(self, request: ApprovalRequest, token_hashes: Mapping[str, str]) -> bool:
        """Keep a request and the links to it (object id → hash of the token); False if it exists already.

        The links are kept in either case, so that a repeat which makes new tokens mails links that work.
        Raises `VersionConflict` where the id belongs to a request about something else.
        """
        self.link(request.id, token_hashes)
        known = self.dossier(request.id)
        if known is None:
            try:
                self._dossiers.insert(_OPEN, request.id, _text(Dossier(request)))
                return True
            except Conflict:
                known = self.dossier(request.id)  # somebody else was first
        if known and known.request.digest != request.digest:
            raise VersionConflict(
                f"approval {request.id} is about digest {known.request.digest}, not {request.digest}: "
                "another release needs another request"
            )
        return False

    def link(self, id: str, token_hashes: Mapping[str, str]) -> None:
        """Keep links to a request (object id → hash of the token)."""
        for object_id, token_hash in token_hashes.items():
            self._tokens.upsert(token_hash, "link", json.dumps({"request": id, "object_id": object_id}))

    def keep_changes(self, id: str, changes: tuple[ConfigChange, ...]) -> None:
        """Keep what a request's candidates change in their circuits' configuration; the first to be kept stay."""
        if self.changes(id) is None:
            self._blobs.write(_CHANGES, f"{id}.json", json.dumps(to_wire(changes)).encode())

    def changes(self, id: str) -> tuple[ConfigChange, ...] | None:
        """What was kept, `None` if nothing was."""
        try:
            content = self._blobs.read(_CHANGES, f"{id}.json")
        except NotFound:
            return None
        return from_wire(tuple[ConfigChange, ...], json.loads(content))

    def dossier(self, id: str) -> Dossier | None:
        row = self._row(id)
        return None if row is None else _read(row)

    def open(self) -> list[Dossier]:
        """What is not closed yet, by id: pending, or decided so lately that its orchestration has not taken note."""
        return [_read(row) for row in self._dossiers.query(_OPEN)]

    def find(self, token_hash: str) -> tuple[Dossier, Person] | None:
        """The dossier that a link leads to and the person it was mailed to."""
        row = self._tokens.get(token_hash, "link")
        if row is None:
            return None
        link = json.loads(row.body)
        dossier = self.dossier(link["request"])
        person = dossier and dossier.request.person(link["object_id"])
        return (dossier, person) if dossier and person else None

    def cast(self, vote: Vote) -> Dossier:
        """Record a vote, and the verdict where it decides; raises `Conflict` saying why not, or `NotFound`."""
        return self._change(vote.request_id, lambda dossier: dossier.cast(vote))

    def supersede(self, id: str, sentence: str) -> Dossier:
        """Close a pending request, since something newer is asked; its orchestration is to be woken."""
        return self._change(id, lambda dossier: dossier.superseded(sentence))

    def of_release(self, release_id: str) -> list[Dossier]:
        """Everything that was asked about a release set, gate by gate."""
        prefixes = [names.approval_requests(gate, release_id) for gate in GateName]
        found = [
            _read(row)
            for prefix in prefixes
            for partition in (_OPEN, _CLOSED)
            for row in self._dossiers.between(partition, prefix, f"{prefix}~")
        ]
        return list({dossier.request.id: dossier for dossier in found}.values())

    def void(self, id: str, sentence: str) -> Dossier:
        """Close a request and take its effect away; raises `NotFound`."""
        self._change(id, lambda dossier: dossier.void(sentence))
        return self.conclude(id)

    def notice(self, id: str, notice: Notice) -> Dossier:
        """Record a round of mails."""
        return self._change(id, lambda dossier: dossier.noticed(notice))

    def conclude(self, id: str) -> Dossier:
        """Close a request: its verdict is what the votes said, or that nobody decided in time."""
        dossier = self._change(id, Dossier.concluded)
        self._dossiers.upsert(_CLOSED, id, _text(dossier))
        self._dossiers.delete(_OPEN, id)
        return dossier

    def _row(self, id: str) -> Row | None:
        return self._dossiers.get(_OPEN, id) or self._dossiers.get(_CLOSED, id)

    def _change(self, id: str, change: Callable[[Dossier], Dossier]) -> Dossier:
        for _ in range(_ATTEMPTS):
            row = self._row(id)
            if row is None:
                raise NotFound(f"there is no approval request {id}")
            changed = change(_read(row))
            if (body := _text(changed)) == row.body:
                return changed
            try:
                self._dossiers.replace(row, body)
                return changed
            except (Conflict, NotFound):
                time.sleep(random.uniform(0, 0.02))  # noqa: S311 - somebody else was faster: read again
        raise TemporarilyUnavailable(
            f"approval request {id} changed {_ATTEMPTS} times while we tried to update it"
        )


def _text(dossier: Dossier) -> str:
    return json.dumps(to_wire(dossier))


def _read(row: Row) -> Dossier:
    return from_wire(Dossier, json.loads(row.body))
