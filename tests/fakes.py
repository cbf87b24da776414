"""Stand-ins for the clients, of the same shape, in memory. Set `outage` on one to make every call of it fail."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

from ruamel.yaml import YAML

from busbar.clients.machine_learning import Kept, ModelState
from busbar.clients.machine_learning.workspaces import require_same
from busbar.codec import to_wire
from busbar.domain import names
from busbar.domain.approval import ApprovalRequest, Dossier, Notice, Vote
from busbar.domain.audit import EMPTY, Entry, Head, chained
from busbar.domain.changes import ConfigChange
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.drift import DriftRecord
from busbar.domain.drift_plan import DriftPlan, Incident
from busbar.domain.environments import EnvironmentRelease
from busbar.domain.errors import Conflict, NotFound, TemporarilyUnavailable, VersionConflict
from busbar.domain.events import JobStatus
from busbar.domain.evidence import EvidenceNote
from busbar.domain.merges import MergeRecord
from busbar.domain.monitors import Monitor
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, Offer, RunRecord, ScoringRecord
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.release_record import ReleaseRecord
from busbar.domain.steps import DeploymentState, JobState

NOON = "2025-12-09T12:00:00+00:00"


class Outage(TemporarilyUnavailable):
    """The service behind a client does not answer."""


@dataclass
class _Fake:
    outage: bool = field(default=False, kw_only=True)

    def _reach(self) -> None:
        if self.outage:
            raise Outage(f"{type(self).__name__} is unavailable")


@dataclass
class FakeRecords(_Fake):
    """`now` is the ISO time that `update_circuit` writes."""

    now: str = NOON
    _circuits: dict[CircuitKey, CircuitRecord] = field(default_factory=dict[CircuitKey, CircuitRecord])
    _deployments: dict[tuple[Stage, CircuitKey], DeploymentRecord] = field(
        default_factory=dict[tuple[Stage, CircuitKey], DeploymentRecord]
    )
    _scorings: dict[tuple[Stage, CircuitKey], ScoringRecord] = field(
        default_factory=dict[tuple[Stage, CircuitKey], ScoringRecord]
    )
    _runs: dict[str, RunRecord] = field(default_factory=dict[str, RunRecord])
    _merges: dict[str, MergeRecord] = field(default_factory=dict[str, MergeRecord])
    _schedules: dict[Stage, str] = field(default_factory=dict[Stage, str])
    _scored: dict[Stage, str] = field(default_factory=dict[Stage, str])
    _releases: dict[str, ReleaseSet] = field(default_factory=dict[str, ReleaseSet])
    _offers: dict[Stage, dict[str, Offer]] = field(default_factory=dict[Stage, dict[str, Offer]])

    def circuit(self, key: CircuitKey) -> CircuitRecord | None:
        self._reach()
        return self._circuits.get(key)

    def circuits(self) -> list[CircuitRecord]:
        self._reach()
        return [self._circuits[key] for key in sorted(self._circuits)]

    def save_circuit(self, record: CircuitRecord) -> None:
        self._reach()
        self._circuits[record.key] = record

    def update_circuit(self, key: CircuitKey, **changes: Any) -> CircuitRecord:
        self._reach()
        if key not in self._circuits:
            raise NotFound(f"no record of circuit {key}")
        self._circuits[key] = replace(self._circuits[key], **{"updated_at": self.now} | changes)
        return self._circuits[key]

    def deployments(self, stage: Stage | None = None) -> list[DeploymentRecord]:
        self._reach()
        return [record for (at, _), record in sorted(self._deployments.items()) if stage in (None, at)]

    def deployment(self, stage: Stage, key: CircuitKey) -> DeploymentRecord | None:
        self._reach()
        return self._deployments.get((stage, key))

    def change_deployment(
        self,
        stage: Stage,
        key: CircuitKey,
        change: Callable[[DeploymentRecord | None], DeploymentRecord | None],
    ) -> DeploymentRecord | None:
        self._reach()
        record = change(self._deployments.get((stage, key)))
        self._deployments.pop((stage, key), None)
        if record is not None:
            self._deployments[stage, key] = record
        return record

    def save_deployment(self, record: DeploymentRecord) -> None:
        """What no client does: put a record there whatever stood there."""
        self._deployments[record.stage, record.key] = record

    def scorings(self, stage: Stage | None = None) -> list[ScoringRecord]:
        self._reach()
        return [record for (at, _), record in sorted(self._scorings.items()) if stage in (None, at)]

    def save_scoring(self, record: ScoringRecord) -> None:
        self._reach()
        self._scorings[record.stage, record.key] = record

    def runs(self) -> list[RunRecord]:
        """Newest first."""
        self._reach()
        return sorted(self._runs.values(), key=lambda run: run.updated_at, reverse=True)

    def run(self, id: str) -> RunRecord | None:
        self._reach()
        return self._runs.get(id)

    def save_run(self, record: RunRecord) -> None:
        self._reach()
        self._runs[record.id] = record

    def release(self, id: str) -> ReleaseSet | None:
        self._reach()
        return self._releases.get(id)

    def releases(self) -> list[str]:
        self._reach()
        return list(self._releases)

    def merges(self) -> list[MergeRecord]:
        """Newest first."""
        self._reach()
        return sorted(self._merges.values(), key=lambda merge: merge.at, reverse=True)

    def merge(self, id: str) -> MergeRecord | None:
        self._reach()
        return self._merges.get(id)

    def schedule(self, stage: Stage) -> str | None:
        self._reach()
        return self._schedules.get(stage)

    def save_schedule(self, stage: Stage, due: str) -> None:
        self._reach()
        self._schedules[stage] = due

    def scored_until(self, stage: Stage) -> str | None:
        self._reach()
        return self._scored.get(stage)

    def save_scored_until(self, stage: Stage, day: str) -> None:
        self._reach()
        self._scored[stage] = day

    def save_merge(self, record: MergeRecord) -> None:
        self._reach()
        self._merges[record.id] = record

    def save_release(self, release: ReleaseSet) -> None:
        self._reach()
        self._releases.setdefault(release.id, release)

    def damage(self, id: str, release: ReleaseSet | None) -> None:
        """What no client can do: put another content under a release's id, or lose it."""
        self._releases.pop(id)
        if release:
            self._releases[id] = release

    def save_offer(self, stage: Stage, offer: Offer) -> None:
        self._reach()
        self._offers.setdefault(stage, {}).setdefault(offer.release_id, offer)

    def latest_offer(self, stage: Stage) -> Offer | None:
        """The release set that was offered last; a repeated offer is not a later one."""
        self._reach()
        return next(reversed(self._offers.get(stage, {}).values()), None)


