"""Azure DevOps' REST: refs and pushes, read and made."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.git_host.commits import read_commits
from localazure.git_host.devops.answers import Call, Handler, bad_argument, collection, devops_error
from localazure.git_host.devops.history import statuses_of
from localazure.git_host.devops.shapes import commit_json, identity, repository_json
from localazure.git_host.edits import LOGIN, SOMEBODY, Edit, commit_edits
from localazure.git_host.pulls import RefUpdate
from localazure.git_host.repository import ZERO, Entry, GitError, Ref, is_inside


async def refs(call: Call) -> Response:
    """Refs below `filter` (heads/, tags/v1), or with `filterContains` in their names; `$top` pages them."""
    start, part = f"refs/{call.query('filter')}", call.query("filterContains")
    found = [one for one in await call.repository.refs() if one.name.startswith(start) and part in one.name]
    token = call.query("continuationToken")
    found = [one for one in found if one.name >= token]
    size = call.count("$top", len(found))
    headers = {"x-ms-continuationtoken": found[size].name} if size < len(found) else None
    return collection([_ref_json(call, one) for one in found[:size]], headers)


def _ref_json(call: Call, ref: Ref) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": ref.name,
        "objectId": ref.sha,
        "creator": identity(LOGIN),
        "url": f"{call.url}/refs?filter={ref.name.removeprefix('refs/')}",
    }
    if call.flag("peelTags") and ref.peeled:
        described["peeledObjectId"] = ref.peeled
    if call.flag("includeStatuses"):
        described["statuses"] = statuses_of(call, ref.peeled or ref.sha)
    return described


async def update_refs(call: Call) -> Response:
    """Create, move and delete refs. Each says for itself whether it worked; the answer is 200 in any case."""
    wanted = [_ref_update(body) for body in await call.json(list)]
    results = [(update, await _updated(call, update)) for update in wanted]
    done = [update for update, status in results if status == "succeeded"]
    if done:
        await call.pushed(done)
    return collection([_result(call, update, status) for update, status in results])


def _ref_update(body: Any) -> RefUpdate:
    names = ("name", "oldObjectId", "newObjectId")
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in names):
        raise bad_argument(f"A ref update needs {', '.join(names)}.\r\nParameter name: refUpdates")
    return RefUpdate(body["name"], body["oldObjectId"], body["newObjectId"])


async def _updated(call: Call, update: RefUpdate) -> str:
    """The service's word for how it went."""
    if not await _is_ref_name(call, update.ref):
        return "invalidRefName"
    if update.after != ZERO and await call.repository.resolve(update.after) is None:
        return "unresolvableToCommit"
    return (
        "succeeded"
        if await call.repository.update(update.ref, update.after, update.before)
        else "staleOldObjectId"
    )


async def _is_ref_name(call: Call, name: str) -> bool:
    if not name.startswith("refs/"):
        return False
    try:
        await call.repository.git("check-ref-format", name)
    except GitError:
        return False
    return True


def _result(call: Call, update: RefUpdate, status: str) -> dict[str, Any]:
    return {
        "repositoryId": call.repository.guid,
        "name": update.ref,
        "oldObjectId": update.before,
        "newObjectId": update.after,
        "isLocked": False,
        "updateStatus": status,
        "success": status == "succeeded",
    }


@dataclass(frozen=True)
class _Push:
    """One ref and the commits that are made for it."""

    ref: str
    before: str
    commits: list[dict[str, Any]]


async def create_push(call: Call) -> Response:
    """Commit edits and move one ref from `oldObjectId`, unless somebody else has moved it."""
    push = await _asked(call)
    head = None if push.before == ZERO else push.before
    shas: list[str] = []
    for body in push.commits:
        head = await _commit(call, await _parent(call, head, body), body)
        shas.append(head)
    moved = RefUpdate(push.ref, push.before, head or ZERO)
    if not await call.repository.update(moved.ref, moved.after, moved.before):
        raise _stale(push.ref)
    number = await call.pushed([moved])
    made = _push_json(call, _pushed(call, number))
    commits = await read_commits(call.repository, shas)
    return JSONResponse(made | {"commits": [commit_json(one, call.url) for one in commits]}, 201)


async def _asked(call: Call) -> _Push:
    body = await call.json()
    updates, commits = body.get("refUpdates"), body.get("commits")
    if not isinstance(updates, list) or len(updates) != 1 or not isinstance(updates[0], dict):
        raise bad_argument("A push updates exactly one ref.\r\nParameter name: newPush.RefUpdates")
    if not isinstance(commits, list) or not commits or not all(isinstance(one, dict) for one in commits):
        raise bad_argument("A push has at least one commit.\r\nParameter name: newPush.Commits")
    ref, before = updates[0].get("name"), updates[0].get("oldObjectId")
    if not isinstance(ref, str) or not await _is_ref_name(call, ref):
        raise bad_argument(f"{ref!r} is not a valid ref name.\r\nParameter name: newPush.RefUpdates")
    known = {one.name: one.sha for one in await call.repository.refs()}
    if not isinstance(before, str) or before != known.get(ref, ZERO):
        raise _stale(ref)
    return _Push(ref, before, commits)


def _stale(ref: str) -> Exception:
    return devops_error(
        409,
        "GitReferenceStaleException",
        f"TF401028: The reference '{ref}' has already been updated by another client, so you cannot update it. "
        "Please try again.",
    )


