"""Where Azure DevOps' resources are: its SDKs ask that first, by ids that the service publishes."""

from typing import Any

_REPOSITORY = "{project}/_apis/git/repositories/{repositoryId}"
_PULL = f"{_REPOSITORY}/pullRequests/{{pullRequestId}}"
_LOCATIONS = {
    "225f7195-f9c7-4d14-ab28-a83f7ff77e1f": ("git", "repositories", _REPOSITORY),
    "fb93c0db-47ed-4a31-8c20-47552878fb44": ("git", "items", f"{_REPOSITORY}/items"),
    "7b28e929-2c99-405d-9c5c-6167a06e6816": ("git", "blobs", f"{_REPOSITORY}/blobs/{{sha1}}"),
    "615588d5-c0c7-4b88-88f8-e625306446e8": ("git", "commitDiffs", f"{_REPOSITORY}/diffs/commits"),
    "c2570c3b-5b3f-41b8-98bf-5407bfde8d58": ("git", "commits", f"{_REPOSITORY}/commits/{{commitId}}"),
    "5bf884f5-3e07-42e9-afb8-1b872267bf16": ("git", "changes", f"{_REPOSITORY}/commits/{{commitId}}/changes"),
    "428dd4fb-fda5-4722-af02-9313b80305da": (
        "git",
        "statuses",
        f"{_REPOSITORY}/commits/{{commitId}}/statuses",
    ),
    "2d874a60-a811-4f62-9c9f-963a6ea0a55b": ("git", "refs", f"{_REPOSITORY}/refs"),
    "ea98d07b-3c87-4971-8ede-a613694ffb55": ("git", "pushes", f"{_REPOSITORY}/pushes/{{pushId}}"),
    "9946fd70-0d40-406e-b686-b4744cbbcc37": ("git", "pullRequests", _PULL),
    "01a46dea-7d46-4d40-bc84-319e7c260d99": (
        "git",
        "pullRequests",
        "{project}/_apis/git/pullRequests/{pullRequestId}",
    ),
    "52823034-34a8-4576-922c-8d8b77e9e4c4": ("git", "pullRequestCommits", f"{_PULL}/commits"),
    "b5f6bb4f-8d1e-4d79-8d11-4c9172c99c35": ("git", "pullRequestStatuses", f"{_PULL}/statuses"),
    "ab6e2e5d-a0b7-4153-b64a-a4efe0d49449": ("git", "pullRequestThreads", f"{_PULL}/threads/{{threadId}}"),
    "965a3ec7-5ed8-455a-bdcb-835a5ea7fe7b": (
        "git",
        "pullRequestThreadComments",
        f"{_PULL}/threads/{{threadId}}/comments/{{commentId}}",
    ),
    "fc50d02a-849f-41fb-8af1-0a5216103269": (
        "hooks",
        "subscriptions",
        "_apis/hooks/subscriptions/{subscriptionId}",
    ),
    "e81700f7-3be2-46de-8624-2eb35882fcaa": ("Location", "resourceAreas", "_apis/resourceAreas/{areaId}"),
}


def locations() -> list[dict[str, Any]]:
    """What `OPTIONS …/_apis` answers."""
    return [
        {
            "id": identifier,
            "area": area,
            "resourceName": name,
            "routeTemplate": template,
            "resourceVersion": 2,
            "minVersion": "1.0",
            "maxVersion": "7.2",
            "releasedVersion": "7.1",
        }
        for identifier, (area, name, template) in _LOCATIONS.items()
    ]
