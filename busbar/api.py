"""Busbar's HTTP API as its clients see it: the command line and the demonstration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from busbar.codec import from_wire
from busbar.domain.audit import Entry, Head
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import DriftRecord
from busbar.domain.drift_plan import Incident
from busbar.domain.environments import EnvironmentRelease
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, RunRecord, ScoringRecord
from busbar.domain.release_record import ReleaseRecord
from busbar.domain.steps import RetentionReport

TIMEOUT_SECONDS = 30.0
NOT_FOUND = 404


class ApiError(Exception):
    """Busbar refused or did not answer; the message says what the caller can do. `status` is None without answer."""

    def __init__(self, message: str, status: int | None = None):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class CircuitState:
    """A circuit's latest training, and per stage what serves it and its latest scoring."""

    record: CircuitRecord
    deployments: Mapping[Stage, DeploymentRecord] = field(default_factory=dict[Stage, DeploymentRecord])
    scorings: Mapping[Stage, ScoringRecord] = field(default_factory=dict[Stage, ScoringRecord])


@dataclass(frozen=True)
class PendingApproval:
    """An approval request nobody has settled yet: who was asked, who has voted, how many votes it takes.

    `people` says of each in whose place they are asked, and who has voted. Times are ISO 8601, UTC.
    """

    id: str
    gate: str
    subject: str
    approvers: tuple[str, ...]
    votes: tuple[Mapping[str, str], ...]
    quorum: int
    people: tuple[str, ...] = ()
    asked_at: str | None = None
    expires_at: str = ""
    next_reminder_at: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """Everything the board shows. `runs` newest first."""

    circuits: Mapping[CircuitKey, CircuitState]
    runs: tuple[RunRecord, ...]
    pending: tuple[PendingApproval, ...]

    def run(self, id: str) -> RunRecord | None:
        return next((run for run in self.runs if run.id == id), None)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Snapshot":
        """From the JSON of `GET /api/circuits`; raises `BadRequest` naming the part that does not fit."""
        records = from_wire(tuple[CircuitRecord, ...], document["circuits"])
        deployments = from_wire(tuple[DeploymentRecord, ...], document["deployments"])
        scorings = from_wire(tuple[ScoringRecord, ...], document["scorings"])
        return cls(
            {record.key: _state(record, deployments, scorings) for record in records},
            from_wire(tuple[RunRecord, ...], document["runs"]),
            from_wire(tuple[PendingApproval, ...], document["pending"]),
        )


def _state(
    record: CircuitRecord, deployments: tuple[DeploymentRecord, ...], scorings: tuple[ScoringRecord, ...]
) -> CircuitState:
    return CircuitState(
        record,
        {one.stage: one for one in deployments if one.key == record.key},
        {one.stage: one for one in scorings if one.key == record.key},
    )


@dataclass(frozen=True)
class Instance:
    """An orchestration as the Functions host's durable API tells it. `output` is its result or its error."""

    id: str
    status: str
    output: Any = None

    @property
    def finished(self) -> bool:
        return self.status in ("Completed", "Failed", "Terminated", "Canceled")


@dataclass(frozen=True)
class AuditPage:
    """Entries of the audit log in order, and the log's end when they were read."""

    head: Head
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Step:
    """One circuit's way back, as a rollback's preview says it."""

    circuit: str
    leaves: str
    serves: str
    sentence: str


@dataclass(frozen=True)
class Stays:
    circuit: str
    reason: str


@dataclass(frozen=True)
class RollbackPreview:
    """What a rollback would do."""

    sentence: str
    refused: bool
    returns: tuple[Step, ...]
    stays: tuple[Stays, ...]


@dataclass(frozen=True)
class RollbackState:
    """How a rollback stands: `back` of `wanted` circuits; `done` once all of them are, in a drill both ways."""

    wanted: int
    back: int
    ended: bool
    done: bool
    sentence: str


@dataclass(frozen=True)
class ReleasePage:
    """Release sets, newest first; `next` is the id that the following page comes after."""

    releases: tuple[ReleaseRecord, ...]
    next: str | None = None