@dataclass
class FakeDrifts(_Fake):
    _records: dict[tuple[Stage, CircuitKey], DriftRecord] = field(
        default_factory=dict[tuple[Stage, CircuitKey], DriftRecord]
    )
    _incidents: dict[str, Incident] = field(default_factory=dict[str, Incident])
    _plans: dict[str, DriftPlan] = field(default_factory=dict[str, DriftPlan])
    reports: dict[tuple[Stage, CircuitKey, str], dict[str, Any]] = field(
        default_factory=dict[tuple[Stage, CircuitKey, str], dict[str, Any]]
    )
    plots: dict[tuple[Stage, CircuitKey, str], bytes] = field(
        default_factory=dict[tuple[Stage, CircuitKey, str], bytes]
    )

    def record(self, stage: Stage, key: CircuitKey) -> DriftRecord | None:
        self._reach()
        return self._records.get((stage, key))

    def records(self, stage: Stage | None = None) -> list[DriftRecord]:
        self._reach()
        return [record for (at, _), record in sorted(self._records.items()) if stage in (None, at)]

    def change_record(
        self, stage: Stage, key: CircuitKey, change: Callable[[DriftRecord | None], DriftRecord]
    ) -> DriftRecord:
        self._reach()
        self._records[stage, key] = change(self._records.get((stage, key)))
        return self._records[stage, key]

    def add_incident(self, incident: Incident) -> None:
        self._reach()
        self._incidents.setdefault(incident.id, incident)

    def incident(self, id: str) -> Incident | None:
        self._reach()
        return self._incidents.get(id)

    def incidents(self, stage: Stage | None = None) -> list[Incident]:
        """Newest first."""
        self._reach()
        kept = [one for one in self._incidents.values() if stage in (None, one.stage)]
        return sorted(kept, key=lambda one: (one.opened, one.id), reverse=True)

    def change_incident(self, id: str, change: Callable[[Incident], Incident]) -> Incident:
        self._reach()
        if id not in self._incidents:
            raise NotFound(f"incident {id} is not on record")
        self._incidents[id] = change(self._incidents[id])
        return self._incidents[id]

    def save_report(self, stage: Stage, key: CircuitKey, day: str, report: dict[str, Any]) -> None:
        self._reach()
        self.reports[stage, key, day] = report

    def report(self, stage: Stage, key: CircuitKey, day: str) -> dict[str, Any] | None:
        self._reach()
        return self.reports.get((stage, key, day))

    def save_plot(self, stage: Stage, key: CircuitKey, day: str, svg: bytes) -> None:
        self._reach()
        self.plots[stage, key, day] = svg

    def plot(self, stage: Stage, key: CircuitKey, day: str) -> bytes | None:
        self._reach()
        return self.plots.get((stage, key, day))

    def purge(self, stage: Stage, before: date, kept: Collection[tuple[CircuitKey, str]]) -> None:
        self._reach()
        for known in (self.reports, self.plots):
            for at, key, day in list(known):
                if at is stage and day < before.isoformat() and (key, day) not in kept:
                    del known[at, key, day]

    def save_plan(self, run: str, plan: DriftPlan) -> None:
        self._reach()
        self._plans[run] = plan

    def plan(self, run: str) -> DriftPlan | None:
        self._reach()
        return self._plans.get(run)


