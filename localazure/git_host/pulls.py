"""Pull requests, as both hosts know them: opened, moved on by pushes, merged or closed."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from localazure.documents import Documents
from localazure.git_host.edits import LOGIN, Method, merge, merged_tree
from localazure.git_host.repository import ZERO, Repository

State = Literal["open", "closed"]
Action = Literal["opened", "synchronize", "closed", "reopened", "edited"]


@dataclass(frozen=True)
class RefUpdate:
    """A ref that moved; `ZERO` stands for one that was not there before or is not any more."""

    ref: str
    before: str
    after: str


@dataclass(frozen=True)
class PullRequest:
    """`head` and `base` are branches; their commits are kept as they were when it was closed. Times are ISO 8601."""

    repository: str
    number: int
    title: str
    body: str | None
    head: str
    base: str
    head_sha: str
    base_sha: str
    draft: bool
    created_at: str
    updated_at: str
    state: State = "open"
    closed_at: str | None = None
    merged_at: str | None = None
    merge_sha: str | None = None
    user: str = LOGIN

    @property
    def id(self) -> int:
        """A number of its own among all repositories'."""
        return int.from_bytes(self.repository.encode()[-3:], "big") * 100_000 + self.number

    @property
    def merged(self) -> bool:
        return self.merged_at is not None

    def touched(self, **changes: Any) -> "PullRequest":
        return replace(self, updated_at=now(), **changes)

    def closed(self, merge_sha: str | None = None) -> "PullRequest":
        """Closed now, merged as `merge_sha` if that is given."""
        at = now()
        return self.touched(
            state="closed", closed_at=at, merged_at=at if merge_sha else None, merge_sha=merge_sha
        )


@dataclass(frozen=True)
class PullChange:
    """What happened to a pull request; `before` and `after` are its head's, when a push moved it."""

    pull: PullRequest
    action: Action
    before: str | None = None
    after: str | None = None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def next_number(documents: Documents, kind: str, scope: str) -> int:
    """1, 2, 3, …: the next one of a kind, kept on disk."""
    with documents.transaction():
        last = documents.get("number", f"{kind}/{scope}")
        number = last["last"] + 1 if last else 1
        documents.put("number", f"{kind}/{scope}", {"last": number})
    return number


def unique_id() -> int:
    """Grows with time, and a JavaScript number holds it exactly."""
    return time.time_ns() // 1000


class Pulls:
    """The pull requests on disk."""

    def __init__(self, documents: Documents):
        self._documents = documents

    def all(self, repository: Repository) -> list[PullRequest]:
        """By number."""
        found = self._documents.list("pull", f"{repository.name}/")
        return [PullRequest(**body) for _, body in found]

    def get(self, repository: Repository, number: int) -> PullRequest | None:
        body = self._documents.get("pull", _key(repository.name, number))
        return PullRequest(**body) if body else None

    def open_of(self, repository: Repository, head: str, base: str) -> PullRequest | None:
        """The open one between two branches: there is never more than one."""
        return next(
            (
                pull
                for pull in self.all(repository)
                if (pull.state, pull.head, pull.base) == ("open", head, base)
            ),
            None,
        )

    def put(self, pull: PullRequest) -> PullRequest:
        self._documents.put("pull", _key(pull.repository, pull.number), asdict(pull))
        return pull

    async def open(
        self, repository: Repository, title: str, body: str | None, head: str, base: str, draft: bool
    ) -> PullRequest:
        """A new one between two branches that exist."""
        branches = await repository.branches()
        at = now()
        pull = PullRequest(
            repository=repository.name,
            number=next_number(self._documents, "pull", repository.name),
            title=title,
            body=body,
            head=head,
            base=base,
            head_sha=branches[head],
            base_sha=branches[base],
            draft=draft,
            created_at=at,
            updated_at=at,
        )
        return self.put(pull)

    async def after_push(self, repository: Repository, updates: Sequence[RefUpdate]) -> list[PullChange]:
        """What a push did to the open ones. Not stored yet."""
        changes = [
            await _after_update(repository, pull, update)
            for pull in self.all(repository)
            if pull.state == "open"
            for update in updates
            if update.ref in (f"refs/heads/{pull.head}", f"refs/heads/{pull.base}")
        ]
        return [change for change in changes if change]


async def _after_update(repository: Repository, pull: PullRequest, update: RefUpdate) -> PullChange | None:
    if update.ref == f"refs/heads/{pull.head}":
        if update.after == ZERO:
            return PullChange(pull.closed(), "closed")
        if update.after == pull.head_sha:  # it was opened between the push and its announcement
            return None
        return PullChange(pull.touched(head_sha=update.after), "synchronize", update.before, update.after)
    if update.after == ZERO:
        return PullChange(pull.closed(), "closed")
    if await repository.contains(pull.head_sha, update.after):
        return PullChange(pull.closed(update.after), "closed")
    return None


async def is_mergeable(repository: Repository, pull: PullRequest) -> bool:
    base = await repository.branch(pull.base)
    return base is not None and await merged_tree(repository, base, pull.head_sha) is not None


async def merge_pull(
    repository: Repository, pull: PullRequest, method: Method, message: str
) -> tuple[PullRequest, RefUpdate] | None:
    """The merged pull request and its base's move, which has happened; None where somebody moved the base meanwhile.
    Raises `Conflict`."""
    base = await repository.branch(pull.base) or ZERO
    commit = await merge(repository, base, pull.head_sha, method, message)
    if not await repository.update(f"refs/heads/{pull.base}", commit, base):
        return None
    return replace(pull, base_sha=base).closed(commit), RefUpdate(f"refs/heads/{pull.base}", base, commit)


def _key(repository: str, number: int) -> str:
    return f"{repository}/{number:010d}"
