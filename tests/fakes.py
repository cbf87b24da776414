"""Stand-ins for the clients, of the same shape, in memory. Set `outage` on one to make every call of it fail."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Vote
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.errors import Conflict, NotFound, TemporarilyUnavailable, VersionConflict
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, RunRecord, ScoringRecord
from busbar.domain.release import ReleaseSet

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
    _releases: dict[str, ReleaseSet] = field(default_factory=dict[str, ReleaseSet])
    _offers: dict[Stage, dict[str, None]] = field(default_factory=dict[Stage, dict[str, None]])

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

    def save_deployment(self, record: DeploymentRecord) -> None:
        self._reach()
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

    def save_release(self, release: ReleaseSet) -> None:
        self._reach()
        self._releases.setdefault(release.id, release)

    def damage(self, id: str, release: ReleaseSet | None) -> None:
        """What no client can do: put another content under a release's id, or lose it."""
        self._releases.pop(id)
        if release:
            self._releases[id] = release

    def offer_release(self, stage: Stage, id: str) -> None:
        self._reach()
        self._offers.setdefault(stage, {})[id] = None

    def latest_release(self, stage: Stage) -> ReleaseSet | None:
        self._reach()
        return self.release(list(self._offers[stage])[-1]) if self._offers.get(stage) else None


@dataclass
class FakeApprovals(_Fake):
    _requests: dict[str, ApprovalRequest] = field(default_factory=dict[str, ApprovalRequest])
    _links: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    _votes: dict[str, dict[str, Vote]] = field(default_factory=dict[str, dict[str, Vote]])
    _verdicts: dict[str, ApprovalVerdict] = field(default_factory=dict[str, ApprovalVerdict])

    def create(self, request: ApprovalRequest, token_hashes: Mapping[str, str]) -> bool:
        """`token_hashes`: directory object id → SHA-256 of that person's token. False if it exists already."""
        self._reach()
        self._links.update({hashed: (request.id, object_id) for object_id, hashed in token_hashes.items()})
        known = self._requests.setdefault(request.id, request)
        if known.digest != request.digest:
            raise VersionConflict(f"approval {request.id} is about {known.digest}")
        return known is request

    def request(self, id: str) -> ApprovalRequest | None:
        self._reach()
        return self._requests.get(id)

    def pending(self) -> list[ApprovalRequest]:
        self._reach()
        return [request for id, request in self._requests.items() if id not in self._verdicts]

    def find(self, token_hash: str) -> tuple[ApprovalRequest, Person] | None:
        self._reach()
        if token_hash not in self._links:
            return None
        id, object_id = self._links[token_hash]
        request = self._requests[id]
        return request, next(person for person in request.approvers if person.object_id == object_id)

    def votes(self, id: str) -> tuple[Vote, ...]:
        self._reach()
        return tuple(self._votes.get(id, {}).values())

    def cast(self, vote: Vote) -> None:
        self._reach()
        votes = self._votes.setdefault(vote.request_id, {})
        if vote.object_id in votes or vote.request_id in self._verdicts:
            raise Conflict(f"{vote.login} has voted, or {vote.request_id} is decided")
        votes[vote.object_id] = vote

    def verdict(self, id: str) -> ApprovalVerdict | None:
        self._reach()
        return self._verdicts.get(id)

    def decide(self, verdict: ApprovalVerdict) -> None:
        self._reach()
        first = self._verdicts.setdefault(verdict.request_id, verdict)
        if first.outcome is not verdict.outcome:
            raise Conflict(f"{verdict.request_id} is already {first.outcome}")


@dataclass
class FakeLedger(_Fake):
    """`clock` gives seconds; move it on to let a claim expire."""

    clock: Callable[[], float] = lambda: 0.0
    _claims: dict[str, float] = field(default_factory=dict[str, float])
    _done: set[str] = field(default_factory=set[str])
    _heads: dict[str, str] = field(default_factory=dict[str, str])

    def claim(self, event_id: str, *, seconds: float = 120) -> bool:
        self._reach()
        if event_id in self._done or self._claims.get(event_id, float("-inf")) > self.clock():
            return False
        self._claims[event_id] = self.clock() + seconds
        return True

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
    default: str = "main"
    statuses: list[StatusSet] = field(default_factory=list[StatusSet])
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

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

    def _history(self, commit: str) -> list[str]:
        history = [commit]
        while history[-1] in self.parents:
            history.append(self.parents[history[-1]])
        return history

    def merge_base(self, base: str, head: str) -> str | None:
        self._reach()
        base, head = self.branches.get(base, base), self.branches.get(head, head)
        theirs = set(self._history(base))
        return next((commit for commit in self._history(head) if commit in theirs), None)

    def default_branch(self) -> str:
        self._reach()
        return self.default

    def heads(self) -> dict[str, str]:
        self._reach()
        return dict(self.branches)

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

    def commit_file(self, path: str, branch: str, content: bytes, message: str) -> str:
        """Moves `branch` to a new commit with that file; the commit's id."""
        parent = self.branches[branch]
        commit = hashlib.sha1(
            f"{parent}{path}{message}{next(self._numbers)}".encode(), usedforsecurity=False
        ).hexdigest()
        self.commits[commit] = self._tree(parent) | {path: content}
        self.parents[commit] = parent
        self.branches[branch] = commit
        return commit
