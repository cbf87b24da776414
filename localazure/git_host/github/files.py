"""GitHub's REST: files committed and deleted through the API."""

import base64
import binascii
from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.git_host.commits import read_commit
from localazure.git_host.edits import SOMEBODY, Edit, commit_edits
from localazure.git_host.github.answers import (
    Call,
    Handler,
    github_error,
    invalid,
    json_object,
    not_found,
    text,
)
from localazure.git_host.repository import ZERO, Entry, GitError, is_inside

_STALE = "was changed by someone else meanwhile; read it again and repeat."


async def put_file(call: Call) -> Response:
    """Commit one file to a branch; `sha` must be the blob that it replaces."""
    body = await json_object(call)
    message, path, content = text(body, "Commit", "message"), _path(call.path("path")), _decoded(body)
    branch, head = await _branch(call, body)
    existing = await call.repository.entry(head, path) if head else None
    _check_replaced(path, existing, body.get("sha"))
    blob = await call.repository.write_blob(content)
    edit = Edit(path, blob, existing.mode if existing else "100644")
    commit = await _committed(call, branch, head, edit, message, body)
    url = f"{call.url}/contents/{path}"
    named = {"name": path.rpartition("/")[2], "path": path, "type": "file", "url": url}
    written = named | {"sha": blob, "size": len(content)}
    return JSONResponse({"content": written, "commit": commit}, 200 if existing else 201)


async def delete_file(call: Call) -> Response:
    """Commit a file's removal; `sha` must be the blob that goes. Clients send the details as a body or a query."""
    body = dict(call.request.query_params) or await json_object(call)
    message, path = text(body, "Commit", "message"), _path(call.path("path"))
    branch, head = await _branch(call, body)
    existing = await call.repository.entry(head, path) if head else None
    if existing is None or existing.type == "tree":
        raise not_found()
    _check_replaced(path, existing, body.get("sha"))
    commit = await _committed(call, branch, head, Edit(path, None), message, body)
    return JSONResponse({"content": None, "commit": commit})


async def _committed(
    call: Call, branch: str, head: str | None, edit: Edit, message: str, body: dict[str, Any]
) -> dict[str, Any]:
    """Commit and move the branch, unless somebody else was faster."""
    committer = _person(body, "committer", SOMEBODY)
    author = _person(body, "author", committer)
    try:
        commit = await commit_edits(call.repository, head, [edit], message, author, committer)
    except GitError as error:
        raise invalid("Commit", "path", str(error)) from None
    ref = f"refs/heads/{branch}"
    if not await call.repository.update(ref, commit, head or ZERO):
        raise github_error(409, f"{branch} {_STALE}")
    await call.moved(ref, head or ZERO, commit)
    return (await read_commit(call.repository, commit)).json(call.url) | {"message": message}


def _path(path: str) -> str:
    if not is_inside(path):
        raise invalid("Commit", "path", f"{path!r} is not a path inside the repository")
    return path


def _decoded(body: dict[str, Any]) -> bytes:
    content = body.get("content")
    if not isinstance(content, str):
        raise invalid("Commit", "content", "a Base64 text is required", "missing_field")
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except binascii.Error:
        raise github_error(422, "content is not valid Base64") from None


async def _branch(call: Call, body: dict[str, Any]) -> tuple[str, str | None]:
    """The branch and its head; None for the first commit of an empty repository."""
    branch = body.get("branch") or call.repository.default_branch
    branches = await call.repository.branches()
    if branch in branches:
        return branch, branches[branch]
    if not branches and branch == call.repository.default_branch:
        return branch, None
    raise github_error(404, f"Branch {branch} not found")


def _check_replaced(path: str, existing: Entry | None, given: Any) -> None:
    if existing and existing.type == "tree":
        raise invalid("Commit", "path", f"{path} is a folder")
    if existing and not given:
        raise github_error(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if given and (existing is None or given != existing.sha):
        raise github_error(409, f"{path} does not match {given}")


def _person(body: dict[str, Any], field: str, default: dict[str, str]) -> dict[str, str]:
    person = body.get(field)
    if person is None:
        return default
    if not isinstance(person, dict) or not all(isinstance(person.get(k), str) for k in ("name", "email")):
        raise invalid("Commit", field, "name and email are required")
    return person


FILES: tuple[tuple[str, str, Handler], ...] = (
    ("PUT", "/contents/{path:path}", put_file),
    ("DELETE", "/contents/{path:path}", delete_file),
)
