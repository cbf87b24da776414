"""GitHub's REST: pull requests."""

from typing import Any, get_args

from starlette.responses import JSONResponse, Response

from localazure.git_host.commits import changes_between, read_commits
from localazure.git_host.edits import Conflict, Method
from localazure.git_host.github.answers import (
    Call,
    Handler,
    boolean,
    github_error,
    invalid,
    json_object,
    not_found,
    page_of,
    paginated,
    text,
)
from localazure.git_host.github.history import file_json, shown_files
from localazure.git_host.github.pull_json import pull_json
from localazure.git_host.pulls import PullChange, PullRequest, merge_pull

_FILES_LIMIT = 3000
_COMMITS_LIMIT = 250
_SORTS = {"created": "created_at", "updated": "updated_at"}


def existing_pull(call: Call) -> PullRequest:
    pull = call.pulls.get(call.repository, call.number())
    if pull is None:
        raise not_found()
    return pull


async def create(call: Call) -> Response:
    body = await json_object(call)
    title = text(body, "PullRequest", "title")
    base, head = await _branch(call, body, "base"), await _branch(call, body, "head")
    if call.pulls.open_of(call.repository, head, base):
        raise _refused(f"A pull request already exists for {call.repository.owner}:{head}.")
    ahead, _ = await call.repository.ahead_behind(f"refs/heads/{base}", f"refs/heads/{head}")
    if not ahead:
        raise _refused(f"No commits between {base} and {head}")
    draft = boolean(body, "PullRequest", "draft", False)
    pull = await call.pulls.open(call.repository, title, _body(body), head, base, draft)
    await call.webhooks.changed(call.repository, PullChange(pull, "opened"))
    return await _shown(call, pull, 201)


async def _branch(call: Call, body: dict[str, Any], field: str) -> str:
    given = text(body, "PullRequest", field)
    branch = given.removeprefix(f"{call.repository.owner}:")
    if await call.repository.branch(branch) is None:
        raise invalid("PullRequest", field, f"there is no branch {given}")
    return branch


def _body(body: dict[str, Any]) -> str | None:
    given = body.get("body")
    if given is not None and not isinstance(given, str):
        raise invalid("PullRequest", "body", "must be a text")
    return given


def _refused(message: str) -> Exception:
    custom = {"resource": "PullRequest", "code": "custom", "message": message}
    return github_error(422, f"Validation Failed: {message}", [custom])


async def _shown(call: Call, pull: PullRequest, status: int = 200) -> Response:
    return JSONResponse(await pull_json(call.repository, pull, call.base_url, detailed=True), status)


async def listed(call: Call) -> Response:
    """By `state` (open), `head` (owner:branch) and `base`; sorted by `sort` in `direction`."""
    state, head, base = call.query("state", "open"), call.query("head", ""), call.query("base", "")
    head = head.removeprefix(f"{call.repository.owner}:")
    found = [
        pull
        for pull in call.pulls.all(call.repository)
        if state in (pull.state, "all") and head in (pull.head, "") and base in (pull.base, "")
    ]
    key = _SORTS.get(call.query("sort", "created"), "created_at")
    ascending = call.query("direction", "asc" if "sort" in call.request.query_params else "desc") == "asc"
    found.sort(key=lambda pull: (getattr(pull, key), pull.number), reverse=not ascending)
    shown, headers = page_of(call, found)
    answers = [await pull_json(call.repository, pull, call.base_url) for pull in shown]
    return JSONResponse(answers, headers=headers)


async def get(call: Call) -> Response:
    return await _shown(call, existing_pull(call))


async def update(call: Call) -> Response:
    """Change the title, body or base; close it, or open it again."""
    pull, body = existing_pull(call), await json_object(call)
    changed = pull
    if "title" in body:
        changed = changed.touched(title=text(body, "PullRequest", "title"))
    if "body" in body:
        changed = changed.touched(body=_body(body))
    if "base" in body:
        changed = changed.touched(base=await _branch(call, body, "base"))
    if changed != pull:
        await call.webhooks.changed(call.repository, PullChange(changed, "edited"))
    return await _shown(call, await _moved(call, changed, body.get("state", pull.state)))