@dataclass(frozen=True)
class PinnedModel:
    """A line of a release set: the circuit as `PLANT1/CIRC1`, and its model's version."""

    circuit: str
    model_version: str


@dataclass(frozen=True)
class ReleaseState:
    """A release set and, by circuit and place, the `state` and `sentence` of its model there."""

    id: str
    status: str
    sentence: str
    pins: tuple[PinnedModel, ...]
    standings: Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True)
class ReleaseDiff:
    """What differs between two release sets; each change has a `sentence`."""

    sentence: str
    changes: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Composed:
    """A release set that was composed, and the orchestration that takes it on its way."""

    id: str
    release: str


@dataclass(frozen=True)
class DriftState:
    """What is on record of the drift of a stage's circuits, and the newest incidents."""

    circuits: tuple[DriftRecord, ...]
    incidents: tuple[Incident, ...]


class Api:
    """The API at `url`, called with the function key `key`. Every method raises `ApiError`."""

    def __init__(self, url: str, key: str):
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url, headers={"x-functions-key": key}, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def snapshot(self) -> Snapshot:
        return Snapshot.read(self._call("GET", "/api/circuits"))

    def approvals(self) -> tuple[PendingApproval, ...]:
        """What waits for a decision, what expires first first."""
        return from_wire(tuple[PendingApproval, ...], self._call("GET", "/api/approvals")["pending"])

    def instance(self, id: str) -> Instance:
        """How an orchestration stands; on Azure the key must be a durable task system key."""
        document = self._call("GET", f"/runtime/webhooks/durabletask/instances/{id}?showInput=false")
        return Instance(id, document["runtimeStatus"], document.get("output"))

    def train(self, circuits: str, ref: str = "") -> str:
        """Start a training of named circuits (`PLANT1/CIRC1,…`) at a branch or commit; the run's id."""
        return self._start("/api/trainings", circuits=circuits, ref=ref)

    def merge(self, ref: str = "", *, full: bool = False) -> str:
        """Merge the raw files as a branch or commit says, with `full` those merged before, too; its id."""
        return str(self._call("POST", "/api/merges", {"full": full} | ({"ref": ref} if ref else {}))["id"])

    def merges(self) -> tuple[MergeRecord, ...]:
        """What was merged, newest first."""
        return from_wire(tuple[MergeRecord, ...], self._call("GET", "/api/merges")["merges"])

    def release_environment(self, version: str, ref: str = "") -> str:
        """Give a commit's environment to what is deployed; the orchestration's id."""
        return self._start("/api/environments", version=version, ref=ref)

    def environment(self, version: str) -> EnvironmentRelease:
        """How the release of an environment stands, with its compatibility matrix."""
        return from_wire(EnvironmentRelease, self._call("GET", f"/api/environments/{version}"))

    def score(self, stage: str, day: str = "", since: str = "") -> str:
        """Score a stage's circuits for a day (YYYY-MM-DD), or make up for all days `since`; the orchestration's id."""
        return self._start("/api/scorings", stage=stage, day=day, since=since)

    def drift(self, stage: str) -> DriftState:
        """The drift of a stage's circuits."""
        return from_wire(DriftState, self._call("GET", "/api/drift", query={"stage": stage}))

    def look(self, stage: str, day: str = "", circuits: str = "") -> str:
        """Look at a day of a stage's circuits (YYYY-MM-DD; `PLANT1/CIRC1,…`); the orchestration's id."""
        return self._start("/api/monitorings", stage=stage, day=day, circuits=circuits)

    def audit(self, *, subject: str = "", limit: int = 200, first: int = 0) -> AuditPage:
        """Entries from number `first` on, without one the newest; those that name `subject`."""
        query = {"subject": subject, "limit": limit, "first": first}
        return from_wire(
            AuditPage, self._call("GET", "/api/audit", query={k: v for k, v in query.items() if v})
        )

    def whole_audit(self) -> AuditPage:
        """Every entry up to the end that the log had when this began."""
        page = self.audit(first=1, limit=1000)
        head, entries = page.head, list(page.entries)
        while page.entries and entries[-1].sequence < head.sequence:
            page = self.audit(first=entries[-1].sequence + 1, limit=1000)
            entries += page.entries
        return AuditPage(head, tuple(entries))

    def rollback_preview(self, stage: str, scope: str) -> RollbackPreview:
        """What rolling back PLANT1/CIRC1, PLANT1, r-… or (an empty scope) all of a stage would do."""
        query = {"stage": stage, "scope": scope}
        return from_wire(RollbackPreview, self._call("GET", "/api/rollbacks", query=query))

    def rollback(
        self, stage: str, scope: str, reason: str, by: str, *, everything: bool = False, drill: bool = False
    ) -> str:
        """Start a rollback; its id."""
        wish = {"stage": stage, "scope": scope, "reason": reason, "requester": by}
        return str(self._call("POST", "/api/rollbacks", wish | {"all": everything, "drill": drill})["id"])

    def rollback_state(self, id: str) -> RollbackState | None:
        """How a rollback stands, `None` while the host has not taken it up."""
        try:
            return from_wire(RollbackState, self._call("GET", f"/api/rollbacks/{id}"))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def control(self, run: str, control: str, reason: str, by: str) -> str:
        """Pause, resume, cancel or retry a run; the sentence of it."""
        wish = {"reason": reason, "requester": by}
        return str(self._call("POST", f"/api/runs/{quote(run, safe='')}/{control}", wish)["sentence"])

    def lift(self, stage: str, scope: str, reason: str, by: str, *, everything: bool = False) -> str:
        """Let what was rolled back be deployed again; the sentence of it."""
        wish = {"stage": stage, "scope": scope, "reason": reason, "requester": by}
        return str(self._call("POST", "/api/lifts", wish | {"all": everything})["sentence"])

    def look_at_retention(self, place: str, by: str) -> str:
        """Find out what may be purged, everywhere or in a place; the report's id."""
        return self._start("/api/retention", stage=place, requester=by)

    def purge(self, report: str, by: str) -> str:
        """Purge what a report showed and nothing refers to by now either; the id of the purge's own report."""
        return self._start("/api/retention", apply=report, requester=by)

    def retention_report(self, id: str) -> RetentionReport | None:
        """A report, `None` while it is not written yet."""
        document = self._call("GET", f"/api/retention/{quote(id, safe='')}")
        return from_wire(RetentionReport, document) if "run" in document else None

    def releases(self, *, after: str = "", limit: int = 50) -> ReleasePage:
        """Release sets, newest first; those older than `after`."""
        query = {"limit": limit, **({"after": after} if after else {})}
        return from_wire(ReleasePage, self._call("GET", "/api/releases", query=query))

    def release(self, id: str) -> ReleaseState:
        """A release set and where each circuit of it stands."""
        return from_wire(ReleaseState, self._call("GET", f"/api/releases/{quote(id, safe='')}"))

    def release_diff(self, before: str, after: str) -> ReleaseDiff:
        return from_wire(
            ReleaseDiff, self._call("GET", f"/api/releases/{quote(f'{before}...{after}', safe='')}")
        )

    def compose(self, pins: str, source: str, requester: str) -> Composed:
        """Compose a release set of named models (`PLANT1/CIRC1=3,…`) or from `test`, and send it on its way."""
        given = {"pins": pins, "from": source, "requester": requester}
        return from_wire(Composed, self._call("POST", "/api/releases", {k: v for k, v in given.items() if v}))

    def _start(self, path: str, **fields: str) -> str:
        given = {name: value for name, value in fields.items() if value}
        return str(self._call("POST", path, given)["id"])

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Any:
        try:
            response = self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise ApiError(f"{self.url} does not answer ({error or type(error).__name__})") from error
        if response.is_success:
            return response.json()
        said = _said(response)
        if response.status_code in (401, 403):
            said = f"the key was not accepted ({said})"
        raise ApiError(f"{method} {path}: {response.status_code}: {said}", response.status_code)


def _said(response: httpx.Response) -> str:
    """The sentence in an error's body."""
    try:
        document = response.json()
    except ValueError:
        return response.text.strip()[:300] or response.reason_phrase
    if isinstance(document, dict):
        return str(document.get("error") or document.get("message") or document)
    return str(document)
