"""One bare repository, read and written through the `git` command."""

import asyncio
import os
import re
import shlex
import shutil
import sys
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localazure.git_host import post_receive

ZERO = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_CHUNK_BYTES = 256 * 1024
_REFERENCE = re.compile(r"(?!-)[\w./+#=-]+")  # a branch, a tag, a commit: no revision expressions
_SHA = re.compile(r"[0-9a-f]{40}")


class GitError(Exception):
    """`git` refused; the message is what it said."""


def environment(**more: str) -> dict[str, str]:
    """For a git that minds neither the person's configuration nor a repository it may have been started from."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C",
    }
    return inherited | own | more


@dataclass(frozen=True)
class Entry:
    """A line of a tree; `type` is blob, tree or commit (a submodule). `size` is None for what is no blob."""

    mode: str
    type: str
    sha: str
    size: int | None
    path: str

    @property
    def is_symlink(self) -> bool:
        return self.mode == "120000"


@dataclass(frozen=True)
class Ref:
    """`name` in full; `type` and `sha` of the object, `peeled` the commit of an annotated tag."""

    name: str
    type: str
    sha: str
    peeled: str


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
        await self._configure(
            {
                "core.hookspath": str(hook.parent),  # or a person's own global hooks path would win
                "gc.auto": "0",  # a forced push's old commits stay readable
                "receive.denydeletecurrent": "ignore",
                "http.getanyfile": "false",  # the smart protocol alone
            }
        )

    async def _configure(self, wanted: Mapping[str, str]) -> None:
        """Set what differs: mostly nothing, and each setting is a process."""
        listed = (await self.git("config", "--local", "--list", "-z")).decode().split("\0")
        known = dict(line.split("\n", 1) for line in listed if "\n" in line)
        for key, value in wanted.items():
            if known.get(key) != value:
                await self.git("config", key, value)

    async def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run `git <arguments>` here; its output. Raises `GitError`."""
        return await _run(f"--git-dir={self.path}", *arguments, stdin=stdin, env=env)

    async def stream(self, *arguments: str) -> AsyncGenerator[bytes]:
        """The output of `git <arguments>` in pieces; nothing is kept. Raises `GitError` once it has ended badly."""
        process = await asyncio.create_subprocess_exec(
            "git", f"--git-dir={self.path}", *arguments, stdout=asyncio.subprocess.PIPE, env=environment()
        )
        try:
            while chunk := await output_of(process).read(_CHUNK_BYTES):
                yield chunk
            if await process.wait():
                raise GitError(f"git {arguments[0]} ended with {process.returncode}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def is_empty(self) -> bool:
        return not await self.branches()

    async def resolve(self, reference: str, kind: str = "commit") -> str | None:
        """The object that a branch, tag or (short) sha names, peeled to `kind`; None if there is none."""
        if not _REFERENCE.fullmatch(reference) or ".." in reference:
            return None
        return await self._object(f"{reference}^{{{kind}}}")

    async def entry(self, commit: str, path: str) -> Entry | None:
        """What is at `path` (empty: the root) of a commit's or tree's sha."""
        path = path.strip("/")
        if not path:
            root = await self._object(f"{commit}^{{tree}}")
            return Entry("040000", "tree", root, None, "") if root else None
        if not is_inside(path):
            return None
        found = [entry for entry in await self._listed("-z", "-l", commit, "--", path) if entry.path == path]
        return found[0] if found else None

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

    async def size(self, sha: str) -> int:
        return int(await self.git("cat-file", "-s", sha))

    async def blob(self, sha: str) -> bytes:
        return await self.git("cat-file", "blob", sha)

    async def write_blob(self, content: bytes) -> str:
        return (await self.git("hash-object", "-w", "--stdin", stdin=content)).decode().strip()

    async def tree(self, sha: str, recursive: bool = False) -> list[Entry]:
        """The entries of a tree; `recursive` lists folders too, as the hosts do."""
        return await self._listed("-z", "-l", *(["-r", "-t"] if recursive else []), sha)

    async def _listed(self, *arguments: str) -> list[Entry]:
        output = await self.git("ls-tree", *arguments)
        return [_entry(line.decode(errors="replace")) for line in output.split(b"\0") if line]

    async def refs(self) -> list[Ref]:
        """Branches, tags and whatever else was pushed, by name."""
        form = "--format=%(refname)%00%(objecttype)%00%(objectname)%00%(*objectname)"
        lines = (await self.git("for-each-ref", form)).decode().splitlines()
        return [Ref(*line.split("\0")) for line in lines]

    async def branches(self) -> dict[str, str]:
        """Branch → head, by name."""
        output = await self.git("for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/heads")
        return dict(line.split(" ") for line in output.decode().splitlines())

    async def branch(self, name: str) -> str | None:
        return (await self.branches()).get(name)

    async def update(self, ref: str, new: str, old: str) -> bool:
        """Move `ref` from `old` to `new` (`ZERO`: there is none); says whether it was still there."""
        try:
            await self.git("update-ref", ref, new, old)
        except GitError:
            return False
        return True

    async def commits(self, *arguments: str) -> list[str]:
        """The shas that `git rev-list <arguments>` lists."""
        return (await self.git("rev-list", *arguments)).decode().split()

    async def merge_base(self, one: str, other: str) -> str | None:
        try:
            return (await self.git("merge-base", one, other)).decode().split()[0]
        except GitError:
            return None

    async def contains(self, ancestor: str, commit: str) -> bool:
        """Whether `commit`'s history has `ancestor`."""
        try:
            await self.git("merge-base", "--is-ancestor", ancestor, commit)
        except GitError:
            return False
        return True

    async def ahead_behind(self, base: str, head: str) -> tuple[int, int]:
        """How many commits `head` has that `base` lacks, and the other way round."""
        behind, ahead = (await self.git("rev-list", "--left-right", "--count", f"{base}...{head}")).split()
        return int(ahead), int(behind)

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        return self.name.partition("/")[2]

    @property
    def guid(self) -> str:
        """What Azure DevOps knows it by."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"git/{self.name}"))

    def clone_url(self, base_url: str) -> str:
        return f"{base_url}/git/{self.name}.git"

    def summary(self, base_url: str) -> dict[str, Any]:
        """GitHub's repository object, as in REST answers and webhooks."""
        return {
            "id": int.from_bytes(self.name.encode()[-4:], "big"),
            "name": self.short_name,
            "full_name": self.name,
            "private": True,
            "owner": {"login": self.owner, "type": "Organization"},
            "default_branch": self.default_branch,
            "html_url": f"{base_url}/git#{self.name}",
            "url": f"{base_url}/api/v3/repos/{self.name}",
            "clone_url": self.clone_url(base_url),
        }


def output_of(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise RuntimeError("the process was started without a pipe for its output")
    return process.stdout


def is_inside(path: str) -> bool:
    """Whether a path may name a file of a repository."""
    return all(part not in ("", ".", "..") and part.lower() != ".git" for part in path.split("/"))


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
    try:
        output, errors = await process.communicate(stdin)
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise GitError(errors.decode(errors="replace").strip() or f"git ended with {process.returncode}")
    return output
