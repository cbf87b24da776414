"""What Azure DevOps writes alike in REST answers and service hooks: repositories, people, commits, pull requests."""

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from localazure.git_host.commits import Commit, Person
from localazure.git_host.edits import LOGIN
from localazure.git_host.pulls import PullRequest, is_mergeable
from localazure.git_host.repository import Repository


def repository_url(repository: Repository, base_url: str, organization: str) -> str:
    project = quote(repository.owner)
    return f"{base_url}/{organization}/{project}/_apis/git/repositories/{repository.guid}"


def repository_json(repository: Repository, base_url: str, organization: str) -> dict[str, Any]:
    web = f"{base_url}/{organization}/{quote(repository.owner)}/_git/{quote(repository.short_name)}"
    return {
        "id": repository.guid,
        "name": repository.short_name,
        "url": repository_url(repository, base_url, organization),
        "project": project_json(repository.owner, base_url, organization),
        "defaultBranch": f"refs/heads/{repository.default_branch}",
        "remoteUrl": web,
        "webUrl": web,
        "isDisabled": False,
    }


def project_json(name: str, base_url: str, organization: str) -> dict[str, Any]:
    identifier = project_guid(name)
    url = f"{base_url}/{organization}/_apis/projects/{identifier}"
    return {"id": identifier, "name": name, "url": url, "state": "wellFormed", "visibility": "private"}


def project_guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"project/{name}"))


def identity(name: str, address: str = "") -> dict[str, str]:
    """A person or a program, as `createdBy` and `pushedBy` have it."""
    unique = address or f"{name}@localhost"
    return {
        "displayName": name,
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"identity/{unique}")),
        "uniqueName": unique,
    }


def dated(person: Person) -> dict[str, str]:
    return person.json() | {"date": utc(person.date)}


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def commit_json(commit: Commit, repository_url: str) -> dict[str, Any]:
    return {
        "commitId": commit.sha,
        "treeId": commit.tree,
        "parents": list(commit.parents),
        "author": dated(commit.author),
        "committer": dated(commit.committer),
        "comment": commit.message,
        "url": f"{repository_url}/commits/{commit.sha}",
    }


async def pull_json(
    repository: Repository, pull: PullRequest, base_url: str, organization: str
) -> dict[str, Any]:
    url = repository_url(repository, base_url, organization)
    target = pull.base_sha if pull.state == "closed" else await repository.branch(pull.base) or pull.base_sha
    described: dict[str, Any] = {
        "repository": repository_json(repository, base_url, organization),
        "pullRequestId": pull.number,
        "codeReviewId": pull.number,
        "status": status_of(pull),
        "createdBy": identity(pull.user),
        "creationDate": pull.created_at,
        "title": pull.title,
        "description": pull.body or "",
        "sourceRefName": f"refs/heads/{pull.head}",
        "targetRefName": f"refs/heads/{pull.base}",
        "mergeStatus": await _merge_status(repository, pull),
        "isDraft": pull.draft,
        "mergeId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{pull.id}/{pull.head_sha}/{target}")),
        "lastMergeSourceCommit": _commit_ref(pull.head_sha, url),
        "lastMergeTargetCommit": _commit_ref(target, url),
        "reviewers": [],
        "labels": [],
        "url": f"{url}/pullRequests/{pull.number}",
        "supportsIterations": True,
    }
    if pull.merge_sha:
        described["lastMergeCommit"] = _commit_ref(pull.merge_sha, url)
    if pull.closed_at:
        described |= {"closedDate": pull.closed_at, "closedBy": identity(LOGIN)}
    return described


def status_of(pull: PullRequest) -> str:
    if pull.state == "open":
        return "active"
    return "completed" if pull.merged else "abandoned"


async def _merge_status(repository: Repository, pull: PullRequest) -> str:
    if pull.state == "closed":
        return "succeeded" if pull.merged else "notSet"
    return "succeeded" if await is_mergeable(repository, pull) else "conflicts"


def _commit_ref(sha: str, repository_url: str) -> dict[str, str]:
    return {"commitId": sha, "url": f"{repository_url}/commits/{sha}"}
