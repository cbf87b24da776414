"""Commits as GitHub writes them: in REST answers, in webhooks, and the files they change."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from localazure.git_host.repository import Repository

_PERSON = re.compile(r"(.*?) ?<(.*?)> (\d+) ([+-])(\d\d)(\d\d)$")


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    date: datetime

    @property
    def login(self) -> str:
        """The account: git knows none, so it is the address's local part."""
        return self.email.partition("@")[0] or self.name

    def json(self) -> dict[str, str]:
        return {"name": self.name, "email": self.email}

    def dated(self) -> dict[str, str]:
        return self.json() | {"date": self.date.astimezone(UTC).isoformat().replace("+00:00", "Z")}


@dataclass(frozen=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str

    def json(self, repository_url: str) -> dict[str, Any]:
        """As in REST answers."""
        return {
            "sha": self.sha,
            "url": f"{repository_url}/commits/{self.sha}",
            "commit": {
                "message": self.message,
                "author": self.author.dated(),
                "committer": self.committer.dated(),
                "tree": {"sha": self.tree},
            },
            "author": {"login": self.author.login, "type": "User"},
            "committer": {"login": self.committer.login, "type": "User"},
            "parents": [{"sha": parent} for parent in self.parents],
        }

    def announced(self, files: "Files") -> dict[str, Any]:
        """As in the push webhook."""
        return {
            "id": self.sha,
            "tree_id": self.tree,
            "distinct": True,
            "message": self.message,
            "timestamp": self.committer.date.isoformat(),
            "author": self.author.json() | {"username": self.author.login},
            "committer": self.committer.json() | {"username": self.committer.login},
            "added": files.added,
            "removed": files.removed,
            "modified": files.modified,
        }


@dataclass
class Files:
    """Paths a commit touched; a rename is a removal and an addition."""

    added: list[str]
    removed: list[str]
    modified: list[str]


async def read_commits(repository: Repository, shas: Sequence[str]) -> list[Commit]:
    """The commits of `shas`, in that order, with one git process for all."""
    output = await repository.git("cat-file", "--batch", stdin="\n".join([*shas, ""]).encode())
    commits: list[Commit] = []
    position = 0
    for sha in shas:
        line_end = output.index(b"\n", position)
        size = int(output[position:line_end].split()[2])
        commits.append(_parse(sha, output[line_end + 1 : line_end + 1 + size]))
        position = line_end + size + 2
    return commits


async def read_commit(repository: Repository, sha: str) -> Commit:
    return (await read_commits(repository, [sha]))[0]


def _parse(sha: str, raw: bytes) -> Commit:
    head, _, message = raw.decode(errors="replace").partition("\n\n")
    fields = [line.split(" ", 1) for line in head.splitlines() if not line.startswith(" ") and " " in line]
    single = dict(fields)
    return Commit(
        sha=sha,
        tree=single["tree"],
        parents=tuple(value for name, value in fields if name == "parent"),
        author=_person(single["author"]),
        committer=_person(single["committer"]),
        message=message.rstrip("\n"),
    )


def _person(text: str) -> Person:
    found = _PERSON.match(text)
    if not found:
        return Person(text, "", datetime.fromtimestamp(0, UTC))
    name, email, seconds, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    return Person(name, email, datetime.fromtimestamp(int(seconds), timezone(offset)))


async def files_of(repository: Repository, shas: Sequence[str]) -> dict[str, Files]:
    """What each commit changed against its first parent, with one git process for all."""
    output = await repository.git(
        "diff-tree", "--stdin", "-r", "--root", "--no-renames", "--name-status", "-z", "-m", "--first-parent",
        stdin="\n".join([*shas, ""]).encode(),
    )  # fmt: skip
    files = {sha: Files([], [], []) for sha in shas}
    current = ""
    fields = _fields(output)
    for field in fields:
        if field in files:
            current = field
            continue
        changed = files[current]
        kind = {"A": changed.added, "D": changed.removed}.get(field[0], changed.modified)
        kind.append(next(fields))
    return files


@dataclass(frozen=True)
class Change:
    """One file that differs between two trees. `status` is added, removed, modified, renamed or changed (its type);
    `lines` are those added and removed: None for a binary file."""

    path: str
    status: str
    sha: str
    old_sha: str
    mode: str
    old_path: str | None
    lines: tuple[int, int] | None
    patch: str | None = None

    @property
    def is_folder(self) -> bool:
        return self.mode == "040000"


_WORDS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}


async def changes_between(
    repository: Repository, base: str, head: str, *, folders: bool = False
) -> list[Change]:
    """What differs between two trees, renames found; with `folders` the folders that changed too."""
    options = ["-r", *(["-t"] if folders else []), "-z", "-M", "--raw", "--numstat", "--no-abbrev"]
    fields = list(_fields(await repository.git("diff-tree", *options, base, head)))
    split = next(
        (at for at, field in enumerate(fields) if "\t" in field and not field.startswith(":")), len(fields)
    )
    counts = _counts(iter(fields[split:]))
    return [_change(line, rest, counts) for line, rest in _raw_lines(iter(fields[:split]))]


def _raw_lines(fields: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
    for line in fields:
        paths = [next(fields)]
        if line.split()[4][0] in "RC":
            paths.append(next(fields))
        yield line, paths


def _change(line: str, paths: list[str], counts: dict[str, tuple[int, int] | None]) -> Change:
    old_mode, mode, old, new, letter = line[1:].split()
    status, removed = _WORDS.get(letter[0], "changed"), letter == "D"
    return Change(
        path=paths[-1],
        status=status,
        sha=old if removed else new,
        old_sha=old,
        mode=old_mode if removed else mode,
        old_path=paths[0] if len(paths) > 1 else None,
        lines=counts.get(paths[-1], (0, 0)),
    )


def _counts(fields: Iterator[str]) -> dict[str, tuple[int, int] | None]:
    """Lines added and removed by path, from `--numstat -z`: a rename has its two paths in fields of their own."""
    counts: dict[str, tuple[int, int] | None] = {}
    for field in fields:
        added, removed, path = field.split("\t", 2)
        if not path:
            _, path = next(fields), next(fields)
        counts[path] = None if added == "-" else (int(added), int(removed))
    return counts


async def with_patches(
    repository: Repository, base: str, head: str, changes: Sequence[Change]
) -> list[Change]:
    """All the `changes` between two trees with their unified diffs, where git can tell them apart."""
    output = await repository.git("diff-tree", "-r", "-M", "-p", "--full-index", base, head)
    patches = re.split(r"^diff --git .*\n", output.decode(errors="replace"), flags=re.MULTILINE)[1:]
    if len(patches) != len(changes):  # a file that became a link counts twice
        return list(changes)
    return [replace(change, patch=_hunks(patch)) for change, patch in zip(changes, patches, strict=True)]


def _hunks(patch: str) -> str | None:
    found = re.search(r"^@@", patch, flags=re.MULTILINE)
    return patch[found.start() :].rstrip("\n") if found else None


def _fields(output: bytes) -> Iterator[str]:
    return (field.decode(errors="replace") for field in output.split(b"\0") if field)
