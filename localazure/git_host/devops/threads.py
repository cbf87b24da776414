"""Azure DevOps' REST: what people and bots say to a pull request, in threads."""

from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.git_host.devops.answers import Call, Handler, bad_argument, collection, devops_error
from localazure.git_host.devops.pulls import existing_pull
from localazure.git_host.devops.shapes import identity
from localazure.git_host.edits import LOGIN
from localazure.git_host.pulls import next_number, now

_STATUSES = ("unknown", "active", "fixed", "wontFix", "closed", "byDesign", "pending")  # by their numbers
_TYPES = ("unknown", "text", "codeChange", "system")
_LENGTH = 150_000


async def create_thread(call: Call) -> Response:
    pull, body = existing_pull(call), await call.json()
    said = body.get("comments")
    if not isinstance(said, list) or not said:
        raise bad_argument("A thread begins with a comment.\r\nParameter name: commentThread.Comments")
    number = next_number(call.documents, "thread", call.repository.name)
    thread = {
        "id": number,
        "publishedDate": now(),
        "lastUpdatedDate": now(),
        "status": _word(body.get("status", "active"), _STATUSES, "status"),
        "threadContext": body.get("threadContext"),
        "properties": body.get("properties") or {},
        "isDeleted": False,
        "comments": [_comment(one, position) for position, one in enumerate(said, 1)],
    }
    return JSONResponse(_put(call, pull.number, thread))


def _word(given: Any, words: tuple[str, ...], field: str) -> str:
    """An enumeration's member by name or number: clients send either."""
    if isinstance(given, int) and 0 <= given < len(words):
        return words[given]
    found = next((word for word in words if word.lower() == str(given).lower()), None)
    if found is None:
        raise bad_argument(f"{field} {given!r} is none of {', '.join(words)}.")
    return found


def _comment(body: Any, number: int) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise bad_argument("A comment is an object.\r\nParameter name: comment")
    return {
        "id": number,
        "parentCommentId": body.get("parentCommentId") or 0,
        "author": identity(LOGIN),
        "content": _content(body),
        "commentType": _word(body.get("commentType", "text"), _TYPES, "commentType"),
        "publishedDate": now(),
        "lastUpdatedDate": now(),
        "lastContentUpdatedDate": now(),
        "isDeleted": False,
        "usersLiked": [],
    }


def _content(body: Any) -> str:
    content = body.get("content")
    if not isinstance(content, str) or not content or len(content) > _LENGTH:
        raise bad_argument(
            f"A comment's content is a text of 1 to {_LENGTH} characters.\r\nParameter name: comment"
        )
    return content


def _put(call: Call, pull: int, thread: dict[str, Any]) -> dict[str, Any]:
    call.documents.put("thread", f"{call.repository.name}/{pull}/{thread['id']:010d}", thread)
    return thread


def _thread(call: Call) -> dict[str, Any]:
    pull, number = existing_pull(call), call.number("thread")
    found = call.documents.get("thread", f"{call.repository.name}/{pull.number}/{number:010d}")
    if found is None:
        raise devops_error(
            404,
            "CommentThreadNotFoundException",
            f"The thread {number} of pull request {pull.number} does not exist.",
        )
    return found


async def list_threads(call: Call) -> Response:
    pull = existing_pull(call)
    return collection(
        [body for _, body in call.documents.list("thread", f"{call.repository.name}/{pull.number}/")]
    )


async def get_thread(call: Call) -> Response:
    return JSONResponse(_thread(call))


async def update_thread(call: Call) -> Response:
    thread, body = _thread(call), await call.json()
    if "status" in body:
        thread["status"] = _word(body["status"], _STATUSES, "status")
    if "properties" in body:
        thread["properties"] |= body["properties"] or {}
    thread["lastUpdatedDate"] = now()
    return JSONResponse(_put(call, call.number("number"), thread))


async def list_comments(call: Call) -> Response:
    return collection(_thread(call)["comments"])


async def create_comment(call: Call) -> Response:
    thread = _thread(call)
    comment = _comment(await call.json(), len(thread["comments"]) + 1)
    thread["comments"].append(comment)
    _put(call, call.number("number"), thread)
    return JSONResponse(comment)


def _known_comment(call: Call, thread: dict[str, Any]) -> dict[str, Any]:
    number = call.number("comment")
    found = next((one for one in thread["comments"] if one["id"] == number), None)
    if found is None:
        raise devops_error(404, "CommentNotFoundException", f"The comment {number} does not exist.")
    return found


async def get_comment(call: Call) -> Response:
    return JSONResponse(_known_comment(call, _thread(call)))


async def update_comment(call: Call) -> Response:
    thread = _thread(call)
    comment = _known_comment(call, thread)
    comment |= {
        "content": _content(await call.json()),
        "lastUpdatedDate": now(),
        "lastContentUpdatedDate": now(),
    }
    _put(call, call.number("number"), thread)
    return JSONResponse(comment)


async def delete_comment(call: Call) -> Response:
    """The comment's place in the thread stays."""
    thread = _thread(call)
    comment = _known_comment(call, thread)
    comment |= {"isDeleted": True, "lastUpdatedDate": now()}
    comment.pop("content", None)
    _put(call, call.number("number"), thread)
    return Response(status_code=200)


_ALL = "/pullrequests/{number:int}/threads"
_THREAD = f"{_ALL}/{{thread:int}}"
_COMMENT = f"{_THREAD}/comments/{{comment:int}}"
THREADS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", _ALL, list_threads),
    ("POST", _ALL, create_thread),
    ("GET", _THREAD, get_thread),
    ("PATCH", _THREAD, update_thread),
    ("GET", f"{_THREAD}/comments", list_comments),
    ("POST", f"{_THREAD}/comments", create_comment),
    ("GET", _COMMENT, get_comment),
    ("PATCH", _COMMENT, update_comment),
    ("DELETE", _COMMENT, delete_comment),
)
