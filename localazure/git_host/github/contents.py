"""GitHub's REST: files, folders, trees and blobs."""

import base64
import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response, StreamingResponse

from localazure.git_host.github.answers import Call, Handler, github_error, not_found
from localazure.git_host.repository import Entry

INLINE_BYTES = 1024 * 1024  # above that GitHub gives a file only as raw
LARGEST_BYTES = 100 * 1024 * 1024
FOLDER_LIMIT = 1000
TREE_LIMIT = 100_000
_MOST_LINKS = 40  # as many as Linux follows
_KINDS = {"blob": "file", "tree": "dir", "commit": "submodule"}


async def repository(call: Call) -> Response:
    return JSONResponse(call.repository.summary(call.base_url))


async def contents(call: Call) -> Response:
    """A file, a folder, a link or a submodule at a commit."""
    if await call.repository.is_empty():
        raise github_error(404, "This repository is empty.")
    commit = await call.commit(call.query("ref", call.repository.default_branch))
    path = call.path("path").strip("/")
    entry = await call.repository.entry(commit, path)
    if entry is None:
        raise not_found()
    if entry.is_symlink:
        return await _link(call, commit, path, entry)
    if entry.type == "tree":
        return await _folder(call, commit, path, entry)
    if entry.type == "commit":
        submodule = {"type": "submodule", "submodule_git_url": None}
        return JSONResponse(_listed(call, entry, path, commit) | submodule)
    return await _file(call, commit, path, entry)


async def _folder(call: Call, commit: str, path: str, folder: Entry) -> Response:
    entries = (await call.repository.tree(folder.sha))[:FOLDER_LIMIT]
    listed = [_listed(call, entry, posixpath.join(path, entry.path), commit) for entry in entries]
    if call.accepts("object"):
        return JSONResponse(_listed(call, folder, path, commit) | {"entries": listed})
    return JSONResponse([one | ({"type": "file"} if one["type"] == "submodule" else {}) for one in listed])


async def _link(call: Call, commit: str, path: str, link: Entry) -> Response:
    """The file that a symbolic link leads to; the link itself where that is none of the repository's files."""
    where, entry = path, link
    for _ in range(_MOST_LINKS):
        target = (await call.repository.blob(entry.sha)).decode(errors="replace")
        where = posixpath.normpath(posixpath.join(posixpath.dirname(where), target))
        found = await call.repository.entry(commit, where)
        if found is None or found.type != "blob":
            break
        if not found.is_symlink:
            return await _file(call, commit, path, found)
        entry = found
    target = (await call.repository.blob(link.sha)).decode(errors="replace")
    return JSONResponse(_listed(call, link, path, commit) | {"type": "symlink", "target": target})


async def _file(call: Call, commit: str, path: str, entry: Entry) -> Response:
    size = entry.size or 0
    _check_size(size)
    if call.accepts("raw"):
        return raw(call, entry.sha, size)
    inline = size <= INLINE_BYTES
    content = base64.encodebytes(await call.repository.blob(entry.sha)).decode() if inline else ""
    described = _listed(call, entry, path, commit) | {
        "encoding": "base64" if inline else "none",
        "content": content,
    }
    return JSONResponse(described)


def _check_size(size: int) -> None:
    if size > LARGEST_BYTES:
        too_large = {"resource": "Blob", "field": "data", "code": "too_large"}
        message = (
            "This API returns blobs up to 100 MB in size. The requested blob is too large to fetch via the API, "
            "but you can always clone the repository via Git in order to obtain it."
        )
        raise github_error(403, message, [too_large])


def _listed(call: Call, entry: Entry, path: str, commit: str) -> dict[str, Any]:
    url = f"{call.url}/contents/{quote(path)}?ref={commit}"
    kind = "trees" if entry.type == "tree" else "blobs"
    git_url = f"{call.url}/git/{kind}/{entry.sha}"
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "size": entry.size or 0,
        "type": "symlink" if entry.is_symlink else _KINDS[entry.type],
        "url": url,
        "git_url": git_url,
        "html_url": None,
        "download_url": None,
        "_links": {"self": url, "git": git_url, "html": None},
    }


def raw(call: Call, sha: str, size: int) -> Response:
    headers: Mapping[str, str] = {"content-length": str(size)}
    media = "application/vnd.github.raw+json; charset=utf-8"
    return StreamingResponse(
        call.repository.stream("cat-file", "blob", sha), media_type=media, headers=headers
    )


async def tree(call: Call) -> Response:
    sha = await call.repository.resolve(call.path("sha"), "tree")
    if sha is None and await call.repository.is_empty():
        raise github_error(409, "Git Repository is empty.")
    if sha is None:
        raise not_found()
    entries = await call.repository.tree(sha, recursive="recursive" in call.request.query_params)
    return JSONResponse(
        {
            "sha": sha,
            "url": f"{call.url}/git/trees/{sha}",
            "tree": [_leaf(call, entry) for entry in entries[:TREE_LIMIT]],
            "truncated": len(entries) > TREE_LIMIT,
        }
    )


def _leaf(call: Call, entry: Entry) -> dict[str, Any]:
    described: dict[str, Any] = {"path": entry.path, "mode": entry.mode, "type": entry.type, "sha": entry.sha}
    if entry.size is not None:
        described["size"] = entry.size
    if entry.type == "commit":
        return described
    return described | {"url": f"{call.url}/git/{'trees' if entry.type == 'tree' else 'blobs'}/{entry.sha}"}


async def blob(call: Call) -> Response:
    sha = call.path("sha")
    if await call.repository.type_of(sha) != "blob":
        raise not_found()
    size = await call.repository.size(sha)
    _check_size(size)
    if call.accepts("raw"):
        return raw(call, sha, size)
    encoded = base64.encodebytes(await call.repository.blob(sha)).decode()
    url = f"{call.url}/git/blobs/{sha}"
    return JSONResponse({"sha": sha, "url": url, "size": size, "encoding": "base64", "content": encoded})


async def tarball(call: Call) -> Response:
    sha = await call.commit(call.path("ref") or call.repository.default_branch)
    folder = f"{call.repository.name.replace('/', '-')}-{sha[:7]}"
    archive = call.repository.stream("archive", "--format=tar.gz", f"--prefix={folder}/", sha)
    disposition = {"content-disposition": f"attachment; filename={folder}.tar.gz"}
    return StreamingResponse(archive, media_type="application/x-gzip", headers=disposition)


CONTENTS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "", repository),
    ("GET", "/contents", contents),
    ("GET", "/contents/{path:path}", contents),
    ("GET", "/git/trees/{sha:path}", tree),
    ("GET", "/git/blobs/{sha}", blob),
    ("GET", "/tarball", tarball),
    ("GET", "/tarball/{ref:path}", tarball),
)
