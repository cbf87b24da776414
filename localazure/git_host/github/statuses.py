"""GitHub's REST: what was said about a commit."""

import time
from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.documents import Documents
from localazure.git_host.edits import LOGIN
from localazure.git_host.github.answers import (
    Call,
    Handler,
    github_error,
    invalid,
    json_object,
    paginated,
    text,
)
from localazure.git_host.pulls import now, unique_id

_STATES = ("error", "failure", "pending", "success")
_DESCRIPTION_LIMIT = 140
_LIMIT = 1000  # of one commit and context


async def create_status(call: Call) -> Response:
    body = await json_object(call)
    state = text(body, "Status", "state")
    if state not in _STATES:
        raise invalid("Status", "state", f"must be one of {', '.join(_STATES)}")
    description = body.get("description") or ""
    if not isinstance(description, str) or len(description) > _DESCRIPTION_LIMIT:
        raise invalid("Status", "description", f"must be a text of at most {_DESCRIPTION_LIMIT} characters")
    sha, context = call.path("sha"), body.get("context") or "default"
    if await call.repository.type_of(sha) != "commit":
        raise github_error(422, f"No commit found for SHA: {sha}")
    known = [
        one for one in statuses_of(call.documents, call.repository.name, sha) if one["context"] == context
    ]
    if len(known) >= _LIMIT:
        raise github_error(422, f"Validation Failed: a commit has at most {_LIMIT} statuses of one context")
    identifier = unique_id()
    status = {
        "id": identifier,
        "url": f"{call.url}/statuses/{sha}",
        "state": state,
        "description": description,
        "target_url": body.get("target_url"),
        "context": context,
        "creator": {"login": LOGIN, "type": "User"},
        "created_at": now(),
        "updated_at": now(),
    }
    call.documents.put("status", f"{call.repository.name}/{sha}/{time.time_ns():020d}", status)
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
            "url": f"{call.url}/commits/{sha}/status",
            "commit_url": f"{call.url}/commits/{sha}",
        }
    )


def latest_by_context(newest_first: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({one["context"]: one for one in reversed(newest_first)}.values())


def combined(states: list[str]) -> str:
    """One word for the states of a commit's contexts."""
    if {"error", "failure"} & set(states):
        return "failure"
    return "success" if states and set(states) == {"success"} else "pending"


STATUSES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/statuses/{sha}", create_status),
    ("GET", "/commits/{ref:path}/status", combined_status),
    ("GET", "/commits/{ref:path}/statuses", list_statuses),
    ("GET", "/statuses/{ref:path}", list_statuses),
)
