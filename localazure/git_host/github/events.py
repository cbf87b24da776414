"""GitHub's `push`, `pull_request` and `ping` events, made from what git knows."""

from typing import Any

from localazure.git_host.commits import Commit, files_of, read_commit, read_commits
from localazure.git_host.github.pull_json import pull_json
from localazure.git_host.hooks import Hook
from localazure.git_host.pulls import PullChange, RefUpdate
from localazure.git_host.repository import ZERO, Repository

COMMITS_LIMIT = 2048


async def push_event(repository: Repository, update: RefUpdate, base_url: str) -> dict[str, Any]:
    """The webhook's body for one ref that moved."""
    before, after = update.before, update.after
    created, deleted = before == ZERO, after == ZERO
    commits = [] if deleted else await _announced(repository, update)
    head = await _peeled(repository, before if deleted else after)
    head_json = None if deleted else head.announced((await files_of(repository, [head.sha]))[head.sha])
    return {
        "ref": update.ref,
        "before": before,
        "after": after,
        "created": created,
        "deleted": deleted,
        "forced": not created and not deleted and not await repository.contains(before, after),
        "base_ref": None,
        "compare": f"{base_url}/{repository.name}/compare/{before[:12]}...{after[:12]}",
        "commits": commits,
        "head_commit": head_json,
        "repository": repository.summary(base_url),
        "pusher": {"name": head.committer.login, "email": head.committer.email},
        "sender": _sender(head.committer.login),
    }


async def pull_event(repository: Repository, change: PullChange, base_url: str) -> dict[str, Any]:
    """The webhook's body for a pull request that was opened, moved on by a push, edited or closed."""
    moved = {"before": change.before, "after": change.after} if change.action == "synchronize" else {}
    return {
        "action": change.action,
        "number": change.pull.number,
        "pull_request": await pull_json(repository, change.pull, base_url, detailed=True),
        **moved,
        "repository": repository.summary(base_url),
        "sender": _sender(change.pull.user),
    }


def ping_event(hook: Hook, repository: Repository, base_url: str) -> dict[str, Any]:
    return {
        "zen": "Practicality beats purity.",
        "hook_id": hook.id,
        "hook": hook_json(hook, repository, base_url),
        "repository": repository.summary(base_url),
        "sender": _sender(repository.owner),
    }


def hook_json(hook: Hook, repository: Repository, base_url: str) -> dict[str, Any]:
    """As in REST answers; the secret is never told."""
    url = f"{base_url}/api/v3/repos/{repository.name}/hooks/{hook.id}"
    secret = {"secret": "********"} if hook.configured or hook.secret else {}
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": list(hook.events),
        "config": {"content_type": "json", "insecure_ssl": "0", "url": hook.target} | secret,
        "created_at": hook.created_at,
        "updated_at": hook.updated_at,
        "url": url,
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
    }


async def _announced(repository: Repository, update: RefUpdate) -> list[dict[str, Any]]:
    """The commits that the push brought: the newest 2048, oldest first."""
    known = [f"^{update.before}"] if update.before != ZERO else await _other_heads(repository, update.ref)
    shas = (await repository.commits(f"--max-count={COMMITS_LIMIT}", update.after, *known))[::-1]
    files = await files_of(repository, shas)
    return [commit.announced(files[commit.sha]) for commit in await read_commits(repository, shas)]


async def _other_heads(repository: Repository, ref: str) -> list[str]:
    branches = await repository.branches()
    return [f"^{sha}" for name, sha in branches.items() if f"refs/heads/{name}" != ref]


async def _peeled(repository: Repository, sha: str) -> Commit:
    return await read_commit(repository, await repository.resolve(sha) or sha)


def _sender(login: str) -> dict[str, Any]:
    return {"login": login, "id": int.from_bytes(login.encode()[-4:], "big"), "type": "User"}
