"""Azure DevOps' REST: files and folders."""

import mimetypes
from typing import Any, Literal
from urllib.parse import quote

from starlette.responses import JSONResponse, Response, StreamingResponse

from localazure.git_host.devops.answers import Call, Handler, Version, bad_argument, collection, devops_error
from localazure.git_host.repository import Entry, is_inside

Format = Literal["json", "octetstream", "text", "zip"]
_FORMATS: dict[str, Format] = {"json": "json", "octetstream": "octetstream", "text": "text", "zip": "zip"}
_ACCEPTED: dict[str, Format] = {
    "application/json": "json",
    "application/octet-stream": "octetstream",
    "text/plain": "text",
    "application/zip": "zip",
}
_LEVELS = ("none", "onelevel", "onelevelplusnestedemptyfolders", "full")
_BINARY_PROBE_BYTES = 8000  # as git looks


async def items(call: Call) -> Response:
    """One item by `path`, or those below `scopePath`: as JSON, or a file's bytes."""
    version = await call.version("versionDescriptor.", call.query("version") or None)
    path = (call.query("path") or call.query("scopePath") or "/").strip("/")
    level = (call.query("recursionLevel") or "none").lower()
    if level not in _LEVELS:
        raise bad_argument(f"recursionLevel {level!r} is none of {', '.join(_LEVELS)}.")
    entry = await _entry(call, version, path)
    if call.query("path") and level == "none":
        return await _one(call, version, path, entry)
    listed = [_json(call, version, path, entry)]
    if entry.type == "tree" and (level != "none" or call.query("scopePath") or not call.query("path")):
        listed += await _below(call, version, path, entry, recursive=level == "full")
    return collection(listed)


async def _entry(call: Call, version: Version, path: str) -> Entry:
    if path and not is_inside(path):
        raise bad_argument(f"The path {path!r} is no path of a repository.")
    entry = await call.repository.entry(version.commit, path)
    if entry is None:
        raise devops_error(
            404,
            "GitItemNotFoundException",
            f"TF401174: The item '/{path}' could not be found in the repository '{call.repository.short_name}' at the "
            f"version specified by '{version}' (resolved to commit '{version.commit}')",
        )
    return entry


async def _below(
    call: Call, version: Version, path: str, entry: Entry, recursive: bool
) -> list[dict[str, Any]]:
    found = await call.repository.tree(entry.sha, recursive)
    return [_json(call, version, f"{path}/{one.path}".lstrip("/"), one) for one in found]


async def _one(call: Call, version: Version, path: str, entry: Entry) -> Response:
    wanted = _format(call, entry)
    if wanted == "zip":
        return _zipped(call, version, path, entry)
    if wanted == "json" or entry.type != "blob":
        return JSONResponse(_json(call, version, path, entry) | await _content(call, path, entry))
    media = "application/octet-stream" if wanted == "octetstream" else "text/plain; charset=utf-8"
    headers = {"content-length": str(entry.size)}
    if call.flag("download") or wanted == "octetstream":
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2])}"
    stream = call.repository.stream("cat-file", "blob", entry.sha)
    return StreamingResponse(stream, media_type=media, headers=headers)


def _format(call: Call, entry: Entry) -> Format:
    """By `$format`, else by what the caller accepts; a caller who says nothing gets a file's text."""
    named = call.query("$format").lower()
    if named:
        if named not in _FORMATS:
            raise bad_argument(f"$format {named!r} is none of {', '.join(_FORMATS)}.")
        return _FORMATS[named]
    accepted = call.request.headers.get("accept", "").lower()
    for media, wanted in _ACCEPTED.items():
        if media in accepted:
            return wanted
    return "json" if call.flag("includeContent") or entry.type == "tree" else "text"


def _zipped(call: Call, version: Version, path: str, entry: Entry) -> Response:
    if entry.type != "tree":
        raise bad_argument("$format zip is for folders.")
    what = [version.commit, *(["--", path] if path else [])]
    stream = call.repository.stream("archive", "--format=zip", *what)
    return StreamingResponse(stream, media_type="application/zip")


def _json(call: Call, version: Version, path: str, entry: Entry) -> dict[str, Any]:
    where = f"/{path}"
    query = f"versionType=Commit&version={version.commit}&versionOptions=None"
    described: dict[str, Any] = {
        "objectId": entry.sha,
        "gitObjectType": entry.type,
        "commitId": version.commit,
        "path": where,
        "url": f"{call.url}/items?path={quote(where, safe='')}&{query}",
    }
    if entry.type == "tree":
        described["isFolder"] = True
    if entry.is_symlink:
        described["isSymLink"] = True
    return described


async def _content(call: Call, path: str, entry: Entry) -> dict[str, Any]:
    """What `includeContent` and `includeContentMetadata` add; a binary file's bytes do not go into JSON."""
    with_content, with_metadata = call.flag("includeContent"), call.flag("includeContentMetadata")
    if entry.type != "blob" or not (with_content or with_metadata):
        return {}
    content = await call.repository.blob(entry.sha)
    binary = b"\0" in content[:_BINARY_PROBE_BYTES]
    name = path.rpartition("/")[2]
    metadata = {
        "encoding": None if binary else 65001,
        "isBinary": binary,
        "contentType": mimetypes.guess_type(name)[0]
        or ("application/octet-stream" if binary else "text/plain"),
        "fileName": name,
        "extension": name.rpartition(".")[2],
    }
    text = {"content": content.decode(errors="replace")} if with_content and not binary else {}
    return text | {"contentMetadata": metadata}


async def blob(call: Call) -> Response:
    sha = call.path("sha")
    if await call.repository.type_of(sha) != "blob":
        raise devops_error(
            404, "GitObjectDoesNotExistException", f"TF401035: The object '{sha}' does not exist."
        )
    size = await call.repository.size(sha)
    if call.query("$format").lower() == "json" or "application/json" in call.request.headers.get(
        "accept", ""
    ):
        return JSONResponse({"objectId": sha, "size": size, "url": f"{call.url}/blobs/{sha}"})
    stream = call.repository.stream("cat-file", "blob", sha)
    return StreamingResponse(
        stream, media_type="application/octet-stream", headers={"content-length": str(size)}
    )


ITEMS: tuple[tuple[str, str, Handler], ...] = (("GET", "/items", items), ("GET", "/blobs/{sha}", blob))
