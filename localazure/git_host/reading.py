"""GitHub's REST: what reads the repository."""

import base64
from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.git_host.answers import Call, Handler, github_error, not_found, paginated
from localazure.git_host.commits import FILES_LIMIT, compared_files, read_commit, read_commits
from localazure.git_host.repository import Entry, GitError

_INLINE_BYTES = 1024 * 1024  # above that GitHub gives a file only as raw
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_COMMITS_LIMIT = 250  # of one comparison
_KINDS = {"blob": "file", "tree": "dir", "commit": "submodule"}


async def repository(call: Call) -> Response:
    return JSONResponse(call.repository.summary(call.base_url))


async def contents(call: Call) -> Response:
    commit = await call.commit(call.query("ref", call.repository.default_branch))
    path = call.path("path").strip("/")
    sha = await call.repository.object_at(commit, path)
    if sha is None:
        raise not_found()
    if await call.repository.type_of(sha) == "tree":
        entries = await call.repository.tree(sha)
        return JSONResponse(
            [_listed(call, entry, f"{path}/{entry.path}".lstrip("/"), commit) for entry in entries]
        )
    content = await call.repository.blob(sha)
    return _raw(content) if call.wants_raw else JSONResponse(_file(call, path, sha, content, commit))


def _listed(call: Call, entry: Entry, path: str, commit: str) -> dict[str, Any]:
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "size": entry.size or 0,
        "type": _KINDS[entry.type],
        "url": f"{call.url}/contents/{path}?ref={commit}",
    }


def _file(call: Call, path: str, sha: str, content: bytes, commit: str) -> dict[str, Any]:
    inline = len(content) <= _INLINE_BYTES
    return _listed(call, Entry("100644", "blob", sha, len(content), path), path, commit) | {
        "encoding": "base64" if inline else "none",
        "content": base64.encodebytes(content).decode() if inline else "",
        "git_url": f"{call.url}/git/blobs/{sha}",
    }


def _raw(content: bytes) -> Response:
    return Response(content, media_type="application/vnd.github.raw+json; charset=utf-8")


async def tree(call: Call) -> Response:
    sha = await call.repository.resolve(call.path("sha"), "tree")
    if sha is None:
        raise not_found()
    entries = await call.repository.tree(sha, recursive=bool(call.request.query_params.get("recursive")))
    return JSONResponse(
        {
            "sha": sha,
            "url": f"{call.url}/git/trees/{sha}",
            "tree": [
                {"path": entry.path, "mode": entry.mode, "type": entry.type, "sha": entry.sha}
                | ({} if entry.size is None else {"size": entry.size})
                for entry in entries
            ],
            "truncated": False,
        }
    )


async def blob(call: Call) -> Response:
    sha = call.path("sha")
    if await call.repository.type_of(sha) != "blob":
        raise not_found()
    content = await call.repository.blob(sha)
    if call.wants_raw:
        return _raw(content)
    encoded = base64.encodebytes(content).decode()
    return JSONResponse({"sha": sha, "size": len(content), "encoding": "base64", "content": encoded})


async def ref(call: Call) -> Response:
    name = f"refs/{call.path('ref')}"
    output = await call.repository.git("for-each-ref", "--format=%(refname) %(objecttype) %(objectname)")
    for line in output.decode().splitlines():
        found, kind, sha = line.split(" ")
        if found == name:
            return JSONResponse({"ref": name, "object": {"type": kind, "sha": sha}})
    raise not_found()


async def branches(call: Call) -> Response:
    heads = await call.repository.branches()
    return paginated(
        call,
        [
            {"name": name, "commit": {"sha": sha, "url": f"{call.url}/commits/{sha}"}, "protected": False}
            for name, sha in heads.items()
        ],
    )


async def branch(call: Call) -> Response:
    name = call.path("branch")
    sha = await call.repository.branch(name)
    if sha is None:
        raise github_error(404, "Branch not found")
    commit = await read_commit(call.repository, sha)
    return JSONResponse({"name": name, "commit": commit.json(call.url), "protected": False})


async def commit(call: Call) -> Response:
    sha = await call.commit(call.path("ref"), 422)
    details = await read_commit(call.repository, sha)
    files = await compared_files(call.repository, details.parents[0] if details.parents else _EMPTY_TREE, sha)
    return JSONResponse(details.json(call.url) | {"files": files[:FILES_LIMIT]})


async def compare(call: Call) -> Response:
    base_name, dots, head_name = call.path("range").partition("...")
    if not dots:
        raise not_found()
    base, head = await call.commit(base_name), await call.commit(head_name)
    try:
        merge_base = (await call.repository.git("merge-base", base, head)).decode().split()[0]
    except GitError:
        raise github_error(404, f"No common ancestor between {base_name} and {head_name}.") from None
    behind, ahead = map(int, (await _count(call, base, head)).split())
    shas = (await call.repository.git("rev-list", "--reverse", f"{base}..{head}")).decode().split()
    commits = await read_commits(call.repository, shas[:_COMMITS_LIMIT])
    files = await compared_files(call.repository, merge_base, head)
    return JSONResponse(
        {
            "status": _status(ahead, behind),
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": len(shas),
            "base_commit": (await read_commit(call.repository, base)).json(call.url),
            "merge_base_commit": (await read_commit(call.repository, merge_base)).json(call.url),
            "commits": [one.json(call.url) for one in commits],
            "files": files[:FILES_LIMIT],
        }
    )


async def _count(call: Call, base: str, head: str) -> str:
    return (await call.repository.git("rev-list", "--left-right", "--count", f"{base}...{head}")).decode()


def _status(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"


async def tarball(call: Call) -> Response:
    sha = await call.commit(call.path("ref") or call.repository.default_branch)
    folder = f"{call.repository.name.replace('/', '-')}-{sha[:7]}"
    archive = await call.repository.git("archive", "--format=tar.gz", f"--prefix={folder}/", sha)
    disposition = {"content-disposition": f"attachment; filename={folder}.tar.gz"}
    return Response(archive, media_type="application/x-gzip", headers=disposition)


READING: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "", repository),
    ("GET", "/contents", contents),
    ("GET", "/contents/{path:path}", contents),
    ("GET", "/git/trees/{sha:path}", tree),
    ("GET", "/git/blobs/{sha}", blob),
    ("GET", "/git/ref/{ref:path}", ref),
    ("GET", "/branches", branches),
    ("GET", "/branches/{branch:path}", branch),
    ("GET", "/compare/{range:path}", compare),
    ("GET", "/tarball", tarball),
    ("GET", "/tarball/{ref:path}", tarball),
    ("GET", "/commits/{ref:path}", commit),
)
