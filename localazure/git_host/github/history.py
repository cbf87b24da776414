"""GitHub's REST: commits, and what differs between them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from localazure.git_host.commits import Change, changes_between, read_commit, read_commits, with_patches
from localazure.git_host.github.answers import Call, Handler, github_error, not_found, page_of
from localazure.git_host.repository import EMPTY_TREE, is_inside

FILES_LIMIT = 300  # of one comparison or commit
_COMMITS_LIMIT = 250  # of a comparison that asks for no page


def file_json(call: Call, change: Change, commit: str) -> dict[str, Any]:
    """One changed file, as comparisons, commits and pull requests list it."""
    added, removed = change.lines or (0, 0)
    described: dict[str, Any] = {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "contents_url": f"{call.url}/contents/{quote(change.path)}?ref={commit}",
        "blob_url": None,
        "raw_url": None,
    }
    if change.old_path:
        described["previous_filename"] = change.old_path
    if change.patch:
        described["patch"] = change.patch
    return described


async def shown_files(call: Call, base: str, head: str, limit: int = FILES_LIMIT) -> list[dict[str, Any]]:
    """The first `limit` files that differ between two commits; with their patches unless there are too many."""
    changes = await changes_between(call.repository, base, head)
    if len(changes) <= FILES_LIMIT:
        changes = await with_patches(call.repository, base, head, changes)
    return [file_json(call, change, head) for change in changes[:limit]]


async def commit(call: Call) -> Response:
    sha = await call.commit(call.path("ref"), 422)
    details = await read_commit(call.repository, sha)
    files = await shown_files(call, details.parents[0] if details.parents else EMPTY_TREE, sha)
    added, removed = (sum(one[name] for one in files) for name in ("additions", "deletions"))
    stats = {"total": added + removed, "additions": added, "deletions": removed}
    return JSONResponse(details.json(call.url) | {"stats": stats, "files": files})


async def commits(call: Call) -> Response:
    """The commits that a branch or commit (`sha`) reaches, newest first: of a path, an author, a span of time."""
    start = await call.commit(call.query("sha", call.repository.default_branch))
    wanted = [f"--{name}={given}" for name in ("author", "since", "until") if (given := call.query(name, ""))]
    path = call.query("path", "").strip("/")
    if path and not is_inside(path):
        return JSONResponse([])
    shas = await call.repository.commits(*wanted, start, "--", *([path] if path else []))
    shown, headers = page_of(call, shas)
    found = await read_commits(call.repository, shown)
    return JSONResponse([one.json(call.url) for one in found], headers=headers)


async def compare(call: Call) -> Response:
    """Two commits: what the second has that their merge base lacks. Files come with the first page alone."""
    base_name, dots, head_name = call.path("range").partition("...")
    if not dots:
        raise not_found()
    base, head = await call.commit(_local(call, base_name)), await call.commit(_local(call, head_name))
    merge_base = await call.repository.merge_base(base, head)
    if merge_base is None:
        raise github_error(404, f"No common ancestor between {base_name} and {head_name}.")
    ahead, behind = await call.repository.ahead_behind(base, head)
    shas = await call.repository.commits("--reverse", f"{base}..{head}")
    shown, headers = _page(call, shas)
    first = call.query("page", "1") == "1"
    edges = await read_commits(call.repository, [base, merge_base])
    return JSONResponse(
        {
            "url": f"{call.url}/compare/{base_name}...{head_name}",
            "status": _status(ahead, behind),
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": len(shas),
            "base_commit": edges[0].json(call.url),
            "merge_base_commit": edges[1].json(call.url),
            "commits": [one.json(call.url) for one in await read_commits(call.repository, shown)],
            "files": await shown_files(call, merge_base, head) if first else [],
        },
        headers=headers,
    )


def _page(call: Call, shas: Sequence[str]) -> tuple[Sequence[str], dict[str, str]]:
    if {"page", "per_page"} & call.request.query_params.keys():
        return page_of(call, shas)
    return shas[:_COMMITS_LIMIT], {}


def _local(call: Call, name: str) -> str:
    """`owner:branch` names a branch of this repository, or of a fork: here there are none."""
    return name.removeprefix(f"{call.repository.owner}:")


def _status(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"


HISTORY: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/compare/{range:path}", compare),
    ("GET", "/commits", commits),
    ("GET", "/commits/{ref:path}", commit),
)
