"""Azure DevOps' REST: commits, their statuses, and what differs between two versions."""

from collections import Counter
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from localazure.git_host.commits import Change, Commit, changes_between, read_commit, read_commits
from localazure.git_host.devops.answers import Call, Handler, bad_argument, collection, devops_error
from localazure.git_host.devops.shapes import commit_json, identity
from localazure.git_host.edits import LOGIN
from localazure.git_host.pulls import next_number, now
from localazure.git_host.repository import EMPTY_TREE, is_inside

_KINDS = {"added": "add", "removed": "delete", "renamed": "rename", "copied": "add"}
STATES = ("notSet", "pending", "succeeded", "failed", "error", "notApplicable", "partiallySucceeded")


async def diffs(call: Call) -> Response:
    """The changes from a base to a target version: `$top` of them from `$skip`, until `allChangesIncluded`."""
    base, target = await _side(call, "base"), await _side(call, "target")
    common = await call.repository.merge_base(base, target)
    if common is None:
        raise devops_error(
            404, "GitCommitDoesNotExistException", "The two versions have no commit in common."
        )
    start = common if call.flag("diffCommonCommit") else base
    changes = await changes_between(call.repository, start, target, folders=True)
    shown = call.spread(changes, 100)
    skipped = call.count("$skip", 0)
    ahead, behind = await call.repository.ahead_behind(base, target)
    return JSONResponse(
        {
            "allChangesIncluded": skipped + len(shown) >= len(changes),
            "changeCounts": counts(changes),
            "changes": [change_json(call, one, target) for one in shown],
            "commonCommit": common,
            "baseCommit": base,
            "targetCommit": target,
            "aheadCount": ahead,
            "behindCount": behind,
        }
    )


async def _side(call: Call, side: str) -> str:
    """The commit of `baseVersion` or `baseVersionDescriptor.version`; SDKs send one, people write the other."""
    prefix = side if call.query(f"{side}Version") else f"{side}VersionDescriptor."
    return (await call.version(prefix)).commit


def change_json(call: Call, change: Change, commit: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "objectId": change.sha,
        "gitObjectType": "tree" if change.is_folder else "commit" if change.mode == "160000" else "blob",
        "commitId": commit,
        "path": f"/{change.path}",
        "url": f"{call.url}/items?path={quote(f'/{change.path}', safe='')}&versionType=Commit&version={commit}",
    }
    if change.status not in ("added", "removed"):
        item["originalObjectId"] = change.old_sha
    if change.is_folder:
        item["isFolder"] = True
    moved = {"sourceServerItem": f"/{change.old_path}"} if change.status == "renamed" else {}
    return {"item": item, **moved, "changeType": _kind(change)}


def _kind(change: Change) -> str:
    if change.status == "renamed" and change.sha != change.old_sha:
        return "edit, rename"
    return _KINDS.get(change.status, "edit")


def counts(changes: list[Change]) -> dict[str, int]:
    return dict(Counter(_KINDS.get(one.status, "edit").capitalize() for one in changes))


async def commits(call: Call) -> Response:
    """The commits of `searchCriteria.itemVersion`, newest first; `searchCriteria.itemPath` keeps a path's."""
    criteria = "searchCriteria."
    if await call.repository.is_empty():
        return collection([])
    version = await call.version(f"{criteria}itemVersion.")
    path = call.query(f"{criteria}itemPath").strip("/")
    if path and not is_inside(path):
        raise bad_argument(f"The path {path!r} is no path of a repository.")
    dates = {"since": "fromDate", "until": "toDate", "author": "author"}
    wanted = [
        f"--{option}={given}" for option, name in dates.items() if (given := call.query(f"{criteria}{name}"))
    ]
    shas = await call.repository.commits(*wanted, version.commit, "--", *([path] if path else []))
    shown = call.spread(call.spread(shas, len(shas), criteria), 100)
    found = await read_commits(call.repository, shown)
    return collection([commit_json(one, call.url) for one in found])


async def existing_commit(call: Call) -> Commit:
    sha = call.path("sha")
    found = await call.repository.resolve(sha)
    if found is None:
        raise devops_error(
            404, "GitCommitDoesNotExistException", f"TF401175: The commit '{sha}' does not exist."
        )
    return await read_commit(call.repository, found)


async def commit(call: Call) -> Response:
    found = await existing_commit(call)
    changes = await _changes_of(call, found)
    shown = changes[: call.count("changeCount", 100)]
    listed = [change_json(call, one, found.sha) for one in shown]
    return JSONResponse(commit_json(found, call.url) | {"changeCounts": counts(changes), "changes": listed})


async def changes(call: Call) -> Response:
    found = await existing_commit(call)
    differing = await _changes_of(call, found)
    shown = call.spread(differing, 100)
    return JSONResponse(
        {"changeCounts": counts(differing), "changes": [change_json(call, one, found.sha) for one in shown]}
    )


async def _changes_of(call: Call, found: Commit) -> list[Change]:
    start = found.parents[0] if found.parents else EMPTY_TREE
    return await changes_between(call.repository, start, found.sha, folders=True)


async def create_status(call: Call) -> Response:
    found = await existing_commit(call)
    return JSONResponse(put_status(call, found.sha, await call.json()), 201)


def put_status(call: Call, about: str, body: dict[str, Any]) -> dict[str, Any]:
    """A status of a commit or a pull request, on disk; `about` is its sha, or `pull/<number>`."""
    context = body.get("context")
    if not isinstance(context, dict) or not context.get("name"):
        raise bad_argument("The status context's name is required.\r\nParameter name: status.Context.Name")
    state = body.get("state", "notSet")
    if state not in STATES:
        raise bad_argument(
            f"The state {state!r} is none of {', '.join(STATES)}.\r\nParameter name: status.State"
        )
    number = next_number(call.documents, "devops_status", f"{call.repository.name}/{about}")
    status = {
        "id": number,
        "state": state,
        "description": body.get("description"),
        "context": {"name": context["name"], "genre": context.get("genre")},
        "targetUrl": body.get("targetUrl"),
        "creationDate": now(),
        "updatedDate": now(),
        "createdBy": identity(LOGIN),
    }
    call.documents.put("devops_status", f"{call.repository.name}/{about}/{number:010d}", status)
    return status


def statuses_of(call: Call, about: str) -> list[dict[str, Any]]:
    """Oldest first; `latestOnly` keeps one of each context."""
    found = [body for _, body in call.documents.list("devops_status", f"{call.repository.name}/{about}/")]
    if call.flag("latestOnly"):
        return list({(one["context"]["genre"], one["context"]["name"]): one for one in found}.values())
    return found


async def list_statuses(call: Call) -> Response:
    found = await existing_commit(call)
    return collection(call.spread(statuses_of(call, found.sha), 1000))


HISTORY: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/diffs/commits", diffs),
    ("GET", "/commits", commits),
    ("POST", "/commits/{sha}/statuses", create_status),
    ("GET", "/commits/{sha}/statuses", list_statuses),
    ("GET", "/commits/{sha}/changes", changes),
    ("GET", "/commits/{sha}", commit),
)
