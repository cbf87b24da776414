"""GitHub's REST: branches and refs, read and moved."""

from typing import Any

from starlette.responses import JSONResponse, Response

from localazure.git_host.commits import read_commit
from localazure.git_host.github.answers import (
    Call,
    Handler,
    boolean,
    github_error,
    json_object,
    not_found,
    paginated,
    text,
)
from localazure.git_host.repository import ZERO, GitError, Ref


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


async def ref(call: Call) -> Response:
    return JSONResponse(_json(call, await _existing(call, 404)))


async def matching_refs(call: Call) -> Response:
    prefix = f"refs/{call.path('ref')}"
    return paginated(
        call, [_json(call, one) for one in await call.repository.refs() if one.name.startswith(prefix)]
    )


async def create_ref(call: Call) -> Response:
    body = await json_object(call)
    name, sha = text(body, "Reference", "ref"), text(body, "Reference", "sha")
    if not name.startswith("refs/") or name.count("/") < 2 or not await _is_name(call, name):
        raise github_error(422, "Reference name must start with 'refs/' and be a valid name.")
    if await call.repository.type_of(sha) is None:
        raise github_error(422, "Object does not exist")
    if not await call.repository.update(name, sha, ZERO):
        raise github_error(422, "Reference already exists")
    await call.moved(name, ZERO, sha)
    return JSONResponse(_json(call, await _existing(call, 422, name)), 201)


async def update_ref(call: Call) -> Response:
    body = await json_object(call)
    sha, force = text(body, "Reference", "sha"), boolean(body, "Reference", "force", False)
    known = await _existing(call, 422)
    if await call.repository.type_of(sha) is None:
        raise github_error(422, "Object does not exist")
    if not force and not await call.repository.contains(known.sha, sha):
        raise github_error(422, "Update is not a fast forward")
    if not await call.repository.update(known.name, sha, known.sha):
        raise github_error(409, f"{known.name} was changed by someone else meanwhile.")
    await call.moved(known.name, known.sha, sha)
    return JSONResponse(_json(call, await _existing(call, 422)))


async def delete_ref(call: Call) -> Response:
    known = await _existing(call, 422)
    await call.repository.git("update-ref", "-d", known.name, known.sha)
    await call.moved(known.name, known.sha, ZERO)
    return Response(status_code=204)


async def _existing(call: Call, status: int, name: str | None = None) -> Ref:
    name = name or f"refs/{call.path('ref')}"
    found = next((one for one in await call.repository.refs() if one.name == name), None)
    if found:
        return found
    if await call.repository.is_empty():
        raise github_error(409, "Git Repository is empty.")
    raise not_found() if status == 404 else github_error(status, "Reference does not exist")


async def _is_name(call: Call, name: str) -> bool:
    try:
        await call.repository.git("check-ref-format", name)
    except GitError:
        return False
    return True


def _json(call: Call, known: Ref) -> dict[str, Any]:
    url = f"{call.url}/git/{known.type}s/{known.sha}"
    return {
        "ref": known.name,
        "url": f"{call.url}/git/{known.name}",
        "object": {"type": known.type, "sha": known.sha, "url": url},
    }


REFS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/git/ref/{ref:path}", ref),
    ("GET", "/git/matching-refs/{ref:path}", matching_refs),
    ("POST", "/git/refs", create_ref),
    ("PATCH", "/git/refs/{ref:path}", update_ref),
    ("DELETE", "/git/refs/{ref:path}", delete_ref),
    ("GET", "/branches", branches),
    ("GET", "/branches/{branch:path}", branch),
)
