"""GitHub's REST: comments on pull requests, of the conversation and of lines. Issues there are none."""

import time
from typing import Any, Literal

from starlette.responses import JSONResponse, Response

from localazure.git_host.edits import LOGIN
from localazure.git_host.github.answers import (
    Call,
    Handler,
    github_error,
    invalid,
    json_object,
    not_found,
    paginated,
    text,
)
from localazure.git_host.github.pulls import existing_pull
from localazure.git_host.pulls import now, unique_id

_LENGTH = 65536
Kind = Literal["comment", "review_comment"]


def _text(body: dict[str, Any], resource: str) -> str:
    given = text(body, resource, "body")
    if len(given) > _LENGTH:
        raise invalid(resource, "body", f"is too long (maximum is {_LENGTH} characters)")
    return given


def _stored(call: Call, kind: Kind, where: str, **more: Any) -> dict[str, Any]:
    """A new comment on the call's pull request, on disk."""
    number, identifier = call.number(), unique_id()
    url = f"{call.url}/{where}/comments/{identifier}"
    comment = {"id": identifier, "url": url, "user": {"login": LOGIN, "type": "User"}, **more}
    comment |= {"created_at": now(), "updated_at": now()}
    call.documents.put(kind, f"{call.repository.name}/{number}/{time.time_ns():020d}", comment)
    return comment


async def create_comment(call: Call) -> Response:
    pull, body = existing_pull(call), await json_object(call)
    issue = f"{call.url}/issues/{pull.number}"
    comment = _stored(call, "comment", "issues", body=_text(body, "IssueComment"), issue_url=issue)
    return JSONResponse(comment, 201)


async def create_review_comment(call: Call) -> Response:
    """On a line (`line`) of a file that the pull request has, or on the whole file (`subject_type`)."""
    pull, body = existing_pull(call), await json_object(call)
    resource = "PullRequestReviewComment"
    words, path = _text(body, resource), text(body, resource, "path")
    commit = text(body, resource, "commit_id")
    line, whole = body.get("line"), body.get("subject_type") == "file"
    if not whole and (not isinstance(line, int) or line < 1):
        raise invalid(resource, "line", "a line number is required", "missing_field")
    if await call.repository.type_of(commit) != "commit" or not await call.repository.contains(
        commit, pull.head_sha
    ):
        raise github_error(422, f"Validation Failed: commit_id {commit} is not part of the pull request")
    if await call.repository.entry(commit, path) is None:
        raise invalid(resource, "path", f"{path} is no file of commit {commit}")
    comment = _stored(
        call, "review_comment", "pulls", body=words, path=path, commit_id=commit, original_commit_id=commit,
        line=line, side=body.get("side", "RIGHT"), subject_type="file" if whole else "line",
        pull_request_url=f"{call.url}/pulls/{pull.number}",
    )  # fmt: skip
    return JSONResponse(comment, 201)


def _list(kind: Kind) -> Handler:
    async def listed(call: Call) -> Response:
        pull = existing_pull(call)
        comments = call.documents.list(kind, f"{call.repository.name}/{pull.number}/")
        return paginated(call, [body for _, body in comments])

    return listed


def _one(kind: Kind, call: Call) -> tuple[str, dict[str, Any]]:
    """(key, comment) by the id of the URL."""
    identifier = call.number("id")
    found = call.documents.list(kind, f"{call.repository.name}/")
    known = next(((key, body) for key, body in found if body["id"] == identifier), None)
    if known is None:
        raise not_found()
    return known


def _get(kind: Kind) -> Handler:
    async def get(call: Call) -> Response:
        return JSONResponse(_one(kind, call)[1])

    return get


def _update(kind: Kind) -> Handler:
    async def update(call: Call) -> Response:
        key, comment = _one(kind, call)
        comment |= {"body": _text(await json_object(call), "IssueComment"), "updated_at": now()}
        call.documents.put(kind, key, comment)
        return JSONResponse(comment)

    return update


def _delete(kind: Kind) -> Handler:
    async def delete(call: Call) -> Response:
        call.documents.delete(kind, _one(kind, call)[0])
        return Response(status_code=204)

    return delete


def _of(kind: Kind, where: str) -> tuple[tuple[str, str, Handler], ...]:
    one = f"/{where}/comments/{{id:int}}"
    return (
        ("GET", f"/{where}/{{number:int}}/comments", _list(kind)),
        ("GET", one, _get(kind)),
        ("PATCH", one, _update(kind)),
        ("DELETE", one, _delete(kind)),
    )


COMMENTS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/issues/{number:int}/comments", create_comment),
    ("POST", "/pulls/{number:int}/comments", create_review_comment),
    *_of("comment", "issues"),
    *_of("review_comment", "pulls"),
)