@dataclass
class FakeReleases(_Fake):
    _records: dict[str, ReleaseRecord] = field(default_factory=dict[str, ReleaseRecord])
    _pins: dict[tuple[CircuitKey, str], Pin] = field(default_factory=dict[tuple[CircuitKey, str], Pin])

    def add(self, record: ReleaseRecord) -> ReleaseRecord:
        self._reach()
        return self._records.setdefault(record.id, record)

    def get(self, id: str) -> ReleaseRecord | None:
        self._reach()
        return self._records.get(id)

    def newest(self, limit: int, after: str = "") -> list[ReleaseRecord]:
        self._reach()
        if after and after not in self._records:
            raise NotFound(f"there is no release {after}")
        ordered = sorted(self._records.values(), key=lambda one: one.id)
        ordered.sort(key=lambda one: one.composed_at, reverse=True)
        start = [one.id for one in ordered].index(after) + 1 if after else 0
        return ordered[start : start + limit]

    def open(self) -> list[ReleaseRecord]:
        self._reach()
        return sorted(
            (one for one in self._records.values() if one.open), key=lambda one: (one.composed_at, one.id)
        )

    def update(self, id: str, change: Callable[[ReleaseRecord], ReleaseRecord]) -> ReleaseRecord:
        self._reach()
        if id not in self._records:
            raise NotFound(f"there is no release {id}")
        self._records[id] = change(self._records[id])
        return self._records[id]

    def keep_pin(self, pin: Pin) -> None:
        self._reach()
        self._pins[pin.key, pin.model_version] = pin

    def pins(self) -> list[Pin]:
        self._reach()
        return list(self._pins.values())

    def pin(self, key: CircuitKey, version: str) -> Pin | None:
        self._reach()
        return self._pins.get((key, version))


@dataclass
class FakeEnvironments(_Fake):
    _releases: dict[str, EnvironmentRelease] = field(default_factory=dict[str, EnvironmentRelease])

    def get(self, version: str) -> EnvironmentRelease | None:
        self._reach()
        return self._releases.get(version)

    def save(self, release: EnvironmentRelease) -> None:
        self._reach()
        self._releases[release.version] = release


@dataclass
class FakeEvidence(_Fake):
    _notes: dict[str, EvidenceNote] = field(default_factory=dict[str, EvidenceNote])
    _pages: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def note(self, release_id: str) -> EvidenceNote | None:
        self._reach()
        return self._notes.get(release_id)

    def save_note(self, note: EvidenceNote) -> None:
        self._reach()
        self._notes[note.release_id] = note

    def page(self, release_id: str) -> bytes:
        self._reach()
        if release_id not in self._pages:
            raise NotFound(f"no blob releases/{release_id}/evidence.html")
        return self._pages[release_id]

    def save_page(self, release_id: str, page: bytes) -> None:
        self._reach()
        self._pages[release_id] = page


@dataclass
class FakeApprovals(_Fake):
    _open: dict[str, Dossier] = field(default_factory=dict[str, Dossier])
    _closed: dict[str, Dossier] = field(default_factory=dict[str, Dossier])
    _links: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    _changes: dict[str, tuple[ConfigChange, ...]] = field(default_factory=dict[str, tuple[ConfigChange, ...]])

    def create(self, request: ApprovalRequest, token_hashes: Mapping[str, str]) -> bool:
        """`token_hashes`: directory object id → SHA-256 of that person's token. False if it exists already."""
        self.link(request.id, token_hashes)
        known = self.dossier(request.id)
        if known and known.request.digest != request.digest:
            raise VersionConflict(f"approval {request.id} is about {known.request.digest}")
        if known is None:
            self._open[request.id] = Dossier(request)
        return known is None

    def link(self, id: str, token_hashes: Mapping[str, str]) -> None:
        self._reach()
        self._links.update({hashed: (id, object_id) for object_id, hashed in token_hashes.items()})

    def keep_changes(self, id: str, changes: tuple[ConfigChange, ...]) -> None:
        self._reach()
        self._changes.setdefault(id, changes)

    def changes(self, id: str) -> tuple[ConfigChange, ...] | None:
        self._reach()
        return self._changes.get(id)

    def dossier(self, id: str) -> Dossier | None:
        self._reach()
        return self._open.get(id) or self._closed.get(id)

    def open(self) -> list[Dossier]:
        self._reach()
        return [self._open[id] for id in sorted(self._open)]

    def find(self, token_hash: str) -> tuple[Dossier, Person] | None:
        self._reach()
        id, object_id = self._links.get(token_hash, ("", ""))
        dossier = self.dossier(id)
        person = dossier and dossier.request.person(object_id)
        return (dossier, person) if dossier and person else None

    def cast(self, vote: Vote) -> Dossier:
        return self._change(vote.request_id, lambda dossier: dossier.cast(vote))

    def notice(self, id: str, notice: Notice) -> Dossier:
        return self._change(id, lambda dossier: dossier.noticed(notice))

    def supersede(self, id: str, sentence: str) -> Dossier:
        return self._change(id, lambda dossier: dossier.superseded(sentence))

    def of_release(self, release_id: str) -> list[Dossier]:
        self._reach()
        found = [*self._open.values(), *self._closed.values()]
        order = list(GateName)
        of = [one for one in found if one.request.release_id == release_id]
        return sorted(of, key=lambda one: (order.index(one.request.gate), one.request.id))

    def void(self, id: str, sentence: str) -> Dossier:
        self._reach()
        self._change(id, lambda dossier: dossier.void(sentence))
        return self.conclude(id)

    def conclude(self, id: str) -> Dossier:
        dossier = self._change(id, Dossier.concluded)
        self._closed[id] = dossier
        self._open.pop(id, None)
        return dossier

    def _change(self, id: str, change: Callable[[Dossier], Dossier]) -> Dossier:
        dossier = self.dossier(id)
        if dossier is None:
            raise NotFound(f"there is no approval request {id}")
        shelf = self._open if id in self._open else self._closed
        shelf[id] = change(dossier)
        return shelf[id]


