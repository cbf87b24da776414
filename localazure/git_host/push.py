"""GitHub's `push` event, made from what git knows of the push."""

from typing import Any

from localazure.git_host.commits import Commit, files_of, read_commit, read_commits
from localazure.git_host.repository import ZERO, GitError, Repository

COMMITS_LIMIT = 2048


async def push_event(
    repository: Repository, before: str, after: str, ref: str, base_url: str
) -> dict[str, Any]:
    """The webhook's body for `ref` moved from `before` to `after` (`ZERO`: created, deleted)."""
    created, deleted = before == ZERO, after == ZERO
    commits = [] if deleted else await _announced(repository, before, after, ref)
    head = await _peeled(repository, before if deleted else after)
    head_json = None if deleted else head.announced((await files_of(repository, [head.sha]))[head.sha])
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "created": created,
        "deleted": deleted,
        "forced": not created and not deleted and not await _contains(repository, before, after),
        "base_ref": None,
        "compare": f"{base_url}/{repository.name}/compare/{before[:12]}...{after[:12]}",
        "commits": commits,
        "head_commit": head_json,
        "repository": repository.summary(base_url),
        "pusher": {"name": head.committer.login, "email": head.committer.email},
        "sender": {"login": head.committer.login, "id": _number(head.committer.login), "type": "User"},
    }


async def _announced(repository: Repository, before: str, after: str, ref: str) -> list[dict[str, Any]]:
    """The commits that the push brought: the newest 2048, oldest first."""
    known = [f"^{before}"] if before != ZERO else await _other_heads(repository, ref)
    output = await repository.git("rev-list", f"--max-count={COMMITS_LIMIT}", after, *known)
    shas = output.decode().split()[::-1]
    files = await files_of(repository, shas)
    return [commit.announced(files[commit.sha]) for commit in await read_commits(repository, shas)]


async def _other_heads(repository: Repository, ref: str) -> list[str]:
    branches = await repository.branches()
    return [f"^{sha}" for name, sha in branches.items() if f"refs/heads/{name}" != ref]


async def _contains(repository: Repository, before: str, after: str) -> bool:
    try:
        await repository.git("merge-base", "--is-ancestor", before, after)
    except GitError:
        return False
    return True


async def _peeled(repository: Repository, sha: str) -> Commit:
    return await read_commit(repository, await repository.resolve(sha) or sha)


def _number(login: str) -> int:
    return int.from_bytes(login.encode()[-4:], "big")
