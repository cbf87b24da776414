"""Azure DevOps' service hooks: `git.push` and `git.pullrequest.*`."""

from collections.abc import Mapping, Sequence
from typing import Any

from localazure.git_host.commits import read_commit, read_commits
from localazure.git_host.devops.shapes import (
    commit_json,
    identity,
    project_guid,
    pull_json,
    repository_json,
    repository_url,
)
from localazure.git_host.hooks import Hook
from localazure.git_host.pulls import PullChange, RefUpdate, now
from localazure.git_host.repository import ZERO, Repository

Event = Mapping[str, Any]  # message, resource: what an envelope is put around
_COMMITS_LIMIT = 25  # Azure DevOps tells of the newest ones
_DID = {"opened": "created", "synchronize": "updated", "edited": "updated", "reopened": "reactivated"}


def events_of(change: PullChange) -> tuple[str, ...]:
    """What a change is called here. A merge is tried whenever a side has moved, and announced: `merged` says that,
    not that the pull request is completed; its `status` does."""
    attempted = "git.pullrequest.merged"
    if change.action == "opened":
        return ("git.pullrequest.created", attempted)
    if change.action in ("synchronize", "reopened") or change.pull.merged:
        return ("git.pullrequest.updated", attempted)
    return ("git.pullrequest.updated",)


async def push_event(
    repository: Repository, updates: Sequence[RefUpdate], number: int, base_url: str, organization: str
) -> Event:
    """One push, whatever number of refs it moved."""
    url = repository_url(repository, base_url, organization)
    shas = [sha for update in updates for sha in await _brought(repository, update)][:_COMMITS_LIMIT]
    tip = next((u.after for u in updates if u.after != ZERO), updates[0].before)
    pusher = (await read_commit(repository, await repository.resolve(tip) or tip)).committer
    branches = ", ".join(update.ref.removeprefix("refs/heads/") for update in updates)
    return {
        "text": f"{pusher.name} pushed updates to {repository.short_name}:{branches}.",
        "resource": {
            "commits": [commit_json(one, url) for one in await read_commits(repository, shas)],
            "refUpdates": [
                {"name": update.ref, "oldObjectId": update.before, "newObjectId": update.after}
                for update in updates
            ],
            "repository": repository_json(repository, base_url, organization),
            "pushedBy": identity(pusher.name, pusher.email),
            "pushId": number,
            "date": now(),
            "url": f"{url}/pushes/{number}",
        },
    }


async def _brought(repository: Repository, update: RefUpdate) -> list[str]:
    if update.after == ZERO:
        return []
    known = [f"^{update.before}"] if update.before != ZERO else []
    return await repository.commits(f"--max-count={_COMMITS_LIMIT}", update.after, *known)


async def pull_event(repository: Repository, change: PullChange, base_url: str, organization: str) -> Event:
    pull = change.pull
    closed = "completed" if pull.merged else "abandoned"
    return {
        "text": f"{pull.user} {_DID.get(change.action, closed)} pull request {pull.number} ({pull.title})",
        "resource": await pull_json(repository, pull, base_url, organization),
    }


def envelope(
    hook: Hook, guid: str, event: str, number: int, body: Event, organization: str
) -> dict[str, Any]:
    text = {"text": body["text"], "html": body["text"], "markdown": body["text"]}
    project = hook.repository.partition("/")[0]
    return {
        "subscriptionId": subscription_guid(hook),
        "notificationId": number,
        "id": guid,
        "eventType": event,
        "publisherId": "tfs",
        "message": text,
        "detailedMessage": text,
        "resource": body["resource"],
        "resourceVersion": "1.0",
        "resourceContainers": {
            "collection": {"id": project_guid(organization)},
            "account": {"id": project_guid(organization)},
            "project": {"id": project_guid(project)},
        },
        "createdDate": now(),
    }


def subscription_guid(hook: Hook) -> str:
    return project_guid(f"subscription/{hook.id}")