@dataclass
class FakeAudit(_Fake):
    """`now` is the ISO time that entries get. Safe under many writers, as the real one."""

    now: str = NOON
    _entries: list[Entry] = field(default_factory=list[Entry])
    _writing: ClassVar[Lock] = Lock()

    def append(
        self,
        *,
        id: str,
        kind: str,
        subject: str,
        actor: str,
        sentence: str,
        details: Mapping[str, Any],
    ) -> Entry:
        self._reach()
        said = {"id": id, "kind": kind, "subject": subject, "actor": actor, "sentence": sentence}
        plain = json.loads(json.dumps(to_wire(dict(details))))
        with self._writing:
            entry = chained(self.head(), self.now, **said, details=plain)
            known = next((other for other in self._entries if other.id == id), None)
            if known and not known.says(entry):
                raise VersionConflict(f"audit entry {id} says {known.sentence!r}")
            if not known:
                self._entries.append(entry)
            return known or entry

    def head(self) -> Head:
        self._reach()
        return Head(len(self._entries), self._entries[-1].digest) if self._entries else EMPTY

    def entries(self, first: int = 1, last: int = 10**12 - 1) -> list[Entry]:
        self._reach()
        return self._entries[max(first, 1) - 1 : last]

    def tamper(self, sequence: int, entry: Entry) -> None:
        """What no client can do: put another entry in a place."""
        self._entries[sequence - 1] = entry

    def forget(self) -> None:
        """What no client can do: empty the log."""
        self._entries.clear()


@dataclass
class FakeLedger(_Fake):
    """`clock` gives seconds; move it on to let a claim expire."""

    clock: Callable[[], float] = lambda: 0.0
    _claims: dict[str, float] = field(default_factory=dict[str, float])
    _done: set[str] = field(default_factory=set[str])
    _heads: dict[str, str] = field(default_factory=dict[str, str])

    def claim(self, event_id: str, *, seconds: float = 120) -> bool:
        """True: yours to handle. False: it is done. Raises `TemporarilyUnavailable` while somebody holds it."""
        self._reach()
        if event_id in self._done:
            return False
        if self._claims.get(event_id, float("-inf")) > self.clock():
            raise TemporarilyUnavailable(f"event {event_id} is being handled by somebody else")
        self._claims[event_id] = self.clock() + seconds
        return True

    def release(self, event_id: str) -> None:
        self._reach()
        self._claims.pop(event_id, None)

    def done(self, event_id: str) -> None:
        self._reach()
        self._done.add(event_id)

    def head(self, branch: str) -> str | None:
        self._reach()
        return self._heads.get(branch)

    def set_head(self, branch: str, commit: str) -> None:
        self._reach()
        self._heads[branch] = commit


@dataclass(frozen=True)
class Published:
    event_type: str
    subject: str
    data: Mapping[str, Any]
    id: str


@dataclass
class FakeEvents(_Fake):
    published: list[Published] = field(default_factory=list[Published])

    def publish(self, event_type: str, subject: str, data: Mapping[str, Any], *, id: str) -> None:
        self._reach()
        self.published.append(Published(event_type, subject, data, id))


@dataclass(frozen=True)
class Sent:
    to: str
    subject: str
    html: str
    text: str


@dataclass
class FakeMail(_Fake):
    """What was sent, by operation id: a repeat is harmless."""

    sent: dict[str, Sent] = field(default_factory=dict[str, Sent])

    def send(self, to: str, subject: str, html: str, text: str, *, operation_id: str) -> None:
        self._reach()
        self.sent.setdefault(operation_id, Sent(to, subject, html, text))


@dataclass
class FakeBlobs(_Fake):
    files: dict[tuple[str, str], bytes] = field(default_factory=dict[tuple[str, str], bytes])

    def read(self, container: str, path: str) -> bytes:
        self._reach()
        if (container, path) not in self.files:
            raise NotFound(f"no blob {container}/{path}")
        return self.files[container, path]

    def write(self, container: str, path: str, data: bytes) -> None:
        self._reach()
        self.files[container, path] = data

    def names(self, container: str, prefix: str = "") -> list[tuple[str, str]]:
        """(name, etag), in name order."""
        self._reach()
        return [
            (path, hashlib.md5(data, usedforsecurity=False).hexdigest())
            for (at, path), data in sorted(self.files.items())
            if at == container and path.startswith(prefix)
        ]

    def exists(self, container: str, path: str) -> bool:
        self._reach()
        return (container, path) in self.files

    def latest_delta_version(self, container: str, table: str) -> int | None:
        prefix = f"{table}/_delta_log/"
        commits = [name.removeprefix(prefix) for name, _ in self.names(container, prefix)]
        return max((int(name[:20]) for name in commits if name[:20].isdigit()), default=None)


