"""Commits as GitHub writes them: in REST answers, in webhooks, and the files they change."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from localazure.git_host.repository import Repository

FILES_LIMIT = 300  # of one comparison or commit
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


async def compared_files(repository: Repository, base: str, head: str) -> list[dict[str, Any]]:
    """Files that differ between two trees, as GitHub's comparison lists them; all of them, renames found."""
    fields = _fields(await repository.git("diff-tree", "-r", "-z", "-M", "--raw", "--no-abbrev", base, head))
    words = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
    files: list[dict[str, Any]] = []
    for line in fields:
        _, _, old, new, letter = line.split()
        status = words.get(letter[0], "changed")
        renamed = {"previous_filename": next(fields)} if status in ("renamed", "copied") else {}
        sha = old if status == "removed" else new
        files.append({"filename": next(fields), "status": status, "sha": sha} | renamed)
    return files


def _fields(output: bytes) -> Iterator[str]:
    return (field.decode(errors="replace") for field in output.split(b"\0") if field)
