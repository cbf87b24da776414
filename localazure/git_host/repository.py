"""One bare repository, read and written through the `git` command."""

import asyncio
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localazure.git_host import post_receive

ZERO = "0" * 40
_REFERENCE = re.compile(r"(?!-)[\w./+#=-]+")  # a branch, a tag, a commit: no revision expressions
_SHA = re.compile(r"[0-9a-f]{40}")


class GitError(Exception):
    """`git` refused; the message is what it said."""


def environment(**more: str) -> dict[str, str]:
    """For a git that minds neither the person's configuration nor a repository it may have been started from."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return inherited | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"} | more


@dataclass(frozen=True)
class Entry:
    """A line of a tree. `size` is None for what is no blob."""

    mode: str
    type: str
    sha: str
    size: int | None
    path: str


@dataclass(frozen=True)
class Repository:
    """`name` is `owner/name`; `path` the bare repository."""

    name: str
    path: Path
    default_branch: str

    async def create(self, port_file: Path) -> None:
        """Make it if it is missing, and (re)write the hook that announces pushes."""
        if shutil.which("git") is None:
            raise GitError("git is not installed: install it with the system's package manager")
        if not (self.path / "HEAD").exists():
            await _run("init", "--quiet", "--bare", f"--initial-branch={self.default_branch}", str(self.path))
        hook = self.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        command = shlex.join([sys.executable, "-IS", post_receive.__file__, str(port_file)])
        hook.write_text(f"#!/bin/sh\nexec {command}\n")
        hook.chmod(0o755)
        for key, value in {
            "core.hooksPath": str(hook.parent),  # or a person's own global hooks path would win
            "gc.auto": "0",  # a forced push's old commits stay readable
            "receive.denyDeleteCurrent": "ignore",
        }.items():
            await self.git("config", key, value)

    async def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run `git <arguments>` here; its output. Raises `GitError`."""
        return await _run(f"--git-dir={self.path}", *arguments, stdin=stdin, env=env)

    async def resolve(self, reference: str, kind: str = "commit") -> str | None:
        """The object that a branch, tag or (short) sha names, peeled to `kind`; None if there is none."""
        if not _REFERENCE.fullmatch(reference) or ".." in reference:
            return None
        return await self._object(f"{reference}^{{{kind}}}")

    async def object_at(self, commit: str, path: str) -> str | None:
        """The blob or tree at `path` (empty: the root) of a commit's or tree's sha."""
        return await self._object(f"{commit}:{path.strip('/')}")

    async def _object(self, expression: str) -> str | None:
        try:
            found = await self.git("rev-parse", "--verify", "--quiet", "--end-of-options", expression)
        except GitError:
            return None
        return found.decode().strip()

    async def type_of(self, sha: str) -> str | None:
        """blob, tree, commit or tag; None for an object that does not exist."""
        if not _SHA.fullmatch(sha):
            return None
        try:
            return (await self.git("cat-file", "-t", sha)).decode().strip()
        except GitError:
            return None

    async def blob(self, sha: str) -> bytes:
        return await self.git("cat-file", "blob", sha)

    async def tree(self, sha: str, recursive: bool = False) -> list[Entry]:
        """The entries of a tree; `recursive` lists folders too, as GitHub does."""
        output = await self.git("ls-tree", "-z", "-l", *(["-r", "-t"] if recursive else []), sha)
        return [_entry(line.decode(errors="surrogateescape")) for line in output.split(b"\0") if line]

    async def branches(self) -> dict[str, str]:
        """Branch → head, by name."""
        output = await self.git("for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/heads")
        return dict(line.split(" ") for line in output.decode().splitlines())

    async def branch(self, name: str) -> str | None:
        return (await self.branches()).get(name)

    async def update(self, ref: str, new: str, old: str) -> bool:
        """Move `ref` from `old` (`ZERO`: it must not exist) to `new`; says whether it was still there."""
        try:
            await self.git("update-ref", ref, new, old)
        except GitError:
            return False
        return True

    def summary(self, base_url: str) -> dict[str, Any]:
        """GitHub's repository object, as in REST answers and webhooks."""
        owner, _, name = self.name.partition("/")
        return {
            "id": int.from_bytes(self.name.encode()[-4:], "big"),
            "name": name,
            "full_name": self.name,
            "private": True,
            "owner": {"login": owner, "type": "Organization"},
            "default_branch": self.default_branch,
            "html_url": f"{base_url}/git#{self.name}",
            "url": f"{base_url}/api/v3/repos/{self.name}",
            "clone_url": str(self.path),
        }


def _entry(line: str) -> Entry:
    head, _, path = line.partition("\t")
    mode, kind, sha, size = head.split()
    return Entry(mode, kind, sha, int(size) if size.isdigit() else None, path)


async def _run(*arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**(env or {})),
    )
    output, errors = await process.communicate(stdin)
    if process.returncode:
        raise GitError(errors.decode(errors="replace").strip() or f"git ended with {process.returncode}")
    return output