async def _parent(call: Call, head: str | None, body: Mapping[str, Any]) -> str | None:
    """What a commit stands on: the one before it, or for a new branch the one that its `parents` name."""
    named = body.get("parents")
    if head or not named:
        return head
    sha = named[0] if isinstance(named[0], str) else named[0].get("commitId", "")
    if await call.repository.type_of(sha) != "commit":
        raise devops_error(
            404, "GitCommitDoesNotExistException", f"TF401175: The commit '{sha}' does not exist."
        )
    return sha


async def _commit(call: Call, head: str | None, body: Mapping[str, Any]) -> str:
    changes = body.get("changes")
    if not isinstance(changes, list) or not changes:
        raise bad_argument("A commit has at least one change.\r\nParameter name: newPush.Commits")
    edits = [edit for change in changes for edit in await _edits(call, head, change)]
    author = _person(body.get("author"), SOMEBODY)
    committer = _person(body.get("committer"), author)
    comment = body.get("comment") or f"Updated {edits[-1].path}"
    try:
        return await commit_edits(call.repository, head, edits, comment, author, committer)
    except GitError as error:
        raise bad_argument(f"{error}\r\nParameter name: newPush") from None


def _person(given: Any, default: Mapping[str, str]) -> dict[str, str]:
    return {name: str((given or {}).get(name) or default[name]) for name in ("name", "email")}


async def _edits(call: Call, head: str | None, change: Any) -> list[Edit]:
    """What one change of a commit does to files; the change's rules are the service's."""
    if not isinstance(change, dict):
        raise bad_argument("A change is an object.\r\nParameter name: newPush")
    kind, path = _change_type(change), _path((change.get("item") or {}).get("path"))
    existing = await call.repository.entry(head, path) if head else None
    if kind in ("add", "rename") and existing:
        raise _misplaced(path, kind, "already exists. Please specify a new path.")
    if kind in ("edit", "delete") and (existing is None or existing.type == "tree"):
        raise _misplaced(path, kind, "does not exist. Please specify an existing path.")
    if kind == "delete":
        return [Edit(path, None)]
    if kind == "rename":
        return await _renamed(call, head, path, change)
    mode = existing.mode if existing else "100644"
    return [Edit(path, await call.repository.write_blob(_content(change)), mode)]


async def _renamed(call: Call, head: str | None, path: str, change: Mapping[str, Any]) -> list[Edit]:
    source = _path(change.get("sourceServerItem"))
    moved: Entry | None = await call.repository.entry(head, source) if head else None
    if moved is None or moved.type == "tree":
        raise _misplaced(source, "rename", "does not exist. Please specify an existing path.")
    blob = await call.repository.write_blob(_content(change)) if change.get("newContent") else moved.sha
    return [Edit(source, None), Edit(path, blob, moved.mode)]


def _misplaced(path: str, kind: str, what: str) -> Exception:
    return bad_argument(
        f"The path '/{path}' specified in the {kind} operation {what}\r\nParameter name: newPush"
    )


_NUMBERED = {1: "add", 2: "edit", 8: "rename", 16: "delete"}


def _change_type(change: Mapping[str, Any]) -> str:
    """By its name, or by the number that .NET clients send."""
    given = change.get("changeType")
    kind = _NUMBERED.get(given, "") if isinstance(given, int) else str(given).lower()
    if kind not in _NUMBERED.values():
        raise bad_argument(f"The changeType {given!r} is none of add, edit, rename and delete.")
    return kind


def _path(given: Any) -> str:
    path = given.strip("/") if isinstance(given, str) else ""
    if not is_inside(path):
        raise bad_argument(f"The path {given!r} is no path of a repository.\r\nParameter name: newPush")
    return path


def _content(change: Mapping[str, Any]) -> bytes:
    given = change.get("newContent")
    if not isinstance(given, dict) or not isinstance(given.get("content"), str):
        raise bad_argument(
            "A change needs newContent with content and contentType.\r\nParameter name: newPush"
        )
    if str(given.get("contentType", "rawtext")).lower() in ("rawtext", "0"):
        return given["content"].encode()
    try:
        return base64.b64decode(given["content"], validate=True)
    except binascii.Error:
        raise bad_argument("The content is not valid Base64.\r\nParameter name: newPush") from None


async def list_pushes(call: Call) -> Response:
    """Newest first; `searchCriteria.refName` keeps those of a ref."""
    found = [body for _, body in reversed(call.documents.list("push", f"{call.repository.name}/"))]
    ref = call.query("searchCriteria.refName")
    found = [one for one in found if not ref or any(update[0] == ref for update in one["updates"])]
    return collection([_push_json(call, one) for one in call.spread(found, 100)])


async def get_push(call: Call) -> Response:
    return JSONResponse(_push_json(call, _pushed(call, call.number("push"))))


def _pushed(call: Call, number: int) -> dict[str, Any]:
    found = call.documents.get("push", f"{call.repository.name}/{number:010d}")
    if found is None:
        raise devops_error(
            404, "GitPushDoesNotExistException", f"TF401025: The push '{number}' does not exist."
        )
    return found


def _push_json(call: Call, pushed: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "pushId": pushed["id"],
        "date": pushed["date"],
        "pushedBy": identity(LOGIN),
        "refUpdates": [
            {"repositoryId": call.repository.guid, "name": ref, "oldObjectId": before, "newObjectId": after}
            for ref, before, after in pushed["updates"]
        ],
        "repository": repository_json(call.repository, call.base_url, call.organization),
        "url": f"{call.url}/pushes/{pushed['id']}",
    }


PUSHES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/refs", refs),
    ("POST", "/refs", update_refs),
    ("GET", "/pushes", list_pushes),
    ("POST", "/pushes", create_push),
    ("GET", "/pushes/{push:int}", get_push),
)
