"""The fleet's repository through GitHub's REST API (github.com, Enterprise, or anything that speaks it)."""

import base64
import io
import threading
import time
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from busbar.clients.session import status_error
from busbar.domain.errors import Conflict, NotFound, TemporarilyUnavailable
from busbar.domain.wording import shortened
from busbar.settings import Settings

if TYPE_CHECKING:
    import httpx

_DESCRIPTION = 140  # characters that a commit status takes
_KEPT_COMMITS = 4
_ATTEMPTS = 3
_PAUSE = 0.5

Files = dict[str, bytes]


class Repository:
    """One repository. Commits never change, so what was read at one is kept for the last few of them.

    Every method raises `TemporarilyUnavailable` when the host does not answer after a few tries.
    """

    def __init__(self, settings: Settings):
        self._api = f"{settings.repository_api}/repos/{settings.repository}"
        self._name = settings.repository
        self._token = settings.repository_token
        self._trees: OrderedDict[str, Files] = OrderedDict()
        self._lock = threading.Lock()

    def file(self, path: str, ref: str) -> bytes:
        """One file at a commit; raises `NotFound`."""
        raw = {"Accept": "application/vnd.github.raw+json"}
        found = self._send(
            "GET", f"contents/{quote(path)}", f"read {path} at {ref}", params={"ref": ref}, headers=raw
        )
        return found.content

    def files(self, prefix: str, ref: str) -> Files:
        """All files under a folder at a commit, by path from the root; raises `NotFound` for no such commit."""
        folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        return {path: content for path, content in self._tree(ref).items() if path.startswith(folder)}

    def merge_base(self, base: str, head: str) -> str | None:
        """The commit that two have in common; `None` where they share none, or one is unknown."""
        try:
            compared = self._send(
                "GET", f"compare/{quote(base)}...{quote(head)}", f"compare {base} with {head}"
            )
        except NotFound:
            return None
        return compared.json()["merge_base_commit"]["sha"]

    def default_branch(self) -> str:
        return self._send("GET", "", "read the repository").json()["default_branch"]

    def heads(self) -> dict[str, str]:
        """The commit of every branch."""
        heads: dict[str, str] = {}
        page = 1
        while True:
            params = {"per_page": 100, "page": page}
            branches: list[dict[str, Any]] = self._send(
                "GET", "branches", "list branches", params=params
            ).json()
            heads |= {branch["name"]: branch["commit"]["sha"] for branch in branches}
            if len(branches) < 100:
                return heads
            page += 1

    def committer(self, commit: str) -> str:
        """The login of who committed; where the host knows no account, the name before the address's @."""
        found = self._send("GET", f"commits/{quote(commit)}", f"read commit {commit}").json()
        account = found.get("committer") or {}
        return account.get("login") or found["commit"]["committer"]["email"].partition("@")[0]

    def set_status(
        self,
        commit: str,
        state: Literal["pending", "success", "failure", "error"],
        description: str,
        *,
        context: str = "busbar/training",
        target_url: str | None = None,
    ) -> None:
        """Set a commit's status; the host takes 140 characters of `description`: the rest is cut."""
        told = shortened(description, _DESCRIPTION)
        body = {"state": state, "description": told, "context": context, "target_url": target_url}
        sent = {name: value for name, value in body.items() if value is not None}
        self._send("POST", f"statuses/{commit}", f"set the status of {commit}", json=sent)

    def commit_file(
        self, path: str, branch: str, content: bytes, message: str, *, replaces: bytes | None = None
    ) -> str:
        """Put `content` at `path` on a branch: the new commit, or the head where it is there already.

        Raises `Conflict` when somebody moved the file meanwhile: since our look at it, or since the caller read what
        it `replaces`.
        """
        known = self._blob(path, branch)
        if replaces is not None and known and known[1] not in (content, replaces):
            raise Conflict(f"{path} on {branch} is no longer what it was when the change was made")
        if known and known[1] == content:
            return self._send("GET", f"branches/{quote(branch, safe='')}", f"read {branch}").json()["commit"][
                "sha"
            ]
        body: dict[str, str] = {
            "message": message,
            "content": base64.b64encode(content).decode(),
            "branch": branch,
        }
        if known:
            body["sha"] = known[0]
        written = self._send("PUT", f"contents/{quote(path)}", f"commit {path} to {branch}", json=body)
        return written.json()["commit"]["sha"]

    def _head(self, branch: str) -> str:
        found = self._send("GET", f"branches/{quote(branch, safe='')}", f"read branch {branch}")
        return found.json()["commit"]["sha"]

    def _contents(self, path: str, ref: str, **options: Any) -> "httpx.Response":
        return self._send(
            "GET", f"contents/{quote(path)}", f"read {path} at {ref}", params={"ref": ref}, **options
        )

    def _blob(self, path: str, ref: str) -> tuple[str, bytes] | None:
        """(blob id, content) of a file."""
        try:
            found = self._send(
                "GET", f"contents/{quote(path)}", f"read {path} at {ref}", params={"ref": ref}
            ).json()
        except NotFound:
            return None
        return found["sha"], base64.b64decode(found["content"])

    def _tree(self, ref: str) -> Files:
        with self._lock:  # one download, however many activities ask at once
            if ref not in self._trees:
                archive = self._send("GET", f"tarball/{quote(ref)}", f"read all files at {ref}").content
                self._trees[ref] = _unpacked(archive)
            self._trees.move_to_end(ref)
            while len(self._trees) > _KEPT_COMMITS:
                self._trees.popitem(last=False)
            return self._trees[ref]

    @cached_property
    def _client(self) -> "httpx.Client":
        import httpx

        return httpx.Client(
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            follow_redirects=True,  # github.com hands archives out on another host; httpx drops the token
            timeout=30,
        )

    def _send(self, method: str, path: str, doing: str, **options: Any) -> "httpx.Response":
        """One request, tried a few times; answers other than success leave as domain errors."""
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._send_once(method, path, doing, **options)
            except TemporarilyUnavailable:
                time.sleep(_PAUSE * 2**attempt)
        return self._send_once(method, path, doing, **options)

    def _send_once(self, method: str, path: str, doing: str, **options: Any) -> "httpx.Response":
        import httpx

        doing = f"{doing} in {self._name}"
        try:
            response = self._client.request(method, f"{self._api}/{path}".rstrip("/"), **options)
        except httpx.HTTPError as error:
            raise status_error(None, doing, type(error).__name__) from error
        if response.is_success:
            return response
        if response.status_code in (403, 429) and response.headers.get("x-ratelimit-remaining") == "0":
            raise TemporarilyUnavailable(f"cannot {doing}: the host's rate limit is used up")
        raise status_error(response.status_code, doing, _message(response))


def _message(response: "httpx.Response") -> str:
    try:
        told = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        told = response.reason_phrase
    return f"{response.status_code} {told}"


def _unpacked(archive: bytes) -> Files:
    """The files of an archive by path, less its one top folder."""
    import tarfile  # only where a commit is read: the app's import stays cheap

    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        read = ((entry.name, tar.extractfile(entry)) for entry in tar if entry.isfile())
        return {name.split("/", 1)[1]: file.read() for name, file in read if file}