@dataclass
class FakeReports(_Fake):
    """What was reported, by kind and id."""

    saved: dict[tuple[str, str], dict[str, Any]] = field(
        default_factory=dict[tuple[str, str], dict[str, Any]]
    )

    def save(self, kind: str, id: str, report: object) -> None:
        self._reach()
        self.saved[kind, id] = to_wire(report)

    def read(self, kind: str, id: str) -> dict[str, Any] | None:
        self._reach()
        return self.saved.get((kind, id))

    def ids(self, kind: str) -> list[str]:
        self._reach()
        return sorted(id for known, id in self.saved if known == kind)

    def delete(self, kind: str, id: str) -> None:
        self._reach()
        self.saved.pop((kind, id), None)


@dataclass(frozen=True)
class StatusSet:
    commit: str
    state: str
    description: str
    context: str
    target_url: str | None


@dataclass
class FakeRepository(_Fake):
    """`commits`: commit → path → content; `parents`: commit → its parent; `branches`: branch → commit."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    branches: dict[str, str] = field(default_factory=dict[str, str])
    parents: dict[str, str] = field(default_factory=dict[str, str])
    committers: dict[str, str] = field(default_factory=dict[str, str])
    default: str = "main"
    statuses: list[StatusSet] = field(default_factory=list[StatusSet])
    _numbers: "count[int]" = field(default_factory=lambda: count(1), compare=False)

    def _tree(self, ref: str) -> dict[str, bytes]:
        self._reach()
        commit = self.branches.get(ref, ref)
        if commit not in self.commits:
            raise NotFound(f"no commit {ref}")
        return self.commits[commit]

    def file(self, path: str, ref: str) -> bytes:
        tree = self._tree(ref)
        if path not in tree:
            raise NotFound(f"no file {path} at {ref}")
        return tree[path]

    def files(self, prefix: str, ref: str) -> dict[str, bytes]:
        folder = prefix.rstrip("/") + "/" if prefix else ""
        return {path: content for path, content in self._tree(ref).items() if path.startswith(folder)}

    def history(self, ref: str) -> list[str]:
        """The commits from a branch or commit back to the first."""
        history = [self.branches.get(ref, ref)]
        while history[-1] in self.parents:
            history.append(self.parents[history[-1]])
        return history

    def merge_base(self, base: str, head: str) -> str | None:
        self._reach()
        theirs = set(self.history(base))
        return next((commit for commit in self.history(head) if commit in theirs), None)

    def default_branch(self) -> str:
        self._reach()
        return self.default

    def heads(self) -> dict[str, str]:
        self._reach()
        return dict(self.branches)

    def committer(self, commit: str) -> str:
        self._reach()
        return self.committers.get(commit, "data-scientist")

    def set_status(
        self,
        commit: str,
        state: Literal["pending", "success", "failure", "error"],
        description: str,
        *,
        context: str = "busbar/training",
        target_url: str | None = None,
    ) -> None:
        self._reach()
        self.statuses.append(StatusSet(commit, state, description, context, target_url))

    def shown(self) -> dict[tuple[str, str], StatusSet]:
        """The statuses that a commit's page shows: of each context the last."""
        return {(one.commit, one.context): one for one in self.statuses}

    def commit_file(
        self, path: str, branch: str, content: bytes, message: str, *, replaces: bytes | None = None
    ) -> str:
        """Moves `branch` to a new commit with that file, unless it is there; the commit's id."""
        parent, known = self.branches[branch], self._tree(branch).get(path)
        if known == content:
            return parent
        if replaces is not None and known not in (None, replaces):
            raise Conflict(f"{path} on {branch} is not what the caller read")
        commit = hashlib.sha1(
            f"{parent}{path}{message}{next(self._numbers)}".encode(), usedforsecurity=False
        ).hexdigest()
        self.commits[commit] = self._tree(parent) | {path: content}
        self.parents[commit] = parent
        self.branches[branch] = commit
        return commit


@dataclass(frozen=True)
class Registered:
    """A file registered under a version: an environment's conda file, or a component's YAML."""

    digest: str
    content: bytes


