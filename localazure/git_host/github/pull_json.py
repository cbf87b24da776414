"""A pull request as GitHub writes it, in REST answers and webhooks."""

from typing import Any

from localazure.git_host.commits import changes_between
from localazure.git_host.pulls import PullRequest, is_mergeable
from localazure.git_host.repository import Repository


async def pull_json(
    repository: Repository, pull: PullRequest, base_url: str, *, detailed: bool = False
) -> dict[str, Any]:
    """`detailed` adds what lists leave out: whether it can be merged, and its size."""
    api = f"{base_url}/api/v3/repos/{repository.name}"
    url = f"{api}/pulls/{pull.number}"
    summary = {
        "id": pull.id,
        "number": pull.number,
        "url": url,
        "html_url": f"{base_url}/git#{repository.name}",
        "issue_url": f"{api}/issues/{pull.number}",
        "comments_url": f"{api}/issues/{pull.number}/comments",
        "review_comments_url": f"{url}/comments",
        "commits_url": f"{url}/commits",
        "statuses_url": f"{api}/statuses/{pull.head_sha}",
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "body": pull.body,
        "user": {"login": pull.user, "type": "User"},
        "labels": [],
        "draft": pull.draft,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "closed_at": pull.closed_at,
        "merged_at": pull.merged_at,
        "merge_commit_sha": pull.merge_sha,
        "head": _side(repository, pull.head, pull.head_sha, base_url),
        "base": _side(repository, pull.base, pull.base_sha, base_url),
    }
    return summary | (await _details(repository, pull) if detailed else {})


def _side(repository: Repository, branch: str, sha: str, base_url: str) -> dict[str, Any]:
    return {
        "label": f"{repository.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": {"login": repository.owner, "type": "Organization"},
        "repo": repository.summary(base_url),
    }


async def _details(repository: Repository, pull: PullRequest) -> dict[str, Any]:
    start = await repository.merge_base(pull.base_sha, pull.head_sha)
    changes = await changes_between(repository, start or pull.base_sha, pull.head_sha)
    mergeable = await is_mergeable(repository, pull) if pull.state == "open" else None
    words = {True: "clean", False: "dirty", None: "unknown"}
    return {
        "merged": pull.merged,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": words[mergeable],
        "merged_by": {"login": pull.user, "type": "User"} if pull.merged else None,
        "commits": len(await repository.commits(f"{start or pull.base_sha}..{pull.head_sha}")),
        "additions": sum(change.lines[0] for change in changes if change.lines),
        "deletions": sum(change.lines[1] for change in changes if change.lines),
        "changed_files": len(changes),
    }
