"""GitHub's REST: commit statuses, comments, and files committed through the API."""

import base64
import binascii
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.documents import Documents
from localazure.git_host.answers import (
    Call,
    Handler,
    github_error,
    invalid,
    json_object,
    paginated,
    text,
)
from localazure.git_host.commits import read_commit
from localazure.git_host.repository import ZERO, GitError

LOGIN = "localazure"  # whom the token stands for
_STATES = ("error", "failure", "pending", "success")
_DESCRIPTION_LIMIT = 140


async def create_status(call: Call) -> Response:
    body = await json_object(call)
    state = text(body, "Status", "state")
    if state not in _STATES:
        raise invalid("Status", "state", f"must be one of {', '.join(_STATES)}")
    description = body.get("description") or ""
    if not isinstance(description, str) or len(description) > _DESCRIPTION_LIMIT:
        raise invalid("Status", "description", f"must be a text of at most {_DESCRIPTION_LIMIT} characters")
    sha = call.path("sha")
    if await call.repository.type_of(sha) != "commit":
        raise github_error(422, f"No commit found for SHA: {sha}")
    status = _created(call) | {
        "state": state,
        "description": description,
        "target_url": body.get("target_url"),
        "context": body.get("context") or "default",
        "creator": {"login": LOGIN},
    }
    call.documents.put("status", f"{call.repository.name}/{sha}/{status['id']:020d}", status)
    return JSONResponse(status, 201)


def statuses_of(documents: Documents, repository: str, sha: str) -> list[dict[str, Any]]:
    """The statuses of a commit, newest first."""
    return [body for _, body in reversed(documents.list("status", f"{repository}/{sha}/"))]


async def list_statuses(call: Call) -> Response:
    sha = await call.commit(call.path("ref"), 422)
    return paginated(call, statuses_of(call.documents, call.repository.name, sha))


async def combined_status(call: Call) -> Response:
    sha = await call.commit(call.path("ref"), 422)
    latest = latest_by_context(statuses_of(call.documents, call.repository.name, sha))
    return JSONResponse(
        {
            "state": combined([one["state"] for one in latest]),
            "sha": sha,
            "total_count": len(latest),
            "statuses": latest,
            "repository": call.repository.summary(call.base_url),
        }
    )


def latest_by_context(newest_first: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({one["context"]: one for one in reversed(newest_first)}.values())


def combined(states: list[str]) -> str:
    """One word for the states of a commit's contexts."""
    if {"error", "failure"} & set(states):
        return "failure"
    return "success" if states and set(states) == {"success"} else "pending"


async def create_comment(call: Call) -> Response:
    body = text(await json_object(call), "IssueComment", "body")
    comment = _created(call) | {"body": body, "user": {"login": LOGIN}}
    call.documents.put(
        "comment", f"{call.repository.name}/{call.path('number')}/{comment['id']:020d}", comment
    )
    return JSONResponse(comment, 201)


async def list_comments(call: Call) -> Response:
    comments = call.documents.list("comment", f"{call.repository.name}/{call.path('number')}/")
    return paginated(call, [body for _, body in comments])


def _created(call: Call) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "id": time.time_ns(),
        "url": f"{call.base_url}{call.request.url.path}",
        "created_at": now,
        "updated_at": now,
    }


async def put_file(call: Call) -> Response:
    """Commit one file to a branch; `sha` must be the blob that it replaces."""
    body = await json_object(call)
    message = text(body, "Commit", "message")
    path = _path(call.path("path"))
    content = _decoded(body)
    branch = body.get("branch") or call.repository.default_branch
    head = await _head(call, branch)
    existing = await call.repository.object_at(head, path) if head else None
    _check_replaced(path, existing, body.get("sha"))
    blob, commit = await _commit(call, head, path, content, message, body)
    if not await call.repository.update(f"refs/heads/{branch}", commit, head or ZERO):
        raise github_error(409, f"{branch} was changed by someone else meanwhile; read it again and repeat.")
    await call.push(call.repository, head or ZERO, commit, f"refs/heads/{branch}")
    details = await read_commit(call.repository, commit)
    written = {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": blob,
        "size": len(content),
        "type": "file",
    }
    return JSONResponse(
        {"content": written, "commit": details.json(call.url) | {"message": message}},
        200 if existing else 201,
    )


def _path(path: str) -> str:
    if not path or any(part in ("", ".", "..", ".git") for part in path.split("/")):
        raise invalid("Commit", "path", f"{path!r} is not a path inside the repository")
    return path


def _decoded(body: dict[str, Any]) -> bytes:
    content = body.get("content")
    if not isinstance(content, str):
        raise invalid("Commit", "content", "a Base64 text is required", "missing_field")
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except binascii.Error:
        raise invalid("Commit", "content", "is not valid Base64") from None


async def _head(call: Call, branch: Any) -> str | None:
    """The branch's head; None for the first commit of an empty repository."""
    branches = await call.repository.branches()
    if branch in branches:
        return branches[branch]
    if not branches and branch == call.repository.default_branch:
        return None
    raise github_error(404, f"Branch {branch} not found")


def _check_replaced(path: str, existing: str | None, given: Any) -> None:
    if existing and not given:
        raise github_error(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if given and given != existing:
        raise github_error(409, f"{path} does not match {given}")


async def _commit(
    call: Call, head: str | None, path: str, content: bytes, message: str, body: dict[str, Any]
) -> tuple[str, str]:
    """Write the blob and a commit on `head`; their shas. The branch is not moved."""
    git = call.repository.git
    blob = (await git("hash-object", "-w", "--stdin", stdin=content)).decode().strip()
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if head:
            await git("read-tree", head, env=index)
        try:
            await git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
        except GitError as error:
            raise invalid("Commit", "path", str(error)) from None
        tree = (await git("write-tree", env=index)).decode().strip()
    parents = ["-p", head] if head else []
    commit = await git("commit-tree", tree, *parents, stdin=f"{message}\n".encode(), env=_people(body))
    return blob, commit.decode().strip()


def _people(body: dict[str, Any]) -> dict[str, str]:
    committer = _person(body, "committer", {"name": LOGIN, "email": f"{LOGIN}@users.noreply.github.com"})
    author = _person(body, "author", committer)
    return {
        "GIT_AUTHOR_NAME": author["name"],
        "GIT_AUTHOR_EMAIL": author["email"],
        "GIT_COMMITTER_NAME": committer["name"],
        "GIT_COMMITTER_EMAIL": committer["email"],
    }


def _person(body: dict[str, Any], field: str, default: dict[str, str]) -> dict[str, str]:
    person = body.get(field)
    if person is None:
        return default
    if not isinstance(person, dict) or not all(isinstance(person.get(k), str) for k in ("name", "email")):
        raise invalid("Commit", field, "name and email are required")
    return person


WRITING: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/statuses/{sha}", create_status),
    ("GET", "/commits/{ref:path}/status", combined_status),
    ("GET", "/commits/{ref:path}/statuses", list_statuses),
    ("GET", "/statuses/{ref:path}", list_statuses),
    ("PUT", "/contents/{path:path}", put_file),
    ("POST", "/issues/{number:int}/comments", create_comment),
    ("GET", "/issues/{number:int}/comments", list_comments),
)
