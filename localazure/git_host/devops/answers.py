"""What the Azure DevOps handlers share: the call they answer, its errors, versions of items, collections."""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from localazure.git_host.call import RepositoryCall
from localazure.git_host.devops.shapes import repository_url
from localazure.git_host.pulls import RefUpdate
from localazure.web import Refusal

LATEST = 7.2
_VERSION = re.compile(r"(\d+\.\d)(-preview(\.\d+)?)?")
_IN_ACCEPT = re.compile(r"api-version=([^;,\s]+)")


def devops_error(status: int, key: str, message: str) -> Refusal:
    """A refusal in Azure DevOps' shape; `key` is the exception's name, by which SDKs tell errors apart."""
    body = {
        "$id": "1",
        "innerException": None,
        "message": message,
        "typeName": f"Microsoft.TeamFoundation.Git.Server.{key}, Microsoft.TeamFoundation.Git.Server",
        "typeKey": key,
        "errorCode": 0,
        "eventId": 3000,
    }
    return Refusal(status, body)


def bad_argument(message: str) -> Refusal:
    return devops_error(400, "InvalidArgumentValueException", message)


@dataclass(frozen=True)
class Version:
    """A version descriptor, and the commit that it names."""

    kind: str
    name: str
    commit: str

    def __str__(self) -> str:
        return f"<{self.kind.capitalize()}: {self.name}>"


@dataclass(frozen=True)
class Call(RepositoryCall):
    """The call in Azure DevOps' dialect; its project is the repository's owner."""

    organization: str

    @property
    def url(self) -> str:
        """The repository's own URL."""
        return repository_url(self.repository, self.base_url, self.organization)

    def query(self, name: str, default: str = "") -> str:
        """A parameter; their names' case does not matter."""
        folded = {key.lower(): value for key, value in self.request.query_params.items()}
        return folded.get(name.lower()) or default

    def flag(self, name: str) -> bool:
        return self.query(name).lower() == "true"

    def count(self, name: str, default: int) -> int:
        given = self.query(name)
        if given and not given.isdecimal():
            raise devops_error(
                400, "VssPropertyValidationException", f"The value {given!r} of {name} is not a whole number."
            )
        return int(given) if given else default

    def spread[T](self, items: Sequence[T], top: int, prefix: str = "") -> Sequence[T]:
        """The items that `$top` (or `top`) and `$skip` ask for."""
        size = self.count(f"{prefix}$top", self.count(f"{prefix}top", top))
        start = self.count(f"{prefix}$skip", self.count(f"{prefix}skip", 0))
        return items[start : start + size]

    async def version(self, prefix: str, default: str | None = None) -> Version:
        """What `<prefix>version` and `<prefix>versionType` name; else the branch `default`, or the default branch."""
        name = self.query(f"{prefix}version")
        kind = (self.query(f"{prefix}versionType") or "branch").lower()
        name = name or default or self.repository.default_branch
        if kind not in ("branch", "tag", "commit"):
            raise bad_argument(f"The version type {kind!r} is none of branch, tag and commit.")
        space = {"branch": "refs/heads/", "tag": "refs/tags/", "commit": ""}[kind]
        commit = await self.repository.resolve(f"{space}{name.removeprefix(space)}")
        if commit is None:
            raise devops_error(
                404,
                "GitUnresolvableToCommitException",
                f"TF401175:The version descriptor <{kind.capitalize()}: {name} > could not be resolved to a version "
                f"in the repository {self.repository.short_name}",
            )
        return Version(kind, name, commit)

    async def pushed(self, updates: Sequence[RefUpdate]) -> int:
        """Announce refs that the server itself has moved; the push's number."""
        return await self.webhooks.pushed(self.repository, updates)

    async def json(self, kind: type = dict) -> Any:
        """The body, an object or a list; refuses with 400."""
        try:
            body = json.loads(await self.request.body())
        except ValueError:
            body = None
        if not isinstance(body, kind):
            raise bad_argument(f"The body must be a JSON {'list' if kind is list else 'object'}.")
        return body


Handler = Callable[[Call], Awaitable[Response]]


def check_version(request: Request) -> None:
    """Refuse a request that names no api-version, or one that is not served."""
    given = request.query_params.get("api-version") or _accepted_version(request)
    if not given:
        raise devops_error(
            400,
            "VssVersionNotSpecifiedException",
            f'No api-version was supplied for the "{request.method}" request. The version must be supplied either as '
            'part of the Accept header (e.g. "application/json; api-version=1.0") or as a query parameter (e.g. '
            '"?api-version=1.0").',
        )
    parsed = _VERSION.fullmatch(given)
    if not parsed:
        raise bad_argument(f"The api-version {given!r} is not a version such as 7.1 or 7.1-preview.1.")
    if float(parsed[1]) > LATEST:
        raise devops_error(
            400,
            "VssVersionOutOfRangeException",
            f"The requested REST API version of {parsed[1]} is out of range for this server. The latest REST API "
            f"version this server supports is {LATEST}.",
        )


def _accepted_version(request: Request) -> str | None:
    found = _IN_ACCEPT.search(request.headers.get("accept", ""))
    return found[1] if found else None


def collection(items: Sequence[Any], headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"count": len(items), "value": list(items)}, headers=headers)