@dataclass(frozen=True)
class Submitted:
    """A job's state, and what it was submitted with."""

    state: JobState
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class FakeMachineLearning(_Fake):
    """Workspaces and registry as dictionaries, each by its place first. What is started is there at once, except:

    jobs wait in the queue until `ended` says otherwise, and the registry shows a model after `propagation` looks.
    `made` says when something was, by (model, data or job; place; name; version): at `NOON` if it does not.
    """

    propagation: int = 0
    files: dict[tuple[Stage, str], bytes] = field(default_factory=dict[tuple[Stage, str], bytes])
    environments: dict[tuple[str, str, str], Registered] = field(
        default_factory=dict[tuple[str, str, str], Registered]
    )
    components: dict[tuple[str, str, str], Registered] = field(
        default_factory=dict[tuple[str, str, str], Registered]
    )
    data: dict[tuple[str, str], Mapping[str, str]] = field(
        default_factory=dict[tuple[str, str], Mapping[str, str]]
    )
    jobs: dict[tuple[str, str], Submitted] = field(default_factory=dict[tuple[str, str], Submitted])
    registered_models: dict[tuple[str, str, str], ModelState] = field(
        default_factory=dict[tuple[str, str, str], ModelState]
    )
    endpoints: dict[tuple[Stage, str], Mapping[str, str]] = field(
        default_factory=dict[tuple[Stage, str], Mapping[str, str]]
    )
    deployments: dict[tuple[Stage, str, str], DeploymentState] = field(
        default_factory=dict[tuple[Stage, str, str], DeploymentState]
    )
    components_of: dict[tuple[Stage, str, str], tuple[str, str]] = field(
        default_factory=dict[tuple[Stage, str, str], tuple[str, str]]
    )
    traffic_of: dict[tuple[Stage, str], tuple[dict[str, int], dict[str, int]]] = field(
        default_factory=dict[tuple[Stage, str], tuple[dict[str, int], dict[str, int]]]
    )
    online: dict[tuple[Stage, str, str], Mapping[str, Any]] = field(
        default_factory=dict[tuple[Stage, str, str], Mapping[str, Any]]
    )
    monitors: dict[tuple[Stage, str], Monitor] = field(default_factory=dict[tuple[Stage, str], Monitor])
    archived: set[tuple[str, str, str, str]] = field(default_factory=set[tuple[str, str, str, str]])
    made: dict[tuple[str, str, str, str], datetime] = field(
        default_factory=dict[tuple[str, str, str, str], datetime]
    )
    _looks: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int], compare=False)

    def ended(self, place: str, name: str, status: JobStatus = JobStatus.COMPLETED, error: str = "") -> None:
        """What Azure ML does: the job has come to its end."""
        job = self.jobs[place, name]
        self.jobs[place, name] = replace(job, state=replace(job.state, status=status, error=error))

    def write_file(self, stage: Stage, path: str, data: bytes) -> None:
        self._reach()
        self.files[stage, path] = data

    def read_file(self, stage: Stage, path: str) -> bytes:
        self._reach()
        if (stage, path) not in self.files:
            raise NotFound(f"cannot read blob {path} of {stage}")
        return self.files[stage, path]

    def has_file(self, stage: Stage, path: str) -> bool:
        self._reach()
        return (stage, path) in self.files

    def delete_files(self, stage: Stage, folder: str) -> None:
        self._reach()
        for key in [key for key in self.files if key[0] == stage and key[1].startswith(f"{folder}/")]:
            del self.files[key]

    def kept_models(self, place: str, names: Iterable[str]) -> list[Kept]:
        self._reach()
        wanted = set(names)
        return [
            self._kept(("model", place, name, version), model.tags)
            for (at, name, version), model in self.registered_models.items()
            if at == place and name in wanted and ("model", place, name, version) not in self.archived
        ]

    def kept_data(self, names: Iterable[str]) -> list[Kept]:
        self._reach()
        wanted = set(names)
        return [
            self._kept(("data", "dev", name, version), tags)
            for (name, version), tags in self.data.items()
            if name in wanted and ("data", "dev", name, version) not in self.archived
        ]

    def kept_jobs(self, stage: Stage) -> list[Kept]:
        self._reach()
        return [
            replace(self._kept(("job", place, name, ""), job.state.tags), status=job.state.status)
            for (place, name), job in self.jobs.items()
            if place == stage and ("job", place, name, "") not in self.archived
        ]

    def archive_model(self, place: str, name: str, version: str) -> None:
        self._reach()
        self.archived.add(("model", place, name, version))

    def archive_data(self, name: str, version: str) -> None:
        self._reach()
        self.archived.add(("data", "dev", name, version))

    def archive_job(self, stage: Stage, name: str) -> None:
        self._reach()
        self.archived.add(("job", stage, name, ""))

    def _kept(self, what: tuple[str, str, str, str], tags: Mapping[str, str]) -> Kept:
        return Kept(what[2], self.made.get(what, datetime.fromisoformat(NOON)), what[3], tags)

    def data_uri(self, stage: Stage) -> str:
        self._reach()
        return f"abfss://data@{stage}.dfs.core.windows.net"

    def environment_digest(self, place: str, name: str, version: str) -> str | None:
        self._reach()
        known = self.environments.get((place, name, version))
        return known and known.digest

    def create_environment(
        self, place: str, name: str, version: str, image: str, conda: bytes, digest: str
    ) -> None:
        self._reach()
        known = self.environments.setdefault((place, name, version), Registered(digest, conda))
        require_same(f"environment {name}:{version}", {"digest": known.digest}, {"digest": digest})

    def component_digests(self, place: str, name: str) -> dict[str, str]:
        self._reach()
        return {key[2]: known.digest for key, known in self.components.items() if key[:2] == (place, name)}

    def create_component(self, place: str, path: Path, digest: str) -> None:
        """Like the SDK it wants what the YAML names to lie beside it."""
        self._reach()
        document = YAML(typ="safe").load(path)
        for item in (document.get("code", "."), *(document.get("additional_includes") or ())):
            assert (path.parent / item).is_dir(), f"{path}: there is no {item}"
        key = (place, document["name"], document["version"])
        known = self.components.setdefault(key, Registered(digest, path.read_bytes()))
        require_same(f"component {key}", {"digest": known.digest}, {"digest": digest})

    def pinned(self, name: str, version: str) -> int | None:
        self._reach()
        tags = self.data.get((name, version))
        return int(tags["delta_version"]) if tags else None

    def pinned_versions(self) -> set[int]:
        self._reach()
        return {int(tags["delta_version"]) for tags in self.data.values()}

    def create_data(self, name: str, version: str, folder: str, tags: Mapping[str, str]) -> None:
        self._reach()
        assert (Stage.DEV, f"{folder}/MLTable") in self.files, f"{folder} holds no MLTable"
        require_same(f"data asset {name}:{version}", self.data.setdefault((name, version), tags), tags)

    def submit_training(
        self,
        name: str,
        *,
        component: str,
        circuit_config: str,
        training_data: str,
        champion: str | None,
        compute: str,
        tags: Mapping[str, str],
        display_name: str,
    ) -> None:
        inputs = {"component": component, "circuit_config": circuit_config, "training_data": training_data}
        self._submit(Stage.DEV, name, tags, inputs | {"champion": champion, "compute": compute})

    def submit_merge(
        self,
        name: str,
        *,
        component: str,
        mapping: str,
        raw: str,
        readings: str,
        literals: Mapping[str, str | int],
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        inputs = {"component": component, "mapping": mapping, "raw": raw, "readings": readings}
        self._submit(Stage.DEV, name, tags, inputs | dict(literals) | {"compute": compute})

    def submit_evidence(
        self, name: str, *, component: str, release: str, compute: str, tags: Mapping[str, str]
    ) -> None:
        inputs = {"component": component, "release": release, "compute": compute}
        self._submit(Stage.DEV, name, tags, inputs)

    def submit_prediction_purge(
        self,
        name: str,
        *,
        component: str,
        forecasts: str,
        before: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        inputs = {"component": component, "forecasts": forecasts, "before": before, "compute": compute}
        self._submit(Stage.DEV, name, tags, inputs)

    def submit_monitoring(
        self,
        name: str,
        *,
        component: str,
        circuits: str,
        literals: Mapping[str, str | float],
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        inputs = {"component": component, "circuits": circuits, "compute": compute}
        self._submit(Stage.DEV, name, tags, inputs | dict(literals))

    def submit_catch_up(
        self,
        name: str,
        *,
        component: str,
        circuits: str,
        sensor_data: str,
        forecasts: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        build = component.partition(":")[2]
        if (Stage.DEV, component.partition(":")[0], build) not in self.components:
            raise NotFound(f"component {component} is not in dev")
        inputs = {"component": component, "circuits": circuits, "sensor_data": sensor_data}
        self._submit(Stage.DEV, name, tags, inputs | {"forecasts": forecasts, "compute": compute})

    def submit_comparison(
        self,
        name: str,
        *,
        before: str,
        after: str,
        models: str,
        sensor_data: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        inputs = {"before": before, "after": after, "models": models, "sensor_data": sensor_data}
        self._submit(Stage.DEV, name, tags, inputs | {"compute": compute})

    def _submit(self, place: str, name: str, tags: Mapping[str, str], inputs: Mapping[str, Any]) -> None:
        self._reach()
        state = JobState(name, JobStatus.QUEUED, tags=dict(tags))
        known = self.jobs.setdefault((place, name), Submitted(state, inputs))
        require_same(f"job {name}", known.state.tags, tags)

    def job(self, place: str, name: str) -> JobState | None:
        self._reach()
        known = self.jobs.get((place, name))
        return known and known.state

    def cancel(self, place: str, name: str) -> None:
        self._reach()
        if (place, name) in self.jobs and not self.jobs[place, name].state.status.finished:
            self.ended(place, name, JobStatus.CANCELED)

    def models(self, place: str, name: str) -> list[ModelState]:
        self._reach()
        return [model for key, model in self.registered_models.items() if key[:2] == (place, name)]

    def create_model(self, name: str, version: str, job: str, tags: Mapping[str, str]) -> None:
        self._reach()
        model = ModelState(name, version, dict(tags))
        known = self.registered_models.setdefault((Stage.DEV, name, version), model)
        require_same(f"model {name}:{version}", known.tags, tags)

    def share_model(self, name: str, version: str) -> None:
        self._reach()
        if (Stage.DEV, name, version) not in self.registered_models:
            raise NotFound(f"model {name}:{version} is not in the dev workspace")
        model = self.registered_models[Stage.DEV, name, version]
        self.registered_models.setdefault(("registry", name, version), model)

    def model_in_registry(self, name: str, version: str) -> bool:
        self._reach()
        if ("registry", name, version) not in self.registered_models:
            return False
        self._looks[name, version] = self._looks.get((name, version), 0) + 1
        return self._looks[name, version] > self.propagation

    def ensure_monitor(self, stage: Stage, monitor: Monitor) -> bool:
        self._reach()
        known, self.monitors[stage, monitor.name] = self.monitors.get((stage, monitor.name)), monitor
        return known != monitor

    def ensure_endpoint(self, stage: Stage, endpoint: str, tags: Mapping[str, str]) -> None:
        self._reach()
        known = self.endpoints.setdefault((stage, endpoint), dict(tags))
        require_same(f"endpoint {endpoint}", known, tags)

    def endpoint_names(self, stage: Stage) -> list[str]:
        self._reach()
        return sorted(name for at, name in self.endpoints if at is stage)

    def deployment_names(self, stage: Stage, endpoint: str) -> list[str]:
        self._reach()
        return sorted(name for at, on, name in self.deployments if (at, on) == (stage, endpoint))

    def deployment(self, stage: Stage, endpoint: str, deployment: str) -> DeploymentState | None:
        self._reach()
        return self.deployments.get((stage, endpoint, deployment))

    def create_deployment(
        self,
        stage: Stage,
        endpoint: str,
        deployment: str,
        component: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        self._reach()
        if (stage, endpoint) not in self.endpoints:
            raise NotFound(f"there is no endpoint {endpoint} in {stage}")
        key = (stage, endpoint, deployment)
        if (known := self.deployments.get(key)) is not None and not known.failed:
            require_same(f"deployment {deployment}", known.tags, tags)
            return
        self.deployments[key] = DeploymentState(ready=True, tags=dict(tags))
        self.components_of[key] = (component, compute)

    def create_online_deployment(
        self,
        stage: Stage,
        endpoint: str,
        deployment: str,
        *,
        component: str,
        model: str,
        instance_type: str,
        instances: int,
        tags: Mapping[str, str],
    ) -> None:
        self.create_deployment(stage, endpoint, deployment, component, instance_type, tags)
        self.online[stage, endpoint, deployment] = {"model": model, "instances": instances}

    def traffic(self, stage: Stage, endpoint: str) -> tuple[dict[str, int], dict[str, int]]:
        self._reach()
        return self.traffic_of.get((stage, endpoint), ({}, {}))

    def set_traffic(
        self, stage: Stage, endpoint: str, live: Mapping[str, int], mirrored: Mapping[str, int]
    ) -> None:
        """Refuses what Azure ML refuses."""
        self._reach()
        known = self.deployment_names(stage, endpoint)
        assert {*live, *mirrored} <= set(known), f"{endpoint} has {known}, not all of {live} and {mirrored}"
        assert sum(live.values()) in (0, 100), live
        assert not set(live) & set(mirrored), f"{live} and {mirrored} overlap"
        self.traffic_of[stage, endpoint] = (dict(live), dict(mirrored))

    def scoring_uri(self, stage: Stage, endpoint: str) -> str:
        self._reach()
        return f"https://{endpoint}.example.com/score"

    def submit_scoring(
        self,
        stage: Stage,
        name: str,
        *,
        component: str,
        compute: str,
        model: str,
        circuit_config: str,
        literals: Mapping[str, str | int | float],
        tags: Mapping[str, str],
    ) -> None:
        inputs = {"component": component, "compute": compute, "model": model}
        self._submit(stage, name, tags, inputs | {"circuit_config": circuit_config} | dict(literals))

    def delete_deployment(self, stage: Stage, endpoint: str, deployment: str) -> None:
        """As the client: one with traffic is taken out of it first, the last takes an online endpoint along."""
        self._reach()
        self.deployments.pop((stage, endpoint, deployment), None)
        if names.is_online(endpoint) and not self.deployment_names(stage, endpoint):
            self.endpoints.pop((stage, endpoint), None)
            self.traffic_of.pop((stage, endpoint), None)
        if (stage, endpoint) in self.traffic_of:
            live, mirrored = self.traffic_of[stage, endpoint]
            rest = {name: 100 for name in live if name != deployment}
            self.traffic_of[stage, endpoint] = (
                rest if deployment in live else live,
                {name: share for name, share in mirrored.items() if name != deployment},
            )

    def invoke(
        self,
        stage: Stage,
        endpoint: str,
        deployment: str,
        job: str,
        *,
        model: str,
        circuit_config: str,
        literals: Mapping[str, str | int | float],
    ) -> str:
        """An invoked job carries no tags of ours."""
        self._reach()
        if (stage, endpoint, deployment) not in self.deployments:
            raise NotFound(f"there is no deployment {deployment} of {endpoint} in {stage}")
        inputs = {"model": model, "circuit_config": circuit_config, "deployment": deployment, **literals}
        self._submit(stage, job, {}, inputs)
        return job
