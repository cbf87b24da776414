"""Approval requests, the links that lead to them, votes and verdicts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from busbar.clients.tables import Tables
from busbar.codec import from_wire, to_wire
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Vote
from busbar.domain.circuits import Person
from busbar.domain.errors import Conflict, NotFound, TemporarilyUnavailable, VersionConflict
from busbar.settings import Settings

_ATTEMPTS = 20


@dataclass(frozen=True)
class _Dossier:
    """Everything about one request in one row, so that votes and verdict change together or not at all."""

    request: ApprovalRequest
    votes: tuple[Vote, ...] = ()
    verdict: ApprovalVerdict | None = None


class Approvals:
    """A token is known by its hash only. A vote counts once a person, and none after the verdict."""

    def __init__(self, settings: Settings):
        tables = Tables(settings)
        self._dossiers = tables["approvals"]
        self._tokens = tables["approvaltokens"]

    def create(self, request: ApprovalRequest, token_hashes: Mapping[str, str]) -> bool:
        """Keep a request and the links to it (object id → hash of the token); False if it exists already.

        The links are kept in either case, so that a repeat which makes new tokens mails links that work.
        Raises `VersionConflict` where the id belongs to a request about something else.
        """
        for object_id, token_hash in token_hashes.items():
            link = {"request": request.id, "object_id": object_id}
            self._tokens.upsert(token_hash, "link", json.dumps(link))
        try:
            self._dossiers.insert("approval", request.id, json.dumps(to_wire(_Dossier(request))))
        except Conflict:
            known = self.request(request.id)
            if known and known.digest != request.digest:
                raise VersionConflict(
                    f"approval {request.id} is about digest {known.digest}, not {request.digest}: "
                    "another release needs another request"
                ) from None
            return False
        return True

    def request(self, id: str) -> ApprovalRequest | None:
        dossier = self._dossier(id)
        return dossier and dossier.request

    def pending(self) -> list[ApprovalRequest]:
        """Requests without a verdict, by id."""
        found = (from_wire(_Dossier, json.loads(row.body)) for row in self._dossiers.query("approval"))
        return [dossier.request for dossier in found if dossier.verdict is None]

    def find(self, token_hash: str) -> tuple[ApprovalRequest, Person] | None:
        """The request that a link leads to and the person it was mailed to."""
        row = self._tokens.get(token_hash, "link")
        if row is None:
            return None
        link = json.loads(row.body)
        request = self.request(link["request"])
        people = request.approvers if request else ()
        person = next((person for person in people if person.object_id == link["object_id"]), None)
        return (request, person) if request and person else None

    def votes(self, id: str) -> tuple[Vote, ...]:
        dossier = self._dossier(id)
        return dossier.votes if dossier else ()

    def verdict(self, id: str) -> ApprovalVerdict | None:
        dossier = self._dossier(id)
        return dossier and dossier.verdict

    def cast(self, vote: Vote) -> None:
        """Record a vote; raises `Conflict` when that person has voted or it is decided, or `NotFound`."""

        def voted(dossier: _Dossier) -> _Dossier:
            if dossier.verdict:
                raise Conflict(f"the request is decided already: {dossier.verdict.sentence}")
            if any(known.object_id == vote.object_id for known in dossier.votes):
                raise Conflict(f"{vote.login} has voted already")
            return replace(dossier, votes=(*dossier.votes, vote))

        self._change(vote.request_id, voted)

    def decide(self, verdict: ApprovalVerdict) -> None:
        """Record how a request ended. The same outcome again is harmless, another raises `Conflict`."""

        def decided(dossier: _Dossier) -> _Dossier:
            if dossier.verdict and dossier.verdict.outcome is not verdict.outcome:
                raise Conflict(
                    f"the request is {dossier.verdict.outcome} already: {dossier.verdict.sentence}"
                )
            return dossier if dossier.verdict else replace(dossier, verdict=verdict)

        self._change(verdict.request_id, decided)

    def _dossier(self, id: str) -> _Dossier | None:
        row = self._dossiers.get("approval", id)
        return None if row is None else from_wire(_Dossier, json.loads(row.body))

    def _change(self, id: str, change: Callable[[_Dossier], _Dossier]) -> None:
        for _ in range(_ATTEMPTS):
            row = self._dossiers.get("approval", id)
            if row is None:
                raise NotFound(f"there is no approval request {id}")
            body = json.dumps(to_wire(change(from_wire(_Dossier, json.loads(row.body)))))
            if body == row.body:
                return
            try:
                self._dossiers.replace(row, body)
            except Conflict:
                continue  # somebody else voted between our read and our write: read again
            return
        raise TemporarilyUnavailable(
            f"approval request {id} changed {_ATTEMPTS} times while we tried to update it"
        )
