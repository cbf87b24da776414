"""Azure DevOps' REST: pull requests, their statuses and commits."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.git_host.commits import read_commits
from localazure.git_host.devops.answers import Call, Handler, bad_argument, collection, devops_error
from localazure.git_host.devops.history import put_status, statuses_of
from localazure.git_host.devops.shapes import commit_json, pull_json, status_of
from localazure.git_host.edits import Conflict, Method
from localazure.git_host.pulls import PullChange, PullRequest, RefUpdate, merge_pull
from localazure.git_host.repository import ZERO

_METHODS: Mapping[str, Method] = {
    "nofastforward": "merge",
    "squash": "squash",
    "rebase": "rebase",
    "rebasemerge": "rebase",
}
_STATUSES = ("active", "abandoned", "completed", "all")


def existing_pull(call: Call) -> PullRequest:
    number = call.number("number")
    pull = call.pulls.get(call.repository, number)
    if pull is None:
        raise devops_error(
            404,
            "GitPullRequestNotFoundException",
            f"TF401180: The requested pull request was not found. (id {number})",
        )
    return pull


async def _shown(call: Call, pull: PullRequest, status: int = 200) -> Response:
    return JSONResponse(await pull_json(call.repository, pull, call.base_url, call.organization), status)


async def create(call: Call) -> Response:
    body = await call.json()
    title = body.get("title")
    if not isinstance(title, str) or not title:
        raise bad_argument("A title is required.\r\nParameter name: gitPullRequestToCreate.Title")
    head, base = await _branch(call, body, "sourceRefName"), await _branch(call, body, "targetRefName")
    if call.pulls.open_of(call.repository, head, base):
        raise devops_error(
            409,
            "GitPullRequestExistsException",
            f"TF401179: An active pull request for the source and target branch already exists. ({head} to {base})",
        )
    draft = body.get("isDraft") is True
    pull = await call.pulls.open(call.repository, title, body.get("description"), head, base, draft)
    await call.webhooks.changed(call.repository, PullChange(pull, "opened"))
    return await _shown(call, pull, 201)


async def _branch(call: Call, body: Mapping[str, Any], field: str) -> str:
    given = body.get(field)
    if not isinstance(given, str) or not given.startswith("refs/heads/"):
        raise bad_argument(f"{field} is required, as refs/heads/<branch>.")
    branch = given.removeprefix("refs/heads/")
    if await call.repository.branch(branch) is None:
        raise devops_error(
            400, "GitPullRequestCannotBeCreatedException", f"TF401398: The branch {given} does not exist."
        )
    return branch


async def listed(call: Call) -> Response:
    """Newest first, by `searchCriteria.status` (active), `sourceRefName` and `targetRefName`."""
    criteria = "searchCriteria."
    status = (call.query(f"{criteria}status") or "active").lower()
    if status not in _STATUSES:
        raise bad_argument(f"The status {status!r} is none of {', '.join(_STATUSES)}.")
    source, target = call.query(f"{criteria}sourceRefName"), call.query(f"{criteria}targetRefName")
    found = [
        pull
        for pull in reversed(call.pulls.all(call.repository))
        if status in (status_of(pull), "all")
        and source in ("", f"refs/heads/{pull.head}")
        and target in ("", f"refs/heads/{pull.base}")
    ]
    shown = call.spread(found, 101)
    return collection([await pull_json(call.repository, p, call.base_url, call.organization) for p in shown])


async def get(call: Call) -> Response:
    return await _shown(call, existing_pull(call))


async def update(call: Call) -> Response:
    """Change title, description or draft; abandon, reactivate, or complete (merge) it."""
    pull, body = existing_pull(call), await call.json()
    names = {"title": "title", "description": "body", "isDraft": "draft"}
    changed = {names[name]: body[name] for name in names if name in body}
    if changed:
        pull = pull.touched(**changed)
        await call.webhooks.changed(call.repository, PullChange(pull, "edited"))
    status = body.get("status", status_of(pull))
    if status == status_of(pull):
        return await _shown(call, pull)
    if pull.merged or status not in ("active", "abandoned", "completed"):
        raise bad_argument(f"The pull request cannot become {status!r}: it is {status_of(pull)}.")
    if status == "completed":
        return await _shown(call, await _complete(call, pull, body))
    change = PullChange(pull.closed(), "closed") if status == "abandoned" else await _reactivated(call, pull)
    await call.webhooks.changed(call.repository, change)
    return await _shown(call, change.pull)


async def _reactivated(call: Call, pull: PullRequest) -> PullChange:
    head = await call.repository.branch(pull.head)
    if head is None:
        raise bad_argument(f"The branch refs/heads/{pull.head} is gone.")
    return PullChange(pull.touched(state="open", closed_at=None, head_sha=head), "reopened")


async def _complete(call: Call, pull: PullRequest, body: Mapping[str, Any]) -> PullRequest:
    """Merge it, if `lastMergeSourceCommit` is still its head; what cannot be merged stays active, with conflicts."""
    seen = (body.get("lastMergeSourceCommit") or {}).get("commitId")
    if seen != pull.head_sha:
        raise devops_error(
            409,
            "GitPullRequestStaleException",
            "TF401192: The pull request has been updated: lastMergeSourceCommit must be its source branch's head.",
        )
    options = body.get("completionOptions") or {}
    strategy = str(
        options.get("mergeStrategy") or ("squash" if options.get("squashMerge") else "noFastForward")
    )
    if strategy.lower() not in _METHODS:
        raise bad_argument(
            f"The mergeStrategy {strategy!r} is none of noFastForward, squash, rebase, rebaseMerge."
        )
    message = options.get("mergeCommitMessage") or f"Merged PR {pull.number}: {pull.title}"
    try:
        done = await merge_pull(call.repository, pull, _METHODS[strategy.lower()], message)
    except Conflict:
        return pull
    if done is None:
        return pull
    merged, moved = done
    await call.webhooks.changed(call.repository, PullChange(merged, "closed"))
    updates = [moved]
    source = f"refs/heads/{pull.head}"
    if options.get("deleteSourceBranch") and await call.repository.update(source, ZERO, pull.head_sha):
        updates.append(RefUpdate(source, pull.head_sha, ZERO))
    await call.pushed(updates)
    return merged


async def pull_commits(call: Call) -> Response:
    pull = existing_pull(call)
    shas = await call.repository.commits(f"{pull.base_sha}..{pull.head_sha}")
    found = await read_commits(call.repository, call.spread(shas, 100))
    return collection([commit_json(one, call.url) for one in found])


async def create_status(call: Call) -> Response:
    pull = existing_pull(call)
    return JSONResponse(put_status(call, f"pull/{pull.number}", await call.json()), 200)


async def list_statuses(call: Call) -> Response:
    return collection(statuses_of(call, f"pull/{existing_pull(call).number}"))


_ONE = "/pullrequests/{number:int}"
PULLS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/pullrequests", create),
    ("GET", "/pullrequests", listed),
    ("GET", _ONE, get),
    ("PATCH", _ONE, update),
    ("GET", f"{_ONE}/commits", pull_commits),
    ("POST", f"{_ONE}/statuses", create_status),
    ("GET", f"{_ONE}/statuses", list_statuses),
)
