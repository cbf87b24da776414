"""Who is told of a repository's events: the hooks of the configuration, and those made through the API."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from localazure.config import GitRepository, GitWebhook
from localazure.documents import Documents
from localazure.git_host.pulls import next_number, now

Kind = Literal["github", "azure-devops"]
_DEFAULTS: Mapping[Kind, tuple[str, ...]] = {"github": ("push",), "azure-devops": ("git.push",)}


@dataclass(frozen=True)
class Hook:
    """`target` is a path of the functions host or a URL. `secret` is the hook's own; None: the configured one.
    An inactive hook gets nothing."""

    id: int
    repository: str
    kind: Kind
    target: str
    events: tuple[str, ...]
    created_at: str
    updated_at: str
    username: str = ""
    secret: str | None = None
    active: bool = True
    configured: bool = True

    def wants(self, event: str) -> bool:
        return self.active and ("*" in self.events or event in self.events)


class Hooks:
    """The hooks on disk: their ids stay over restarts."""

    def __init__(self, documents: Documents):
        self._documents = documents

    def configure(self, repositories: Sequence[GitRepository]) -> list[Hook]:
        """Make the configured hooks what the configuration says; those that are new."""
        wanted: dict[tuple[str, Kind, str], GitWebhook] = {
            (repository.name, hook.kind, hook.target): hook
            for repository in repositories
            for hook in repository.hooks
        }
        for known in self.all():
            key = (known.repository, known.kind, known.target)
            if known.configured and key in wanted:
                given = wanted.pop(key)
                events = given.events or _DEFAULTS[given.kind]
                self.put(replace(known, events=events, username=given.username))
            elif known.configured:
                self.delete(known.id)
        return [
            self.add(repository, kind, target, given.events, username=given.username)
            for (repository, kind, target), given in wanted.items()
        ]

    def add(
        self,
        repository: str,
        kind: Kind,
        target: str,
        events: Sequence[str] = (),
        *,
        username: str = "",
        secret: str | None = None,
        active: bool = True,
        configured: bool = True,
    ) -> Hook:
        return self.put(
            Hook(
                id=next_number(self._documents, "hook", ""),
                repository=repository,
                kind=kind,
                target=target,
                events=tuple(events) or _DEFAULTS[kind],
                created_at=now(),
                updated_at=now(),
                username=username,
                secret=secret,
                active=active,
                configured=configured,
            )
        )

    def all(self) -> list[Hook]:
        """By id."""
        return [_hook(body) for _, body in self._documents.list("hook")]

    def of(self, repository: str, kind: Kind) -> list[Hook]:
        return [hook for hook in self.all() if (hook.repository, hook.kind) == (repository, kind)]

    def get(self, number: int) -> Hook | None:
        body = self._documents.get("hook", _key(number))
        return _hook(body) if body else None

    def put(self, hook: Hook) -> Hook:
        self._documents.put("hook", _key(hook.id), asdict(hook))
        return hook

    def delete(self, number: int) -> None:
        self._documents.delete("hook", _key(number))


def _hook(body: dict[str, Any]) -> Hook:
    events: tuple[str, ...] = tuple(body.pop("events"))
    return Hook(events=events, **body)


def _key(number: int) -> str:
    return f"{number:010d}"