async def _moved(call: Call, pull: PullRequest, state: Any) -> PullRequest:
    if state not in ("open", "closed"):
        raise invalid("PullRequest", "state", "must be open or closed")
    if state == pull.state:
        return pull
    if state == "closed":
        change = PullChange(pull.closed(), "closed")
    else:
        change = PullChange(await _reopened(call, pull), "reopened")
    await call.webhooks.changed(call.repository, change)
    return change.pull


async def _reopened(call: Call, pull: PullRequest) -> PullRequest:
    branches = await call.repository.branches()
    if pull.merged or pull.head not in branches or pull.base not in branches:
        raise _refused("state cannot be changed: it is merged, or a branch of it is gone")
    if call.pulls.open_of(call.repository, pull.head, pull.base):
        raise _refused("state cannot be changed: there is another open one for the same branches")
    return pull.touched(
        state="open", closed_at=None, head_sha=branches[pull.head], base_sha=branches[pull.base]
    )


async def files(call: Call) -> Response:
    """The files that it changes: pages of the first 3000."""
    pull = existing_pull(call)
    start = await call.repository.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    changes = (await changes_between(call.repository, start, pull.head_sha))[:_FILES_LIMIT]
    shown, headers = page_of(call, changes)
    if len(shown) == len(changes):
        return JSONResponse(await shown_files(call, start, pull.head_sha), headers=headers)
    return JSONResponse([file_json(call, change, pull.head_sha) for change in shown], headers=headers)


async def pull_commits(call: Call) -> Response:
    pull = existing_pull(call)
    shas = await call.repository.commits("--reverse", f"{pull.base_sha}..{pull.head_sha}")
    found = await read_commits(call.repository, shas[:_COMMITS_LIMIT])
    return paginated(call, [one.json(call.url) for one in found])


async def is_merged(call: Call) -> Response:
    if not existing_pull(call).merged:
        raise not_found()
    return Response(status_code=204)


async def merge(call: Call) -> Response:
    """Merge by `merge_method`; `sha` must be the head that was looked at."""
    pull = existing_pull(call)
    body = await json_object(call) if await call.request.body() else {}
    method = body.get("merge_method", "merge")
    if method not in get_args(Method):
        raise invalid("PullRequest", "merge_method", f"must be one of {', '.join(get_args(Method))}")
    if body.get("sha") not in (None, pull.head_sha):
        raise github_error(409, "Head branch was modified. Review and try the merge again.")
    if pull.state == "closed" or pull.draft:
        raise github_error(405, "Pull Request is not mergeable")
    try:
        done = await merge_pull(call.repository, pull, method, _message(call, pull, method, body))
    except Conflict:
        raise github_error(405, "Pull Request is not mergeable") from None
    if done is None:
        raise github_error(409, "Base branch was modified. Review and try the merge again.")
    merged, moved = done
    await call.webhooks.changed(call.repository, PullChange(merged, "closed"))
    await call.moved(moved.ref, moved.before, moved.after)
    return JSONResponse(
        {"sha": merged.merge_sha, "merged": True, "message": "Pull Request successfully merged"}
    )


def _message(call: Call, pull: PullRequest, method: Method, body: dict[str, Any]) -> str:
    if method == "squash":
        title, details = f"{pull.title} (#{pull.number})", pull.body or ""
    else:
        title = f"Merge pull request #{pull.number} from {call.repository.owner}/{pull.head}"
        details = pull.title
    title, details = body.get("commit_title") or title, body.get("commit_message") or details
    return f"{title}\n\n{details}".strip()


PULLS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/pulls", create),
    ("GET", "/pulls", listed),
    ("GET", "/pulls/{number:int}", get),
    ("PATCH", "/pulls/{number:int}", update),
    ("GET", "/pulls/{number:int}/files", files),
    ("GET", "/pulls/{number:int}/commits", pull_commits),
    ("GET", "/pulls/{number:int}/merge", is_merged),
    ("PUT", "/pulls/{number:int}/merge", merge),
)
