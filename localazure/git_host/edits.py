"""Commits made by the server itself: files put, removed or moved, and branches merged."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localazure.git_host.repository import ZERO, GitError, Repository, environment

LOGIN = "localazure"  # whom the token stands for
SOMEBODY = {"name": LOGIN, "email": f"{LOGIN}@users.noreply.github.com"}
Method = Literal["merge", "squash", "rebase"]


@dataclass(frozen=True)
class Edit:
    """A file's new blob, or None to remove it."""

    path: str
    blob: str | None
    mode: str = "100644"


class Conflict(Exception):
    """Two branches cannot be merged without a person."""


async def commit_edits(
    repository: Repository,
    head: str | None,
    edits: Sequence[Edit],
    message: str,
    author: Mapping[str, str] = SOMEBODY,
    committer: Mapping[str, str] = SOMEBODY,
) -> str:
    """A commit on `head` (None: the first one) with `edits`; no branch is moved. Raises `GitError` where a file would
    stand in a folder's place or the other way round."""
    removed = [edit.path for edit in edits if edit.blob is None]
    written = [
        argument
        for edit in edits
        if edit.blob
        for argument in ("--cacheinfo", f"{edit.mode},{edit.blob},{edit.path}")
    ]
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if head:
            await repository.git("read-tree", head, env=index)
        if removed:
            lines = "".join(f"0 {ZERO}\t{path}\0" for path in removed).encode()
            await repository.git("update-index", "-z", "--index-info", stdin=lines, env=index)
        if written:
            await repository.git("update-index", "--add", *written, env=index)
        tree = (await repository.git("write-tree", env=index)).decode().strip()
    return await _commit(repository, tree, [head] if head else [], message, author, committer)


async def _commit(
    repository: Repository,
    tree: str,
    parents: Sequence[str],
    message: str,
    author: Mapping[str, str] = SOMEBODY,
    committer: Mapping[str, str] = SOMEBODY,
) -> str:
    people = {
        "GIT_AUTHOR_NAME": author["name"],
        "GIT_AUTHOR_EMAIL": author["email"],
        "GIT_COMMITTER_NAME": committer["name"],
        "GIT_COMMITTER_EMAIL": committer["email"],
    }
    before = [argument for parent in parents for argument in ("-p", parent)]
    text = f"{message}\n".encode()
    return (await repository.git("commit-tree", tree, *before, stdin=text, env=people)).decode().strip()


async def merged_tree(repository: Repository, base: str, head: str) -> str | None:
    """The tree of `head` merged into `base`; None where they conflict. Needs git 2.38."""
    try:
        output = await repository.git("merge-tree", "--write-tree", "--no-messages", base, head)
    except GitError as error:
        if "usage:" in str(error):
            raise GitError("merging needs git 2.38 or newer: update git") from None
        return None
    return output.decode().split()[0]


async def merge(repository: Repository, base: str, head: str, method: Method, message: str) -> str:
    """The commit that stands for `head` merged into `base`; no branch is moved. Raises `Conflict`."""
    if method == "rebase":
        return await _rebased(repository, base, head)
    tree = await merged_tree(repository, base, head)
    if tree is None:
        raise Conflict
    return await _commit(repository, tree, [base, head] if method == "merge" else [base], message)


async def _rebased(repository: Repository, base: str, head: str) -> str:
    """`head`'s own commits on top of `base`, through a working copy that is thrown away."""
    async with AsyncExitStack() as stack:
        folder = str(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "copy")
        await repository.git("worktree", "add", "--quiet", "--detach", folder, head)
        stack.push_async_callback(repository.git, "worktree", "remove", "--force", folder)
        process = await asyncio.create_subprocess_exec(
            "git", "-C", folder, "-c", f"user.name={LOGIN}", "-c", f"user.email={SOMEBODY['email']}",
            "-c", "core.hooksPath=", "rebase", "--quiet", "--force-rebase", base,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env=environment(),
        )  # fmt: skip
        if await process.wait():
            raise Conflict
        tip = Path(folder) / ".git"
        own = tip.read_text().removeprefix("gitdir: ").strip()
        return (Path(own) / "HEAD").read_text().strip()
